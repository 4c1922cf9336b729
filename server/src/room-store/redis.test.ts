import { expect, onTestFinished, test } from 'bun:test'
import { describeWithRedis, hasRedis, type RedisProcess, startRedis } from '../../test/redis-process.ts'
import { now, someInvite, someRoom } from '../../test/some-room.ts'
import { type Clock, manualClock, systemClock } from '../clock.ts'
import { openRedis, type Redis } from '../redis/redis.ts'
import { adapterTimeout } from '../resilience/deadline.ts'
import { redis } from './redis.ts'
import { roomStoreContract } from './room-store.contract.ts'
import { keepExpired, type RoomRecord, type RoomStore, StoreFull } from './room-store.ts'

/** Here, as a hook that starts one would end it, too. */
const shared = hasRedis ? await startRedis() : undefined

/** A store on that Redis, with a connection of its own. */
async function connect(server: RedisProcess, clock: Clock = systemClock) {
  const connection = openRedis(server.url, clock)
  let connected = () => {}
  const next = () =>
    new Promise<void>(resolve => {
      connected = resolve
    })
  const first = next()
  connection.onConnected(() => connected())
  await first
  return { ...redis(connection, clock), connection, next }
}

/** A call of each kind. */
const calls = (store: RoomStore, room: RoomRecord): (() => Promise<unknown>)[] => [
  () => store.create(someRoom(), 1, now),
  () => store.get(room.room_id),
  () => store.update(room.room_id, counted),
  () => store.update(room.room_id, counted),
  () => store.createdBy(room.created_by, now),
  () => store.delete(room.room_id),
  () => store.ready(),
]

async function start(...options: readonly string[]) {
  const server = await startRedis(...options)
  const store = await connect(server)
  onTestFinished(() => store.connection.close())
  return { server, store, send: store.connection.send }
}

const counted = (room: RoomRecord): RoomRecord => ({
  ...room,
  metadata: { count: Number(room.metadata.count) + 1 },
})

const roomKey = (id: string) => `parley:room-record:{${id}}`
const listKey = (identity: string) => `parley:rooms-created-by:{${identity}}`

/** Seconds since the epoch, as Redis counts them, which is what it expires keys by. */
const seconds = () => Math.floor(systemClock.now() / 1000)

describeWithRedis('rooms in Redis', () => {
  roomStoreContract('redis', async () => {
    const store = await connect(shared as RedisProcess)
    return { ...store, close: async () => store.connection.close() }
  })

  test('two stores on one Redis see the same rooms, and lose no change of each other', async () => {
    const { server, store } = await start()
    const other = await connect(server)
    const room = someRoom({ metadata: { count: 0 } })
    await store.create(room, 1, now)
    await expect(other.create({ ...room, created_by: 'another' }, 1, now)).rejects.toThrow('in use')
    await expect(other.create(someRoom({ created_by: room.created_by }), 1, now)).rejects.toMatchObject({
      code: 'LIMIT_REACHED',
    })
    await Promise.all(Array.from({ length: 40 }, (_, i) => [store, other][i % 2]?.update(room.room_id, counted)))
    for (const each of [store, other])
      expect(await each.get(room.room_id)).toEqual({ ...room, metadata: { count: 40 }, revision: 40 })
    await other.delete(room.room_id)
    expect(await store.get(room.room_id)).toBeUndefined()
    other.connection.close()
  })

  test('a change is tried again on what another wrote meanwhile, and is none of a room that was deleted meanwhile', async () => {
    const { server, store } = await start()
    const other = await connect(server)
    const room = someRoom()
    await store.create(room, 1, now)
    let meanwhile = (): Promise<unknown> => other.update(room.room_id, found => ({ ...found, name: 'theirs' }))
    const { connection } = store
    const run: Redis['run'] = async (...args) => {
      const act = meanwhile
      meanwhile = async () => {}
      await act()
      return connection.run(...args)
    }
    const slow = redis({ ...connection, run }, systemClock)
    const names: (string | null)[] = []
    const change = (found: RoomRecord) => {
      names.push(found.name)
      return { ...found, locked: true }
    }
    const after = { ...room, name: 'theirs', locked: true, revision: 2 }
    expect(await slow.update(room.room_id, change)).toEqual(after)
    expect(await store.get(room.room_id)).toEqual(after)
    expect(names).toEqual([null, 'theirs'])

    meanwhile = () => other.delete(room.room_id)
    expect(await slow.update(room.room_id, change)).toBeUndefined()
    expect(await store.get(room.room_id)).toBeUndefined()
    expect(await store.createdBy(room.created_by, now)).toEqual([])
    other.connection.close()
  })

  test('rooms expire a day after their end, but not within a day of a write, and those without an end never', async () => {
    const { store, send } = await start()
    const created_by = 'somebody'
    const end = seconds() + 7200
    const room = someRoom({ created_by, expires_at: end })
    await store.create(room, 9, seconds())
    expect(await send('EXPIRETIME', roomKey(room.room_id))).toBe(end + keepExpired)
    expect(await send('EXPIRETIME', listKey(created_by))).toBe(end + keepExpired)

    await store.update(room.room_id, found => ({ ...found, expires_at: end + 60 }))
    expect(await send('EXPIRETIME', roomKey(room.room_id))).toBe(end + 60 + keepExpired)
    expect(await send('EXPIRETIME', listKey(created_by))).toBe(end + 60 + keepExpired)

    await store.update(room.room_id, found => ({ ...found, expires_at: null }))
    for (const key of [roomKey(room.room_id), listKey(created_by)]) expect(await send('EXPIRETIME', key)).toBe(-1)

    await store.update(room.room_id, found => ({ ...found, expires_at: 5 }))
    for (const key of [roomKey(room.room_id), listKey(created_by)]) {
      const left = (await send('TTL', key)) as number
      expect(left).toBeGreaterThan(keepExpired - 60)
      expect(left).toBeLessThanOrEqual(keepExpired)
    }
  })

  test('a room that has expired by itself is not counted', async () => {
    const { store, send } = await start()
    const created_by = 'somebody'
    const rooms = [0, 1, 2].map(() => someRoom({ created_by }))
    for (const room of rooms) await store.create(room, 3, now)
    const [gone, ...left] = rooms.map(({ room_id }) => room_id)
    await send('PEXPIREAT', roomKey(gone as string), '1')
    expect((await store.createdBy(created_by, now)).map(({ room_id }) => room_id)).toEqual(left)
    const next = someRoom({ created_by })
    await store.create(next, 3, now)
    await expect(store.create(someRoom({ created_by }), 3, now)).rejects.toMatchObject({ code: 'LIMIT_REACHED' })
    expect(await send('ZRANGE', listKey(created_by), '0', '-1')).toEqual([...left, next.room_id])
  })

  test("a creator's list does not keep what ended more than a day ago, nor what was deleted", async () => {
    const { store, send } = await start()
    const created_by = 'somebody'
    const create = async (expires_at: number) => {
      const room = someRoom({ created_by, expires_at })
      await store.create(room, 9, now)
      return room.room_id
    }
    await create(now - keepExpired - 2)
    await create(now - keepExpired - 1)
    const kept = [await create(now - keepExpired), await create(now + 1)]
    expect(await send('ZRANGE', listKey(created_by), '0', '-1')).toEqual(kept)
    for (const id of kept) await store.delete(id)
    expect(await send('EXISTS', listKey(created_by))).toBe(0)
  })

  test('a clock that is far ahead takes nothing off the list of rooms that live', async () => {
    const { store, send } = await start()
    const created_by = 'somebody'
    const room = someRoom({ created_by, expires_at: seconds() + 60 })
    await store.create(room, 9, seconds())
    const ahead = seconds() + 100 * keepExpired
    await store.create(someRoom({ created_by, expires_at: ahead + 60 }), 9, ahead)
    expect(await send('ZCARD', listKey(created_by))).toBe(2)
    expect(await store.createdBy(created_by, seconds())).toHaveLength(2)
  })

  test('many rooms are listed in their order', async () => {
    const { store } = await start()
    const rooms = Array.from({ length: 35 }, (_, i) => someRoom({ created_by: 'x', expires_at: now + 100 - i }))
    for (const room of rooms) await store.create(room, 35, now)
    const ids = rooms.map(({ room_id }) => room_id).reverse()
    expect((await store.createdBy('x', now)).map(({ room_id }) => room_id)).toEqual(ids)
  })

  test('rooms that are changed while they are listed are listed as they are then', async () => {
    const { store } = await start()
    const [first, second, third] = [10, 20, 30].map(end => someRoom({ created_by: 'x', expires_at: now + end })) as [
      RoomRecord,
      RoomRecord,
      RoomRecord,
    ]
    for (const room of [first, second, third]) await store.create(room, 3, now)
    const endsAt = (room: RoomRecord, end: number) =>
      store.update(room.room_id, found => ({ ...found, expires_at: now + end }))
    const send: Redis['send'] = async (...args) => {
      const answer = await store.connection.send(...args)
      if (args[0] === 'ZRANGEBYSCORE') await Promise.all([endsAt(first, 40), endsAt(second, 0)])
      return answer
    }
    const listed = await redis({ ...store.connection, send }, systemClock).createdBy('x', now)
    expect(listed.map(({ room_id }) => room_id)).toEqual([third.room_id, first.room_id])
  })

  test('a room does not grow without end, and is as it was when it would', async () => {
    const { store } = await start()
    const room = someRoom()
    await store.create(room, 1, now)
    const invites = Array.from({ length: 1000 }, () => someInvite({ role: 'x'.repeat(400) }))
    const growing = store.update(room.room_id, found => ({ ...found, invites }))
    await expect(growing).rejects.toMatchObject({ code: 'LIMIT_REACHED' })
    expect(await store.get(room.room_id)).toEqual(room)
  })

  test('fails at once while Redis is away, and works again when it is back', async () => {
    const { server, store } = await start()
    const room = someRoom()
    await store.create(room, 1, now)
    const again = store.next()
    await server.kill()
    for (const ask of calls(store, room)) await expect(ask()).rejects.toThrow('The rooms in Redis cannot be used: ')
    await server.start()
    await again
    expect(await store.get(room.room_id)).toBeUndefined()
    await store.create(room, 1, now)
    expect(await store.get(room.room_id)).toEqual(room)
  })

  test('fails in time while Redis hangs, and does nothing later of what has failed', async () => {
    const server = await startRedis()
    const clock = manualClock()
    const store = await connect(server, clock)
    const [room, deleted] = [someRoom(), someRoom()]
    for (const each of [room, deleted]) await store.create(each, 1, now)
    await store.delete(deleted.room_id)
    server.signal('SIGSTOP')
    const created = someRoom({ expires_at: null })
    const all = [() => store.create(created, 1, now), () => store.create(room, 9, now), ...calls(store, room)]
    const outcomes = Promise.allSettled(all.map(call => call()))
    clock.advance(adapterTimeout)
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { message: expect.stringContaining('no answer in') },
      })
    server.signal('SIGCONT')
    // What Redis is asked after this comes after all that was owed.
    await store.get('')
    expect(await store.get(created.room_id)).toBeUndefined()
    expect(await store.createdBy(created.created_by, now)).toEqual([])
    expect(await store.get(room.room_id)).toEqual(room)
    store.connection.close()
  })

  test('a room that is there after its creation has failed is taken back', async () => {
    const server = await startRedis()
    const { connection } = await connect(server)
    const clock = manualClock()
    const store = redis(connection, clock)
    const room = someRoom({ expires_at: null })
    await store.create(someRoom(), 1, now)
    server.signal('SIGSTOP')
    const creating = store.create(room, 1, now)
    clock.advance(adapterTimeout)
    await expect(creating).rejects.toThrow('no answer in')
    server.signal('SIGCONT')
    while (await store.get(room.room_id));
    expect(await store.createdBy(room.created_by, now)).toEqual([])
    connection.close()
  })

  test('changes that wait in line ask nothing once they have failed, and are in the way of none', async () => {
    const server = await startRedis()
    const { connection } = await connect(server)
    const clock = manualClock()
    let asked = 0
    let firstAsked = () => {}
    const first = new Promise<void>(resolve => {
      firstAsked = resolve
    })
    const send: Redis['send'] = (...args) => {
      asked++
      firstAsked()
      return connection.send(...args)
    }
    const store = redis({ ...connection, send }, clock)
    const room = someRoom()
    await store.create(room, 1, now)
    server.signal('SIGSTOP')
    const updates = Promise.allSettled([1, 2, 3].map(() => store.update(room.room_id, counted)))
    await first
    clock.advance(adapterTimeout)
    expect((await updates).map(({ status }) => status)).toEqual(Array(3).fill('rejected'))
    server.signal('SIGCONT')
    expect(await store.update(room.room_id, found => found)).toEqual({ ...room, revision: 1 })
    expect(asked).toBe(2)
    connection.close()
  })

  test('a full Redis takes no new room, and lives on with those it has', async () => {
    const { store } = await start('--maxmemory', '2mb', '--maxmemory-policy', 'noeviction')
    const kept: RoomRecord[] = []
    const fill = async () => {
      for (;;) {
        const room = someRoom({ created_by: 'x', metadata: { text: 'x'.repeat(16_000) } })
        await store.create(room, 1_000, now)
        kept.push(room)
      }
    }
    await expect(fill()).rejects.toBeInstanceOf(StoreFull)
    expect(kept.length).toBeGreaterThan(10)
    expect((await store.createdBy('x', now)).map(({ room_id }) => room_id)).toEqual(
      kept.map(({ room_id }) => room_id).sort(),
    )
    await store.ready()
    for (const { room_id } of kept) await store.delete(room_id)
    await store.create(someRoom(), 1, now)
  })

  test('is not ready where Redis may only be read', async () => {
    const { store, send } = await start()
    await send('REPLICAOF', '127.0.0.1', '1')
    await expect(store.ready()).rejects.toThrow('READONLY')
  })

  test('whether it is ready is asked every two seconds at most', async () => {
    const server = await startRedis()
    const clock = manualClock()
    const store = await connect(server, clock)
    await store.ready()
    await server.kill()
    await store.ready()
    clock.advance(2_000)
    await expect(store.ready()).rejects.toThrow('The rooms in Redis cannot be used')
    store.connection.close()
  })
})
