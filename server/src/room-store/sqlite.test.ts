import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inTemporaryFolder } from '../../test/harness.ts'
import { manualClock, outsideDeadline, systemClock } from '../clock.ts'
import { roomStoreContract, someRoom } from './room-store.contract.ts'
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

test('rooms that ended a day ago are cleared away', async () => {
  const store = sqlite(':memory:', systemClock)
  const room = someRoom({ expires_at: now })
  await store.create(room, 1, now - 1)
  await store.create(someRoom(), 1, now + 24 * 3600 + 1)
  expect(await store.get(room.room_id)).toBeUndefined()
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
    while (!settled && clock.now() < 1_700_000_000_000 + outsideDeadline) {
      clock.advance(25)
      await Promise.resolve()
    }
    await expect(writing).rejects.toThrow('locked')
    other.run('ROLLBACK')
    other.close()
    await store.close()
  }))

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
