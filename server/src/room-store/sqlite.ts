import { SQLiteError } from 'bun:sqlite'
import { believedTime, type Clock } from '../clock.ts'
import { watchedFile } from '../data-folder.ts'
import { adapterTimeout } from '../resilience/deadline.ts'
import { retry, sleep } from '../resilience/retry.ts'
import { memoizeFor } from '../resilience/throttle.ts'
import {
  keepExpired,
  mostOfOneRoom,
  type RoomRecord,
  type RoomStore,
  type RoomSummary,
  readyFor,
  StoreFull,
  storeBytes,
  tooManyRooms,
  tooMuchForOneRoom,
} from './room-store.ts'
import { isBusy, openDatabase, retryPause } from './sqlite/database.ts'

const columns =
  'room_id, created_by, token, created_at, expires_at, max_peers, name, metadata, locked, removed, invites, revision'
const summaryColumns = columns.replace(' removed, invites,', '')
const placeholders = columns.replaceAll(/\w+/g, '$$$&')
const isLive = 'created_by = ? AND (expires_at > ? OR expires_at IS NULL)'

/**
 * Rooms in one SQLite file, in write-ahead mode: readers never wait. SQLite's own waiting would stop every socket of
 * this process while another one writes, so it is off, and a busy database is tried again from the event loop.
 * @param file a path, or `:memory:`
 * @param mostBytes that the rooms may take
 * @throws Error naming the file, if it cannot be opened or is not a database
 */
export function sqlite(file: string, clock: Clock, mostBytes = storeBytes): RoomStore {
  const database = openDatabase(file)
  const expectFile = file === ':memory:' ? async () => {} : watchedFile(file)
  const believedNow = believedTime(clock)
  const find = database.query<Row, [string]>('SELECT * FROM rooms WHERE room_id = ?')
  const live = database.query<{ room_id: string }, [string, number]>(
    `SELECT room_id FROM rooms WHERE ${isLive} ORDER BY expires_at NULLS LAST, room_id`,
  )
  const summarize = database.query<SummaryRow, [string]>(`SELECT ${summaryColumns} FROM rooms WHERE room_id = ?`)
  const countLive = database.query<{ count: number }, [string, number]>(
    `SELECT count(*) AS count FROM rooms WHERE ${isLive}`,
  )
  const insert = database.query<void, [Row]>(`INSERT INTO rooms (${columns}) VALUES (${placeholders})`)
  const overwrite = database.query<void, [Row]>(
    `UPDATE rooms SET (${columns}) = (${placeholders}) WHERE room_id = $room_id`,
  )
  const remove = database.query<void, [string]>('DELETE FROM rooms WHERE room_id = ?')
  const purge = database.query<void, [number]>('DELETE FROM rooms WHERE expires_at < ?')
  const taken = database.query<{ bytes: number }, []>(
    `SELECT (page_count - freelist_count) * page_size AS bytes
    FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
  )
  const probe = database.query<void, []>(
    'INSERT INTO probe VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET writes = writes + 1',
  )

  const isFull = () => (taken.get()?.bytes ?? 0) >= mostBytes

  /** Clears away what has ended, for good: by a clock that can be believed. */
  const clearAway = () => {
    const now = believedNow() / 1000
    if (!Number.isFinite(now)) return
    purge.run(now - keepExpired)
    if (isFull()) purge.run(now)
  }

  const create = database.transaction((room: RoomRecord, maxLive: number, now: number) => {
    if ((countLive.get(room.created_by, now)?.count ?? 0) >= maxLive) {
      throw tooManyRooms(maxLive)
    }
    if (isFull()) throw new StoreFull(`The room database ${file} has ${mostBytes} bytes, which is all it may have.`)
    insert.run(toRow(room))
  })

  const update = database.transaction((roomId: string, change: (room: RoomRecord) => RoomRecord) => {
    const row = find.get(roomId)
    if (!row) return
    const room = toRoom(row)
    const { room_id, created_by, created_at, revision } = room
    const written: RoomRecord = { ...change(room), room_id, created_by, created_at, revision: revision + 1 }
    overwrite.run(toRow(written))
    return written
  })

  /** What `act` returns, once no other process is in the way. */
  async function whenFree<T>(act: () => T): Promise<T> {
    const lastTry = clock.uptime() + adapterTimeout - 2 * retryPause
    return retry(clock, act, error => {
      if (!isBusy(error) || clock.uptime() > lastTry) throw explained(error, file)
      return retryPause
    })
  }

  return {
    create: (room, maxLive, now) =>
      whenFree(() => {
        clearAway()
        create.immediate(room, maxLive, now)
      }),
    get: roomId =>
      whenFree(() => {
        const row = find.get(roomId)
        return row ? toRoom(row) : undefined
      }),
    update: (roomId, change) => whenFree(() => update.immediate(roomId, change)),
    async createdBy(identity, now) {
      const rooms: RoomSummary[] = []
      const ids = await whenFree(() => live.all(identity, now))
      for (const { room_id } of ids) {
        const row = await whenFree(() => summarize.get(room_id))
        if (row) rooms.push(toSummary(row))
        // Others have their turn: a hundred rooms with all that they may have take 50 ms.
        await sleep(clock, 0)
      }
      return rooms
    },
    delete: roomId => whenFree(() => void remove.run(roomId)),
    ready: memoizeFor(clock, readyFor, async () => {
      await expectFile()
      await whenFree(() => void probe.run())
    }),
    close: async () => database.close(),
  }
}

/** SQLite's own words do not say which file they are about. */
const explained = (error: unknown, file: string): unknown =>
  error instanceof SQLiteError
    ? new Error(`The room database ${file} cannot be used (${error.code}): ${error.message}.`, { cause: error })
    : error

/** A room as SQLite keeps it: it has neither booleans nor lists. */
type Row = Omit<RoomRecord, 'metadata' | 'locked' | 'removed' | 'invites'> & {
  readonly metadata: string
  readonly locked: number
  readonly removed: string
  readonly invites: string
}

type SummaryRow = Omit<Row, 'removed' | 'invites'>

/** @throws SignalingError LIMIT_REACHED */
function toRow(room: RoomRecord): Row {
  const metadata = JSON.stringify(room.metadata)
  const removed = JSON.stringify(room.removed)
  const invites = JSON.stringify(room.invites)
  if (metadata.length + removed.length + invites.length > mostOfOneRoom) throw tooMuchForOneRoom()
  return { ...room, metadata, locked: Number(room.locked), removed, invites }
}

const toSummary = (row: SummaryRow): RoomSummary => ({
  ...row,
  metadata: JSON.parse(row.metadata),
  locked: row.locked === 1,
})

const toRoom = (row: Row): RoomRecord => ({
  ...row,
  ...toSummary(row),
  removed: JSON.parse(row.removed),
  invites: JSON.parse(row.invites),
})
