import { describe } from 'bun:test'
import { hasRedis, startRedis } from '../../test/redis-process.ts'
import { systemClock } from '../clock.ts'
import { openRedis } from '../redis/redis.ts'
import { redis } from './redis.ts'
import { roomStoreContract } from './room-store.contract.ts'

/** Here, as a hook that starts one would end it, too. */
const shared = hasRedis ? await startRedis() : undefined

describe.skipIf(!shared)('with a Redis', () => {
  roomStoreContract('redis', async () => {
    const connection = openRedis(shared?.url ?? '', systemClock)
    await new Promise<void>(resolve => connection.onConnected(resolve))
    const store = redis(connection, systemClock)
    return { ...store, close: async () => connection.close() }
  })
})
