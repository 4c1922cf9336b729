import { expect, onTestFinished, test } from 'bun:test'
import { recordingLog } from '../../test/harness.ts'
import { describeWithRedis, startRedis } from '../../test/redis-process.ts'
import { someRoom } from '../../test/some-room.ts'
import { systemClock as clock } from '../clock.ts'
import { openRedis } from '../redis/redis.ts'
import { redis as redisRooms } from '../room-store/redis.ts'
import type { RoomRecord } from '../room-store/room-store.ts'
import { restoredRooms } from './restored-rooms.ts'

/** A store of a node on which these rooms are open. */
async function storeWith(...rooms: RoomRecord[]) {
  const server = await startRedis()
  const connection = openRedis(server.url, clock)
  onTestFinished(() => connection.close())
  const store = restoredRooms(redisRooms(connection, clock), connection, clock, recordingLog())
  const connected = () => new Promise<void>(resolve => connection.onConnected(resolve))
  await connected()
  const open = new Map(rooms.map(room => [room.room_id, room]))
  store.keep({ recordOf: id => open.get(id), records: () => [...open.values()] })
  /** Resolves with what `act` gives as soon as there is a new connection. */
  const atReturn = async <T>(act: () => Promise<T>): Promise<T> => {
    await server.kill()
    while (connection.isConnected) await new Promise(setImmediate)
    const outcome = new Promise<T>((resolve, reject) => connection.onConnected(() => act().then(resolve, reject)))
    await server.start()
    return outcome
  }
  return { server, connection, store, open, atReturn }
}

describeWithRedis('rooms that are open on a node', () => {
  test('are there as they were before anything is asked of a Redis that has lost its memory', async () => {
    const rooms = Array.from({ length: 120 }, () => someRoom({ created_by: 'somebody', revision: 3, expires_at: null }))
    const { store, atReturn } = await storeWith(...rooms)
    const update = () =>
      Promise.all(rooms.map(({ room_id }) => store.update(room_id, room => ({ ...room, locked: true }))))
    expect(await atReturn(update)).toEqual(rooms.map(room => ({ ...room, locked: true, revision: 4 })))
    expect(await store.createdBy('somebody', 0)).toHaveLength(120)
  })

  test('stay as they are where Redis has them still', async () => {
    const room = someRoom()
    const { store, connection } = await storeWith(room)
    await store.update(room.room_id, before => ({ ...before, name: 'newer' }))
    const again = new Promise<void>(resolve => {
      let connections = 0
      connection.onConnected(() => ++connections === 2 && resolve())
    })
    await connection.send('QUIT').catch(() => {})
    await again
    expect(await store.get(room.room_id)).toMatchObject({ name: 'newer', revision: 1 })
  })

  test('are known without Redis, and others are not', async () => {
    const room = someRoom()
    const { server, store, connection } = await storeWith(room)
    await server.kill()
    while (connection.isConnected) await new Promise(setImmediate)
    expect(await store.get(room.room_id)).toEqual(room)
    await expect(store.get('another')).rejects.toThrow()
  })

  test('are known within a second of a Redis that hangs', async () => {
    const room = someRoom()
    const { server, store } = await storeWith(room)
    server.signal('SIGSTOP')
    const start = performance.now()
    expect(await store.get(room.room_id)).toEqual(room)
    expect(performance.now() - start).toBeLessThan(2_000)
    server.signal('SIGCONT')
  })

  test('that are deleted are not there any more', async () => {
    const room = someRoom()
    const { store } = await storeWith(room)
    await store.get(room.room_id)
    await store.delete(room.room_id)
    expect(await store.get(room.room_id)).toBeUndefined()
  })
})
