import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'bun:test'
import {
  type AttributeValue,
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb'
import { SignalingError } from '@parley/protocol'
import { createRoomsTable, type Dynalite, startDynalite } from '../../../e2e/aws/dynalite.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../../../e2e/aws/fault-proxy.ts'
import { someRoom, summaryOf } from '../../test/some-room.ts'
import { type Clock, nothingPlanned, systemClock } from '../clock.ts'
import { dynamodb } from './dynamodb.ts'
import { roomStoreContract } from './room-store.contract.ts'
import { endOf, type RoomRecord, type RoomStore } from './room-store.ts'

const now = 1_700_000_000
const region = 'eu-west-1'

/** The SDK finds credentials here, and looks for them nowhere else. */
const environment: Record<string, string> = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
}
const before = { ...process.env }

let dynalite: Dynalite
let proxy: FaultProxy
let raw: DynamoDBClient
let tables = 0

beforeAll(async () => {
  Object.assign(process.env, environment)
  dynalite = await startDynalite()
  proxy = await startFaultProxy(dynalite.url)
  await createRoomsTable(dynalite.url)
  raw = new DynamoDBClient({ region, endpoint: dynalite.url })
})
afterEach(() => proxy.fault('none'))
afterAll(async () => {
  raw.destroy()
  await proxy.close()
  await dynalite.stop()
  for (const name of [...Object.keys(environment), 'AWS_ENDPOINT_URL_DYNAMODB']) {
    if (before[name] === undefined) delete process.env[name]
    else process.env[name] = before[name]
  }
})

/** A store on `table` that asks `endpoint`; it ends with the test. */
async function openStore(endpoint = proxy.url, clock: Clock = systemClock, table = 'rooms'): Promise<RoomStore> {
  process.env.AWS_ENDPOINT_URL_DYNAMODB = endpoint
  const store = dynamodb({ region, table }, clock)
  // It looks for its endpoint with the first request.
  await store.ready().catch(() => {})
  return store
}

roomStoreContract('dynamodb', async () => {
  const table = `rooms-${++tables}`
  await createRoomsTable(dynalite.url, table)
  return openStore(proxy.url, systemClock, table)
})

/** Time goes faster, for tests in which it has to run out. */
function fastClock(times = 3): Clock {
  const start = Date.now()
  return {
    now: () => start + (Date.now() - start) * times,
    uptime: () => systemClock.uptime() * times,
    after: (ms, act) => systemClock.after(ms / times, act),
  }
}

/** The time of day, but `seconds` later whenever one says so. */
function shiftedClock(): Clock & { shift(seconds: number): void } {
  let shifted = 0
  return {
    ...systemClock,
    now: () => Date.now() + shifted,
    shift(seconds) {
      shifted += seconds * 1000
    },
  }
}

async function itemAt(room_id: string): Promise<Record<string, AttributeValue> | undefined> {
  const command = new GetItemCommand({ TableName: 'rooms', Key: { room_id: { S: room_id } }, ConsistentRead: true })
  return (await raw.send(command)).Item
}

/** The time of day, but its first pause of a tenth of a second or less does not end before it is told to. */
function haltingClock(base: Clock = systemClock): Clock & { readonly halted: Promise<void>; goOn(): void } {
  const halted = Promise.withResolvers<void>()
  const toldTo = Promise.withResolvers<void>()
  return {
    now: base.now,
    uptime: base.uptime,
    after(ms, act) {
      if (ms > 100) return base.after(ms, act)
      halted.resolve()
      toldTo.promise.then(act)
      return nothingPlanned
    },
    halted: halted.promise,
    goOn: toldTo.resolve,
  }
}

/** Resolves when the proxy has been asked for this once more. */
async function asked(name: string): Promise<void> {
  const count = () => proxy.seen.filter(seen => seen === name).length
  const before = count()
  while (count() === before) await new Promise(setImmediate)
}

/** What is thrown by whatever fails, and how long that took on `clock`. Milliseconds. */
async function failing(clock: Clock, act: () => Promise<unknown>): Promise<{ error: Error; took: number }> {
  const start = clock.now()
  const error = await act().then(
    () => Promise.reject(new Error('it did not fail')),
    thrown => thrown,
  )
  return { error, took: clock.now() - start }
}

const renamed = (room: RoomRecord): RoomRecord => ({ ...room, name: `${room.name ?? ''}+` })

describe('items of the original', () => {
  /** As the original wrote it. */
  async function originals(members: Record<string, AttributeValue> = {}): Promise<RoomRecord> {
    const { room_id, created_by, token, expires_at, ...defaults } = someRoom({ created_at: null })
    const four = { room_id, created_by, token, expires_at }
    const Item = {
      room_id: { S: room_id },
      created_by: { S: created_by },
      token: { S: token },
      expires_at: { N: String(expires_at) },
      ...members,
    }
    await raw.send(new PutItemCommand({ TableName: 'rooms', Item }))
    return { ...four, ...defaults }
  }

  test('are read as rooms with our defaults, and can be changed and deleted', async () => {
    const store = await openStore()
    const room = await originals()
    expect(await store.get(room.room_id)).toEqual(room)
    const changed = { ...room, locked: true, revision: 1 }
    expect(await store.update(room.room_id, found => ({ ...found, locked: true }))).toEqual(changed)
    expect(await store.get(room.room_id)).toEqual(changed)
    await store.delete(room.room_id)
    expect(await itemAt(room.room_id)).toBeUndefined()
  })

  test.each([
    ['absent', undefined],
    ['null, as boto3 writes None', { NULL: true }],
  ])('without an end (expires_at is %s) are rooms that do not end', async (_, expires_at) => {
    const store = await openStore()
    const { room_id } = await originals()
    const Item = { ...(await itemAt(room_id)), room_id: { S: `${room_id}-endless` } } as Record<string, AttributeValue>
    delete Item.expires_at
    await raw.send(new PutItemCommand({ TableName: 'rooms', Item: { ...Item, ...(expires_at && { expires_at }) } }))
    const room = await store.get(`${room_id}-endless`)
    expect(room).toMatchObject({ token: 'xyz789', expires_at: null })
    expect(await store.update(`${room_id}-endless`, found => ({ ...found, locked: true }))).toMatchObject({
      expires_at: null,
      locked: true,
    })
    expect((await itemAt(`${room_id}-endless`))?.expires_at).toBeUndefined()
  })

  test('have the four attributes that the original reads also when we write them', async () => {
    const store = await openStore()
    const room = someRoom({ locked: true, metadata: { a: 1 } })
    await store.create(room, 1, now)
    expect(await itemAt(room.room_id)).toMatchObject({
      room_id: { S: room.room_id },
      created_by: { S: room.created_by },
      token: { S: room.token },
      expires_at: { N: String(room.expires_at) },
    })
  })

  test('keep what others have added to them, and lose what of ours is back at its default', async () => {
    const store = await openStore()
    const others = { note: { S: 'theirs' }, tags: { SS: ['a', 'b'] } }
    const room = await originals(others)
    const full = {
      name: 'n',
      max_peers: 3,
      metadata: { a: 1 },
      locked: true,
      removed: [{ peer_id: 'p', identity: 'i' }],
    }
    await store.update(room.room_id, found => ({ ...found, ...full }))
    expect(await itemAt(room.room_id)).toMatchObject({ ...others, name: { S: 'n' }, locked: { BOOL: true } })
    await store.update(room.room_id, () => room)
    const { write_id, ...item } = (await itemAt(room.room_id)) ?? {}
    expect(item).toEqual({
      ...others,
      room_id: { S: room.room_id },
      created_by: { S: room.created_by },
      token: { S: room.token },
      expires_at: { N: String(room.expires_at) },
      revision: { N: '2' },
    })
  })

  test.each([
    ['metadata', 'not json'],
    ['metadata', '[]'],
    ['metadata', 'null'],
    ['removed', 'not json'],
    ['removed', '{}'],
    ['removed', '[{"peer_id":"p"}]'],
    ['invites', ''],
    ['invites', '[null]'],
    ['invites', '[{"invite_id":"i","digest":5}]'],
  ])('of whose attributes %s is %j count as having its default, and can be changed and deleted', async (name, S) => {
    const store = await openStore()
    const room = await originals({ [name]: { S } })
    expect(await store.get(room.room_id)).toEqual(room)
    expect(await store.update(room.room_id, renamed)).toEqual({ ...room, name: '+', revision: 1 })
    expect(await itemAt(room.room_id)).not.toHaveProperty(name)
    await store.delete(room.room_id)
    expect(await store.get(room.room_id)).toBeUndefined()
  })

  test('have their defaults where an attribute of ours is of another type', async () => {
    const store = await openStore()
    const N = '5'
    const room = await originals({
      name: { N },
      metadata: { N },
      removed: { N },
      invites: { N },
      locked: { N },
      max_peers: { S: 'x' },
      revision: { S: 'x' },
    })
    expect(await store.get(room.room_id)).toEqual(room)
    expect(await store.update(room.room_id, renamed)).toEqual({ ...room, name: '+', revision: 1 })
    expect(await store.get(room.room_id)).toEqual({ ...room, name: '+', revision: 1 })
  })

  test.each([
    ['absent', undefined],
    ['null, as boto3 writes None', { NULL: true }],
  ])('without a creator (created_by is %s) are rooms that nobody owns', async (_, created_by) => {
    const store = await openStore()
    const { room_id } = await originals()
    const Item = { ...(await itemAt(room_id)), room_id: { S: `${room_id}-nobodys` } } as Record<string, AttributeValue>
    delete Item.created_by
    await raw.send(new PutItemCommand({ TableName: 'rooms', Item: { ...Item, ...(created_by && { created_by }) } }))
    expect(await store.get(`${room_id}-nobodys`)).toMatchObject({ token: 'xyz789', created_by: '' })
    await store.delete(`${room_id}-nobodys`)
    expect(await itemAt(`${room_id}-nobodys`)).toBeUndefined()
    expect(await itemAt('creator#')).toBeUndefined()
  })

  test('are no rooms without a token', async () => {
    const store = await openStore()
    const { room_id } = await originals({ token: { S: '' } })
    expect(await store.get(room_id)).toBeUndefined()
  })
})

describe('the list of a creator', () => {
  test('is no room to anybody', async () => {
    const store = await openStore()
    const end = Math.floor(Date.now() / 1000) + 7200
    const room = someRoom({ expires_at: end })
    await store.create(room, 1, end - 1)
    const key = `creator#${room.created_by}`
    const item = await itemAt(key)
    expect(item).toMatchObject({ expires_at: { N: String(room.expires_at) } })
    expect(item).not.toHaveProperty('token')
    expect(await store.get(key)).toBeUndefined()
    expect(await store.update(key, renamed)).toBeUndefined()
    await store.delete(key)
    expect(await itemAt(key)).toEqual(item)
  })

  test('exists for every subject', async () => {
    const store = await openStore()
    const subjects = ['', 'x'.repeat(5000), `${'x'.repeat(5000)}y`, 'ü'.repeat(1020), '🎈#', '__proto__']
    for (const created_by of subjects) {
      const room = someRoom({ created_by })
      await store.create(room, 1, now)
      expect(await store.createdBy(created_by, now)).toEqual([summaryOf(room)])
      await expect(store.create(someRoom({ created_by }), 1, now)).rejects.toThrow('already has 1 live rooms')
    }
  })

  test.each([{ S: 'not json' }, { S: '{}' }, { S: '[["a"]]' }, { N: '5' }])(
    'counts as empty if it is %j, and is made anew',
    async rooms => {
      const store = await openStore()
      const room = someRoom()
      await raw.send(
        new PutItemCommand({ TableName: 'rooms', Item: { room_id: { S: `creator#${room.created_by}` }, rooms } }),
      )
      expect(await store.createdBy(room.created_by, now)).toEqual([])
      await store.create(room, 1, now)
      expect(await store.createdBy(room.created_by, now)).toEqual([summaryOf(room)])
    },
  )

  test('holds more rooms than DynamoDB gives at once', async () => {
    const store = await openStore()
    const many = Array.from({ length: 120 }, () => someRoom({ created_by: 'collector' }))
    await Promise.all(many.map(room => store.create(room, many.length, now)))
    expect(new Set((await store.createdBy('collector', now)).map(({ room_id }) => room_id))).toEqual(
      new Set(many.map(({ room_id }) => room_id)),
    )
    await expect(store.create(someRoom({ created_by: 'collector' }), many.length, now)).rejects.toThrow(
      '120 live rooms',
    )

    // Dynalite answers with little more than 1 MB, and leaves the rest for later.
    const big = Array.from({ length: 8 }, () => someRoom({ created_by: 'big', metadata: { a: 'x'.repeat(300_000) } }))
    for (const room of big) await store.create(room, big.length, now)
    expect(await store.createdBy('big', now)).toEqual(big.map(summaryOf))
  })

  test('does not count rooms that ended before they were to', async () => {
    const store = await openStore()
    const created_by = 'shortener'
    const room = someRoom({ created_by })
    await store.create(room, 1, now)
    await store.update(room.room_id, found => ({ ...found, expires_at: now }))
    expect(await store.createdBy(created_by, now)).toEqual([])
    const next = someRoom({ created_by })
    await store.create(next, 1, now)
    expect(await store.createdBy(created_by, now)).toEqual([summaryOf(next)])
  })

  test('does not count rooms that others have deleted, once it is sure that they are not just about to be written', async () => {
    const clock = shiftedClock()
    const store = await openStore(proxy.url, clock)
    const created_by = 'deleter'
    const room = someRoom({ created_by })
    await store.create(room, 1, now)
    await raw.send(new DeleteItemCommand({ TableName: 'rooms', Key: { room_id: { S: room.room_id } } }))
    expect(await store.createdBy(created_by, now)).toEqual([])
    await expect(store.create(someRoom({ created_by }), 1, now)).rejects.toThrow('already has 1 live rooms')
    clock.shift(31)
    await store.create(someRoom({ created_by }), 1, now)
  })

  test('loses no room while the clock is wrong', async () => {
    const store = await openStore()
    const created_by = 'out of time'
    const rooms = [someRoom({ created_by }), someRoom({ created_by }), someRoom({ created_by })] as const
    await store.create(rooms[0], 1, now)
    for (const room of rooms.slice(1)) await store.create(room, 1, now + 48 * 3600)
    expect(await store.createdBy(created_by, now)).toHaveLength(3)
    await expect(store.create(someRoom({ created_by }), 3, now)).rejects.toThrow('already has 3 live rooms')
  })

  test('does not keep a place for a room that could not be created', async () => {
    const store = await openStore()
    const theirs = someRoom()
    await store.create(theirs, 1, now)
    const created_by = 'unlucky'
    await expect(store.create({ ...theirs, created_by }, 1, now)).rejects.toThrow('another room of the same id')
    await store.create(someRoom({ created_by }), 1, now)
    expect(await store.get(theirs.room_id)).toEqual(theirs)
  })

  test('keeps a room whose id is used once more by its own creator', async () => {
    const store = await openStore()
    const room = someRoom()
    await store.create(room, 2, now)
    await expect(store.create({ ...room, token: 'other' }, 2, now)).rejects.toThrow('another room of the same id')
    expect(await store.createdBy(room.created_by, now)).toEqual([summaryOf(room)])
  })
})

describe('the list of a creator is gone', () => {
  /** Nothing here is about deadlines, which a busy machine may miss. */
  const patient = fastClock(0.2)
  const listOf = (created_by: string) => itemAt(`creator#${created_by}`)

  test('with the last room, not before', async () => {
    const store = await openStore(proxy.url, patient)
    const created_by = 'tidy'
    const rooms = [someRoom({ created_by }), someRoom({ created_by, expires_at: null })] as const
    for (const room of rooms) await store.create(room, 2, now)
    await store.delete(rooms[0].room_id)
    expect(await listOf(created_by)).toBeDefined()
    await store.delete(rooms[1].room_id)
    expect(await listOf(created_by)).toBeUndefined()
    expect(await store.createdBy(created_by, now)).toEqual([])
    const next = someRoom({ created_by })
    await store.create(next, 1, now)
    expect(await store.createdBy(created_by, now)).toEqual([summaryOf(next)])
  })

  test('where the only room could not be created', async () => {
    const store = await openStore(proxy.url, patient)
    const theirs = someRoom()
    await store.create(theirs, 1, now)
    const created_by = 'without'
    await expect(store.create({ ...theirs, created_by }, 1, now)).rejects.toThrow('another room of the same id')
    expect(await listOf(created_by)).toBeUndefined()
  })

  test('with the next deletion where an earlier version has left it empty', async () => {
    const store = await openStore(proxy.url, patient)
    const room = someRoom()
    await store.create(room, 1, now)
    const empty = { room_id: { S: `creator#${room.created_by}` }, rooms: { S: '[]' } }
    await raw.send(new PutItemCommand({ TableName: 'rooms', Item: empty }))
    await store.delete(room.room_id)
    expect(await listOf(room.created_by)).toBeUndefined()
  })

  test('also if the answer to that was lost', async () => {
    const store = await openStore(proxy.url, patient)
    const room = someRoom()
    await store.create(room, 1, now)
    const deleted = store.delete(room.room_id)
    await asked('DeleteItem')
    proxy.fault('cut', /DeleteItem/, 1)
    await deleted
    expect(await listOf(room.created_by)).toBeUndefined()
  })

  test('but not if another node lists a room meanwhile', async () => {
    const clock = haltingClock(patient)
    const [deleting, creating] = [await openStore(proxy.url, clock), await openStore(proxy.url, patient)]
    const created_by = 'deleted by one, created by the other'
    const [last, next] = [someRoom({ created_by }), someRoom({ created_by })]
    await creating.create(last, 2, now)
    const deleted = deleting.delete(last.room_id)
    // The room is deleted; the list is not, yet.
    await asked('DeleteItem')
    proxy.fault('throttled', /DeleteItem/, 1)
    await clock.halted
    await creating.create(next, 2, now)
    clock.goOn()
    await deleted
    expect(await creating.createdBy(created_by, now)).toEqual([summaryOf(next)])
    expect((await listOf(created_by))?.rooms?.S).not.toContain(last.room_id)
  })

  test('while another node is about to list a room, which is listed all the same', async () => {
    const clock = haltingClock(patient)
    const [creating, deleting] = [await openStore(proxy.url, clock), await openStore(proxy.url, patient)]
    const created_by = 'created by one, deleted by the other'
    const [last, next] = [someRoom({ created_by }), someRoom({ created_by })]
    await deleting.create(last, 2, now)
    proxy.fault('throttled', /UpdateItem/, 1)
    const created = creating.create(next, 2, now)
    await clock.halted
    await deleting.delete(last.room_id)
    expect(await listOf(created_by)).toBeUndefined()
    clock.goOn()
    await created
    expect(await deleting.createdBy(created_by, now)).toEqual([summaryOf(next)])
  })

  test('after two nodes have created and deleted rooms at once, none of which is lost', async () => {
    const stores = [await openStore(proxy.url, patient), await openStore(proxy.url, patient)]
    const created_by = 'busy'
    const kept = someRoom({ created_by })
    await Promise.all(
      stores.flatMap(store =>
        Array.from({ length: 5 }, async (_, index) => {
          const room = store === stores[0] && index === 2 ? kept : someRoom({ created_by })
          await store.create(room, 20, now)
          if (room !== kept) await store.delete(room.room_id)
        }),
      ),
    )
    expect(await stores[1]?.createdBy(created_by, now)).toEqual([summaryOf(kept)])
    await stores[1]?.delete(kept.room_id)
    // Those that were in each other's way too often have left their entries; they go with the next change.
    expect(await stores[1]?.createdBy(created_by, now)).toEqual([])
  })
})

describe('with a clock that AWS does not take', () => {
  afterEach(() => proxy.clock(0))

  test.each([
    ['ten minutes late', 600_000],
    ['ten minutes early', -600_000],
  ])('as it is %s, rooms are created, changed and deleted', async (_, ahead) => {
    proxy.clock(ahead)
    const store = await openStore()
    const room = someRoom()
    await store.create(room, 1, now)
    expect(await store.update(room.room_id, renamed)).toMatchObject({ name: '+' })
    // And when it is set right while the server runs.
    proxy.clock(0)
    await store.delete(room.room_id)
    expect(await store.get(room.room_id)).toBeUndefined()
  })

  test('what is refused for another reason is refused at once', async () => {
    let tries = 0
    const date = new Date(Date.now() + 600_000).toUTCString()
    const service = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch() {
        tries++
        const headers = { 'content-type': 'application/x-amz-json-1.0', date }
        return Response.json({ __type: 'AccessDeniedException', message: 'no' }, { status: 400, headers })
      },
    })
    const store = await openStore(service.url.origin)
    const before = tries
    await expect(store.get('a')).rejects.toThrow('AccessDeniedException')
    expect(tries - before).toBe(1)
    await service.stop(true)
  })
})

describe('two nodes', () => {
  test('lose no change of each other', async () => {
    const stores = [await openStore(), await openStore()]
    const room = someRoom({ metadata: { count: 0 } })
    await stores[0]?.create(room, 1, now)
    const count = (store: RoomStore) =>
      store.update(room.room_id, found => ({ ...found, metadata: { count: Number(found.metadata.count) + 1 } }))
    await Promise.all(stores.flatMap(store => Array.from({ length: 20 }, () => count(store))))
    expect(await stores[1]?.get(room.room_id)).toEqual({ ...room, metadata: { count: 40 }, revision: 40 })
  })

  test('hold an identity to its number of rooms together', async () => {
    const stores = [await openStore(), await openStore()]
    const created_by = 'on both'
    const results = await Promise.allSettled(
      stores.flatMap(store => Array.from({ length: 5 }, () => store.create(someRoom({ created_by }), 4, now))),
    )
    const refused = results.filter(result => result.status === 'rejected')
    expect(refused.map(({ reason }) => reason.code)).toEqual(Array(6).fill('LIMIT_REACHED'))
    expect(await stores[0]?.createdBy(created_by, now)).toHaveLength(4)
  })
})

describe('an item beyond 400 KB', () => {
  const metadata = { a: 'x'.repeat(450_000) }
  const tooMuch = 'This is too much for one room, or too many rooms for one identity.'

  test('is not written, and takes no place', async () => {
    const store = await openStore()
    const room = someRoom()
    expect((await failing(systemClock, () => store.create({ ...room, metadata }, 1, now))).error).toMatchObject({
      code: 'LIMIT_REACHED',
      message: tooMuch,
    })
    expect(await store.get(room.room_id)).toBeUndefined()
    await store.create(room, 1, now)
  })

  test('leaves a room as it was', async () => {
    const store = await openStore()
    const room = someRoom()
    await store.create(room, 1, now)
    const updating = () => store.update(room.room_id, found => ({ ...found, metadata }))
    expect((await failing(systemClock, updating)).error).toMatchObject({ code: 'LIMIT_REACHED', message: tooMuch })
    expect(await store.get(room.room_id)).toEqual(room)
  })
})

/** Everything that a store is asked to do, on a room that is there. */
const calls: readonly [name: string, call: (store: RoomStore, room: RoomRecord) => Promise<unknown>][] = [
  ['create', store => store.create(someRoom(), 1, now)],
  ['get', (store, room) => store.get(room.room_id)],
  ['update', (store, room) => store.update(room.room_id, renamed)],
  ['createdBy', (store, room) => store.createdBy(room.created_by, now)],
  ['delete', (store, room) => store.delete(room.room_id)],
  ['ready', store => store.ready()],
]

describe('a failure', () => {
  const faults: [name: string, fault: Fault, says: RegExp][] = [
    ['refuses connections', 'refused', /\((TimeoutError|Error)\): (socket hang up|connect ECONNREFUSED)/],
    ['hangs', 'hung', /\(TimeoutError\): no answer in time$/],
    ['throttles', 'throttled', /\(ThrottlingException\): by the fault proxy$/],
    ['cuts its answers', 'cut', /\((TimeoutError|Error)\): /],
    ['fails', { status: 500 }, /\(InternalServerError\): by the fault proxy$/],
    ['is too slow', { slow: 1000 }, /\(TimeoutError\): no answer in time$/],
  ]

  test.each(faults)(
    'while DynamoDB %s, every call ends in time, says why, and succeeds afterwards',
    async (_, fault, says) => {
      const clock = fastClock()
      const store = await openStore(proxy.url, clock)
      const room = someRoom()
      const healthy = await openStore(dynalite.url)
      await healthy.create(room, 1, now)
      proxy.fault(fault)
      const results = await Promise.all(calls.map(([, call]) => failing(clock, () => call(store, room))))
      for (const { error, took } of results) {
        // Whoever asks whether it is ready is told in other words.
        const { message } = error instanceof SignalingError ? (error.cause as Error) : error
        expect(message).toStartWith('The DynamoDB table rooms in eu-west-1 cannot be used (')
        expect(message).toMatch(says)
        expect(took).toBeLessThan(4_500)
      }
      expect(results.at(-1)?.error).toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringMatching(/^The DynamoDB table rooms in eu-west-1 (does not answer|is asked too much \()/),
      })
      proxy.fault('none')
      for (const [, call] of calls) await call(store, room)
      expect(await store.get(room.room_id)).toBeUndefined()
    },
  )

  test('is told as DynamoDB has put it, although a later try was not answered at all', async () => {
    const fast = fastClock()
    const clock: Clock = {
      ...fast,
      after(ms, act) {
        // The pause behind the first try.
        if (ms <= 100) proxy.fault('hung')
        return fast.after(ms, act)
      },
    }
    const store = await openStore(proxy.url, clock)
    proxy.fault({ status: 500 })
    await expect(store.get('a')).rejects.toThrow(/\(InternalServerError\): by the fault proxy$/)
    proxy.fault('none')
  })

  test.each([
    ['throttled', 'throttled'],
    ['cut off', 'cut'],
    ['answered with an error of the service', { status: 500 }],
  ] satisfies [string, Fault][])('of one request, which is %s, is noticed by nobody', async (_, fault) => {
    const store = await openStore()
    const room = someRoom()
    for (const operation of ['GetItem', 'UpdateItem', 'PutItem']) {
      proxy.fault(fault, new RegExp(`^${operation}$`), 1)
      await store.create({ ...room, room_id: `${room.room_id} ${operation}` }, 3, now)
    }
    proxy.fault(fault, /^BatchGetItem$/, 1)
    expect(await store.createdBy(room.created_by, now)).toHaveLength(3)
    const one = `${room.room_id} GetItem`
    for (const operation of ['GetItem', 'UpdateItem']) {
      proxy.fault(fault, new RegExp(`^${operation}$`), 1)
      await store.update(one, found => ({ ...renamed(found), expires_at: endOf(found) + 1 }))
    }
    expect(await store.get(one)).toEqual({
      ...room,
      room_id: one,
      name: '++',
      expires_at: endOf(room) + 2,
      revision: 2,
    })
    proxy.fault(fault, /^DeleteItem$/, 1)
    await store.delete(one)
    expect(await store.get(one)).toBeUndefined()
  })

  test('to hear that a change was made is not taken for a change by somebody else', async () => {
    const store = await openStore()
    const room = someRoom()
    const asked = proxy.seen.length
    proxy.fault('cut', /^PutItem$/, 1)
    await store.create(room, 1, now)
    proxy.fault('cut', /^UpdateItem$/, 1)
    let calls = 0
    const updated = await store.update(room.room_id, found => {
      calls++
      return renamed(found)
    })
    expect(updated).toEqual({ ...room, name: '+', revision: 1 })
    expect(await store.get(room.room_id)).toEqual({ ...room, name: '+', revision: 1 })
    expect(calls).toBe(1)
    const writes = proxy.seen.slice(asked).filter(name => /^(Put|Update)Item$/.test(name))
    expect(writes).toEqual(['UpdateItem', 'PutItem', 'PutItem', 'UpdateItem', 'UpdateItem'])
  })

  /** An update whose first try has `fault`, and before whose second comes one by another node. */
  async function interrupted(fault: Fault, room: RoomRecord) {
    const other = await openStore(dynalite.url)
    const clock = haltingClock()
    const store = await openStore(proxy.url, clock)
    await other.create(room, 1, now)
    proxy.fault(fault, /^UpdateItem$/, 1)
    const updating = store.update(room.room_id, renamed)
    await clock.halted
    await other.update(room.room_id, renamed)
    clock.goOn()
    return updating
  }

  test('to hear whether a change was made is told, if others have changed the room since', async () => {
    const room = someRoom()
    await expect(interrupted('cut', room)).rejects.toThrow(
      'The DynamoDB table rooms in eu-west-1 did not say whether it has made a change, and others have made some since',
    )
    const store = await openStore()
    expect(await store.get(room.room_id)).toEqual({ ...room, name: '++', revision: 2 })
  })

  test('to make a change, while others make theirs, does not keep it from being made', async () => {
    const room = someRoom()
    expect(await interrupted({ status: 500 }, room)).toEqual({ ...room, name: '++', revision: 2 })
  })

  test('to hear that a room was written has it taken back, and nothing else', async () => {
    // What is left to take it back, 500 ms, must be enough for a request on a busy machine.
    const store = await openStore(proxy.url)
    const room = someRoom()
    proxy.fault('cut', /^PutItem$/)
    await expect(store.create(room, 1, now)).rejects.toThrow('cannot be used')
    proxy.fault('none')
    expect(await itemAt(room.room_id)).toBeUndefined()

    await store.create(room, 1, now)
    proxy.fault({ status: 403 }, /^PutItem$/)
    await expect(store.create(room, 2, now)).rejects.toThrow('cannot be used')
    proxy.fault('none')
    expect(await store.get(room.room_id)).toEqual(room)
  })

  test('to write a room that is listed already does not take its place for long', async () => {
    const clock = shiftedClock()
    const store = await openStore(proxy.url, clock)
    const created_by = 'crashed'
    proxy.fault({ status: 403 }, /^PutItem$/)
    await expect(store.create(someRoom({ created_by }), 1, now)).rejects.toThrow('cannot be used')
    proxy.fault('none')
    expect(await store.createdBy(created_by, now)).toEqual([])
    clock.shift(31)
    await store.create(someRoom({ created_by }), 1, now)
  })

  test('to take a deleted room off the list is no failure to delete it, and does not take its place for long', async () => {
    const clock = shiftedClock()
    const store = await openStore(proxy.url, clock)
    const created_by = 'half deleted'
    const room = someRoom({ created_by })
    await store.create(room, 1, now)
    proxy.fault({ status: 403 }, /^GetItem$/)
    await store.delete(room.room_id)
    proxy.fault('none')
    expect(await store.get(room.room_id)).toBeUndefined()
    clock.shift(31)
    await store.create(someRoom({ created_by }), 1, now)
  })

  test('to answer 200 callers is told to all of them in time, and the next one is served', async () => {
    // To give up so many takes the test itself some 50 ms, which count several times.
    const clock = fastClock(2)
    const store = await openStore(proxy.url, clock)
    const room = someRoom()
    await store.create(room, 1, now)
    proxy.fault('hung')
    const waiting = Array.from({ length: 200 }, (_, n) =>
      failing(clock, () => (n % 2 ? store.get(room.room_id) : store.update(room.room_id, renamed))),
    )
    const late = (await Promise.all(waiting)).filter(({ took }) => took > 4_500)
    expect(late).toEqual([])
    proxy.fault('none')
    expect(await store.get(room.room_id)).toEqual(room)
  })
})

describe('what the operator is told', () => {
  /** What `/readyz` would say. */
  const readiness = (store: RoomStore): Promise<string> =>
    store.ready().then(
      () => 'ready',
      ({ code, message }) => `${code}: ${message}`,
    )

  test('that the table is missing', async () => {
    const store = await openStore(proxy.url, systemClock, 'nowhere')
    await expect(store.get('room')).rejects.toThrow(
      'The DynamoDB table nowhere in eu-west-1 cannot be used (ResourceNotFoundException): Requested resource not found',
    )
    expect(await readiness(store)).toBe(
      'UNAVAILABLE: The DynamoDB table nowhere in eu-west-1 is not there (ResourceNotFoundException).',
    )
  })

  test('that it is not allowed, after one try', async () => {
    let asked = 0
    const service = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch() {
        asked++
        const __type = 'com.amazon.coral.service#AccessDeniedException'
        return Response.json({ __type, Message: 'not authorized to perform: dynamodb:GetItem' }, { status: 400 })
      },
    })
    onTestFinished(() => service.stop(true))
    const store = await openStore(service.url.href)
    asked = 0
    expect(await readiness(store)).toBe(
      'UNAVAILABLE: The DynamoDB table rooms in eu-west-1 refuses this server (AccessDeniedException).',
    )
    expect(asked).toBe(1)
    const { error } = await failing(systemClock, () => store.ready())
    expect(String(error.cause)).toEndWith(
      'rooms in eu-west-1 cannot be used (AccessDeniedException): not authorized to perform: dynamodb:GetItem',
    )
  })

  test('that there are no credentials', async () => {
    delete process.env.AWS_ACCESS_KEY_ID
    onTestFinished(() => void Object.assign(process.env, environment))
    const store = await openStore()
    await expect(store.get('room')).rejects.toThrow('rooms in eu-west-1 cannot be used (CredentialsProviderError): ')
    expect(await readiness(store)).toBe(
      'UNAVAILABLE: The DynamoDB table rooms in eu-west-1 cannot be asked: there are no AWS credentials (CredentialsProviderError).',
    )
  })

  test.each([
    ['does not answer', 'refused'],
    ['does not answer', 'hung'],
    ['is asked too much (ThrottlingException)', 'throttled'],
    ['does not answer as it should (InternalServerError)', { status: 500 }],
    ['refuses this server (InternalServerError)', { status: 403 }],
  ] satisfies [string, Fault][])('that it %s', async (says, fault) => {
    const store = await openStore(proxy.url, fastClock())
    proxy.fault(fault)
    expect(await readiness(store)).toBe(`UNAVAILABLE: The DynamoDB table rooms in eu-west-1 ${says}.`)
    proxy.fault('none')
    expect(await readiness(store)).toBe('ready')
  })

  test('nothing of what DynamoDB has answered', async () => {
    const body = '{"Item":{"token":{"S":"a secret"}'
    const service = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response(body) })
    onTestFinished(() => service.stop(true))
    const store = await openStore(service.url.href, fastClock())
    const { error } = await failing(systemClock, () => store.get('room'))
    expect(error.message).toEndWith('cannot be used (SyntaxError): its answer is no JSON')
    expect(Bun.inspect(error)).not.toContain('a secret')
  })
})

test('asks for nothing but the actions that it names', () => {
  const actions = ['GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem', 'DeleteItem']
  expect(new Set(proxy.seen)).toEqual(new Set(actions))
})
