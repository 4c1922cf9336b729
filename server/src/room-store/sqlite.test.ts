import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { inTemporaryFolder } from '../../test/harness.ts'
import { someRoom } from '../../test/some-room.ts'
import { manualClock, systemClock } from '../clock.ts'
import { adapterTimeout } from '../resilience/deadline.ts'
import { roomStoreContract } from './room-store.contract.ts'
import { type RoomRecord, StoreFull } from './room-store.ts'
import { sqlite } from './sqlite.ts'

const now = 1_700_000_000

roomStoreContract('sqlite', async () => sqlite(':memory:', systemClock))

const withFile = (use: (file: string) => Promise<void>) =>
  inTemporaryFolder(folder => use(join(folder, 'rooms.sqlite')))

test('rooms survive a restart', () =>
  withFile(async file => {
    const room = someRoom()
    const before = sqlite(file, systemClock)
    await before.create(room, 1, now)
    await before.close()
    const after = sqlite(file, systemClock)
    expect(await after.get(room.room_id)).toEqual(room)
    await after.close()
  }))

/** A store of which the clock has been believed for long, and a room in it that ends now. */
async function withEndingRoom(mostBytes?: number) {
  const clock = manualClock()
  const store = sqlite(':memory:', clock, mostBytes)
  const seconds = () => clock.now() / 1000
  const create = (members: Partial<RoomRecord> = {}) => {
    const room = someRoom({ created_at: seconds(), expires_at: seconds() + 7200, ...members })
    return store.create(room, 1, seconds()).then(() => room)
  }
  clock.advance(hour)
  const room = await create({ expires_at: seconds() })
  return { clock, store, room, create, isThere: async () => (await store.get(room.room_id)) !== undefined }
}

const hour = 3_600_000

test('a room is still found an hour after its end, so that a late peer hears why it may not enter', async () => {
  const { clock, create, isThere, store } = await withEndingRoom()
  clock.advance(hour)
  await create()
  expect(await isThere()).toBe(true)
  await store.close()
})

test('rooms that ended a day ago are cleared away', async () => {
  const { clock, create, isThere, store } = await withEndingRoom()
  clock.advance(25 * hour)
  await create()
  expect(await isThere()).toBe(false)
  await store.close()
})

test('a clock that is wrong for a moment, or is not right from the start, costs no room', async () => {
  const { clock, create, isThere, store } = await withEndingRoom()
  clock.set(clock.now() + 48 * hour)
  await create()
  await create()
  clock.set(clock.now() - 48 * hour)
  clock.advance(hour)
  await create()
  expect(await isThere()).toBe(true)
  clock.set(clock.now() - 48 * hour)
  await create()
  clock.advance(hour)
  clock.set(clock.now() + 48 * hour)
  await create()
  expect(await isThere()).toBe(true)
  await store.close()
})

test('a clock that stays where it was set is believed in the end', async () => {
  const { clock, create, isThere, store } = await withEndingRoom()
  clock.set(clock.now() + 48 * hour)
  await create()
  expect(await isThere()).toBe(true)
  clock.advance(600_000)
  await create()
  expect(await isThere()).toBe(true)
  clock.advance(600_000)
  await create()
  expect(await isThere()).toBe(false)
  await store.close()
})

test('a store opened with a clock that is far ahead clears nothing away before it has gone right', () =>
  withFile(async file => {
    const clock = manualClock()
    const seconds = () => clock.now() / 1000
    const room = someRoom({ expires_at: seconds() + 10 })
    const before = sqlite(file, clock)
    await before.create(room, 1, seconds())
    await before.close()
    clock.set(clock.now() + 48 * hour)
    const after = sqlite(file, clock)
    await after.create(someRoom(), 1, seconds())
    clock.set(clock.now() - 48 * hour)
    for (let i = 0; i < 5; i++) {
      clock.advance(600_000)
      await after.create(someRoom(), 1, seconds())
    }
    expect(await after.get(room.room_id)).toEqual(room)
    await after.close()
  }))

test('takes no new room beyond its bytes, but for those that have ended, and lives on with those it has', async () => {
  const { clock, store, room, create, isThere } = await withEndingRoom(1_000_000)
  const big = { metadata: { text: 'x'.repeat(16_000) } }
  let kept = 0
  const fill = async () => {
    for (;;) {
      await create(big)
      kept++
    }
  }
  await expect(fill()).rejects.toBeInstanceOf(StoreFull)
  expect(kept).toBeGreaterThan(40)
  expect(kept).toBeLessThan(70)
  expect(await store.update(room.room_id, found => ({ ...found, locked: true }))).toMatchObject({ locked: true })
  expect(await isThere()).toBe(true)
  // It is over for two hours, and the clock is as it was.
  clock.advance(3 * hour)
  await create(big)
  expect(await isThere()).toBe(false)
  await store.close()
})

test('a room does not grow without end, and is as it was when it would', async () => {
  const store = sqlite(':memory:', systemClock)
  const room = someRoom()
  await store.create(room, 1, now)
  const removed = Array.from({ length: 1000 }, (_, i) => ({ peer_id: `${i}${'x'.repeat(500)}`, identity: 'i' }))
  await expect(store.update(room.room_id, found => ({ ...found, removed }))).rejects.toMatchObject({
    code: 'LIMIT_REACHED',
  })
  expect(await store.get(room.room_id)).toEqual(room)
  await store.close()
})

test('while another process writes, reading goes on and writing waits without holding up anybody', () =>
  withFile(async file => {
    const store = sqlite(file, systemClock)
    const room = someRoom()
    await store.create(room, 1, now)
    const other = new Database(file)
    other.run('BEGIN IMMEDIATE')
    const writing = store.create(someRoom(), 1, now)
    expect(await store.get(room.room_id)).toEqual(room)
    other.run('COMMIT')
    await writing
    other.close()
    await store.close()
  }))

test('a database that stays locked fails within the deadline', () =>
  withFile(async file => {
    const clock = manualClock()
    const store = sqlite(file, clock)
    const other = new Database(file)
    other.run('BEGIN IMMEDIATE')
    let settled = false
    const writing = store.create(someRoom(), 1, now).finally(() => (settled = true))
    writing.catch(() => {})
    while (!settled && clock.now() < 1_700_000_000_000 + adapterTimeout) {
      clock.advance(25)
      await Promise.resolve()
    }
    await expect(writing).rejects.toThrow('locked')
    other.run('ROLLBACK')
    other.close()
    await store.close()
  }))

test('a change waits for another process that writes, and builds on what that wrote', () =>
  withFile(async file => {
    const store = sqlite(file, systemClock)
    const room = someRoom()
    await store.create(room, 1, now)
    const other = new Database(file)
    other.run('BEGIN IMMEDIATE')
    const updating = store.update(room.room_id, found => ({ ...found, name: `${found.name}, and more` }))
    other.run("UPDATE rooms SET name = 'theirs', revision = 1")
    other.run('COMMIT')
    expect(await updating).toEqual({ ...room, name: 'theirs, and more', revision: 2 })
    other.close()
    await store.close()
  }))

/** Puts `room` into a database as the first version of Parley left it: without a lock, invites and all that. */
function writeFirstVersion(file: string, room: RoomRecord): void {
  const database = new Database(file, { create: true })
  database.run('PRAGMA journal_mode = WAL')
  database.run(`CREATE TABLE rooms (
    room_id TEXT PRIMARY KEY, created_by TEXT NOT NULL, token TEXT NOT NULL, expires_at INTEGER NOT NULL,
    max_peers INTEGER, name TEXT, metadata TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`)
  database.run('CREATE INDEX rooms_by_creator ON rooms (created_by, expires_at)')
  database.run('CREATE INDEX rooms_by_end ON rooms (expires_at)')
  const { room_id, created_by, token, expires_at, max_peers, name, metadata } = room
  database.run('INSERT INTO rooms VALUES (?, ?, ?, ?, ?, ?, ?)', [
    ...[room_id, created_by, token, expires_at, max_peers, name],
    JSON.stringify(metadata),
  ])
  database.close()
}

test('the rooms of the first version are kept, open to all, and can be changed', () =>
  withFile(async file => {
    const room = someRoom({ created_at: null, max_peers: 3, name: 'old', metadata: { a: 1 } })
    writeFirstVersion(file, room)
    const store = sqlite(file, systemClock)
    expect(await store.get(room.room_id)).toEqual(room)
    expect(await store.createdBy(room.created_by, now)).toMatchObject([{ room_id: room.room_id, token: room.token }])
    const locked = await store.update(room.room_id, found => ({ ...found, locked: true }))
    await store.close()

    const again = sqlite(file, systemClock)
    expect(await again.get(room.room_id)).toEqual({ ...room, locked: true, revision: 1 })
    expect(locked).toEqual({ ...room, locked: true, revision: 1 })
    await again.close()
  }))

test('a database that is up to date is opened without writing, so also while another process writes', () =>
  withFile(async file => {
    const room = someRoom()
    const first = sqlite(file, systemClock)
    await first.create(room, 1, now)
    const other = new Database(file)
    other.run('BEGIN IMMEDIATE')
    const second = sqlite(file, systemClock)
    expect(await second.get(room.room_id)).toEqual(room)
    other.run('ROLLBACK')
    other.close()
    await second.close()
    await first.close()
  }))

/** A process that opens `file` when it is told to, and counts up in the metadata of `roomId`, `times` times. */
async function counter(file: string, roomId: string, times: number) {
  const script = `
    import { systemClock } from ${JSON.stringify(join(import.meta.dir, '../clock.ts'))}
    import { sqlite } from ${JSON.stringify(join(import.meta.dir, 'sqlite.ts'))}
    console.log('ready')
    await Bun.stdin.text()
    const store = sqlite(${JSON.stringify(file)}, systemClock)
    for (let i = 0; i < ${times}; i++) {
      await store.update(${JSON.stringify(roomId)}, room => ({ ...room, metadata: { count: room.metadata.count + 1 } }))
    }
    await store.close()`
  const child = Bun.spawn([process.execPath, '-e', script], { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' })
  await child.stdout.getReader().read()
  return {
    start: () => child.stdin.end(),
    exited: child.exited,
  }
}

test.each(['a new file', 'a file of the first version'])(
  'processes that open %s at once all succeed, and lose no change of each other',
  kind =>
    withFile(async file => {
      const room = someRoom({ created_at: null, metadata: { count: 0 } })
      if (kind !== 'a new file') writeFirstVersion(file, room)
      const counters = await Promise.all(Array.from({ length: 4 }, () => counter(file, room.room_id, 10)))
      for (const { start } of counters) start()
      expect(await Promise.all(counters.map(({ exited }) => exited))).toEqual([0, 0, 0, 0])

      const store = sqlite(file, systemClock)
      const found = await store.get(room.room_id)
      expect(found).toEqual(kind === 'a new file' ? undefined : { ...room, metadata: { count: 40 }, revision: 40 })
      await store.close()
    }),
)

test('a file that is no database is refused', () =>
  withFile(async file => {
    writeFileSync(
      file,
      'this is text, and quite a lot of it, so that it cannot be taken for an empty database. '.repeat(20),
    )
    expect(() => sqlite(file, systemClock)).toThrow(
      `The room database ${file} cannot be opened: file is not a database.`,
    )
  }))

test('is not ready once its file was removed, and looks every two seconds at most', () =>
  withFile(async file => {
    const clock = manualClock()
    const store = sqlite(file, clock)
    await store.ready()
    await rm(file)
    await store.ready()
    clock.advance(2000)
    await expect(store.ready()).rejects.toThrow(`The file ${file} was removed or replaced`)
    writeFileSync(file, '')
    await expect(store.ready()).rejects.toThrow('removed or replaced')
    await store.close()
  }))

test('is not ready while another process writes without end', () =>
  withFile(async file => {
    const clock = manualClock()
    const store = sqlite(file, clock)
    const other = new Database(file)
    other.run('BEGIN IMMEDIATE')
    const ready = store.ready()
    let isSettled = false
    ready.catch(() => {}).finally(() => (isSettled = true))
    while (!isSettled) {
      clock.advance(25)
      await new Promise(setImmediate)
    }
    await expect(ready).rejects.toThrow(`The room database ${file} cannot be used (SQLITE_BUSY)`)
    other.run('ROLLBACK')
    clock.advance(2000)
    await store.ready()
    other.close()
    await store.close()
  }))
