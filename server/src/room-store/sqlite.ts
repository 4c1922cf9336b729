import { Database, SQLiteError } from 'bun:sqlite'
import { type JsonObject, SignalingError } from '@parley/protocol'
import { type Clock, outsideDeadline } from '../clock.ts'
import type { RoomRecord, RoomStore } from './room-store.ts'

/** Expired rooms are kept this long, so that a late peer hears "Room expired" and not "Room not found". Seconds. */
const keepExpired = 24 * 3600

/** Between two tries while another process writes. Milliseconds. */
const retryPause = 25

type Row = Omit<RoomRecord, 'metadata'> & { metadata: string }

/**
 * Rooms in one SQLite file, in write-ahead mode: readers never wait. SQLite's own waiting would stop every socket of
 * this process while another one writes, so it is off, and a busy database is tried again from the event loop.
 * @param file a path, or `:memory:`
 * @throws Error naming the file, if it cannot be opened or is not a database
 */
export function sqlite(file: string, clock: Clock): RoomStore {
  const database = openDatabase(file)
  const find = database.query<Row, [string]>('SELECT * FROM rooms WHERE room_id = ?')
  const live = database.query<{ count: number }, [string, number]>(
    'SELECT count(*) AS count FROM rooms WHERE created_by = ? AND expires_at > ?',
  )
  const insert = database.query<void, [string, string, string, number, number | null, string | null, string]>(
    'INSERT INTO rooms (room_id, created_by, token, expires_at, max_peers, name, metadata) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const remove = database.query<void, [string]>('DELETE FROM rooms WHERE room_id = ?')
  const purge = database.query<void, [number]>('DELETE FROM rooms WHERE expires_at < ?')

  const create = database.transaction((room: RoomRecord, maxLive: number, now: number) => {
    purge.run(now - keepExpired)
    if ((live.get(room.created_by, now)?.count ?? 0) >= maxLive) {
      throw new SignalingError('LIMIT_REACHED', `This identity already has ${maxLive} live rooms; delete one first.`)
    }
    const { room_id, created_by, token, expires_at, max_peers, name, metadata } = room
    insert.run(room_id, created_by, token, expires_at, max_peers, name, JSON.stringify(metadata))
  })

  /** What `act` returns, once no other process is in the way. */
  async function whenFree<T>(act: () => T): Promise<T> {
    const lastTry = clock.now() + outsideDeadline - 2 * retryPause
    for (;;) {
      try {
        return act()
      } catch (error) {
        if (!isBusy(error) || clock.now() > lastTry) throw error
      }
      await new Promise<void>(resume => clock.after(retryPause, resume))
    }
  }

  return {
    create: (room, maxLive, now) => whenFree(() => create.immediate(room, maxLive, now)),
    get: roomId =>
      whenFree(() => {
        const row = find.get(roomId)
        return row ? { ...row, metadata: JSON.parse(row.metadata) as JsonObject } : undefined
      }),
    delete: roomId => whenFree(() => void remove.run(roomId)),
    ready: () => whenFree(() => void find.get('')),
    close: async () => database.close(),
  }
}

function openDatabase(file: string): Database {
  try {
    const database = new Database(file, { create: true, strict: true })
    // Before there are sockets, waiting harms nobody.
    database.run('PRAGMA busy_timeout = 2000')
    database.run('PRAGMA journal_mode = WAL')
    database.run('PRAGMA synchronous = NORMAL')
    database.run(`CREATE TABLE IF NOT EXISTS rooms (
      room_id TEXT PRIMARY KEY, created_by TEXT NOT NULL, token TEXT NOT NULL, expires_at INTEGER NOT NULL,
      max_peers INTEGER, name TEXT, metadata TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`)
    database.run('CREATE INDEX IF NOT EXISTS rooms_by_creator ON rooms (created_by, expires_at)')
    database.run('CREATE INDEX IF NOT EXISTS rooms_by_end ON rooms (expires_at)')
    database.run('PRAGMA busy_timeout = 0')
    return database
  } catch (cause) {
    throw new Error(`The room database ${file} cannot be opened: ${(cause as Error).message}.`, { cause })
  }
}

const isBusy = (error: unknown): boolean =>
  error instanceof SQLiteError && /^SQLITE_(BUSY|LOCKED)/.test(error.code ?? '')
