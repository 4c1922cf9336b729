import { expect, test } from 'bun:test'
import { describeWithRedis, startRedis } from '../../test/redis-process.ts'
import { systemClock } from '../clock.ts'
import { openRedis, type Redis, script } from './redis.ts'

const connected = (redis: Redis) => new Promise<void>(resolve => redis.onConnected(resolve))

describeWithRedis('the connection to Redis', () => {
  test('sends commands, and runs scripts that the server does not know yet', async () => {
    const { url } = await startRedis()
    const redis = openRedis(url, systemClock)
    await connected(redis)
    expect(await redis.send('SET', 'a', 'ä 🎈')).toBe('OK')
    const both = script('return {redis.call("GET", KEYS[1]), ARGV[1]}')
    for (let i = 0; i < 2; i++) expect(await redis.run(both, ['a'], ['b'])).toEqual(['ä 🎈', 'b'])
    redis.close()
  })

  test('repeats nothing of what it has sent when the server does not know the command', async () => {
    const { url } = await startRedis()
    const redis = openRedis(url, systemClock)
    await connected(redis)
    await expect(redis.send('NONESUCH', 'secret')).rejects.toThrow(/^ERR unknown command 'NONESUCH'$/)
    redis.close()
  })

  test('fails at once while there is none, and is there again by itself', async () => {
    const server = await startRedis()
    const redis = openRedis(server.url, systemClock)
    await connected(redis)
    await server.kill()
    await expect(redis.send('PING')).rejects.toThrow()
    expect(redis.isConnected).toBe(false)
    let again = 0
    const back = new Promise<void>(resolve => redis.onConnected(() => ++again && resolve()))
    await server.start()
    await back
    expect(await redis.send('PING')).toBe('PONG')
    expect(again).toBe(1)
    redis.close()
  })

  test('waits for an answer for three seconds, and for nothing once it is closed', async () => {
    const server = await startRedis()
    const redis = openRedis(server.url, systemClock)
    await connected(redis)
    server.signal('SIGSTOP')
    const since = performance.now()
    await expect(redis.send('PING')).rejects.toThrow('no answer in 3000 ms')
    expect(performance.now() - since).toBeLessThan(4_000)
    const owed = redis.send('PING')
    redis.close()
    await expect(owed).rejects.toThrow()
    server.signal('SIGCONT')
  })

  test('looks for another server where its own has become a replica', async () => {
    const server = await startRedis()
    const redis = openRedis(server.url, systemClock)
    await connected(redis)
    await redis.send('REPLICAOF', '127.0.0.1', '1')
    let connections = 0
    const again = new Promise<void>(resolve => redis.onConnected(() => ++connections === 2 && resolve()))
    await expect(redis.send('SET', 'a', 'b')).rejects.toThrow('READONLY')
    await again
    redis.close()
  })
})
