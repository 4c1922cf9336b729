import { Database, SQLiteError } from 'bun:sqlite'
import { SignalingError } from '@parley/protocol'
import { type Clock, outsideDeadline } from '../clock.ts'
import type { RoomRecord, RoomStore } from './room-store.ts'

/** Expired rooms are kept this long, so that a late peer hears "Room expired" and not "Room not found". Seconds. */
const keepExpired = 24 * 3600

/** Between two tries while another process writes. Milliseconds. */
const retryPause = 25

const columns =
  'room_id, created_by, token, created_at, expires_at, max_peers, name, metadata, locked, removed, invites, revision'
const placeholders = columns.replaceAll(/\w+/g, '$$$&')
const isLive = 'created_by = ? AND (expires_at > ? OR expires_at IS NULL)'

/**
 * Rooms in one SQLite file, in write-ahead mode: readers never wait. SQLite's own waiting would stop every socket of
 * this process while another one writes, so it is off, and a busy database is tried again from the event loop.
 * @param file a path, or `:memory:`
 * @throws Error naming the file, if it cannot be opened or is not a database
 */
export function sqlite(file: string, clock: Clock): RoomStore {
  const database = openDatabase(file)
  const find = database.query<Row, [string]>('SELECT * FROM rooms WHERE room_id = ?')
  const live = database.query<Row, [string, number]>(
    `SELECT * FROM rooms WHERE ${isLive} ORDER BY expires_at NULLS LAST, room_id`,
  )
  const countLive = database.query<{ count: number }, [string, number]>(
    `SELECT count(*) AS count FROM rooms WHERE ${isLive}`,
  )
  const insert = database.query<void, [Row]>(`INSERT INTO rooms (${columns}) VALUES (${placeholders})`)
  const overwrite = database.query<void, [Row]>(
    `UPDATE rooms SET (${columns}) = (${placeholders}) WHERE room_id = $room_id`,
  )
  const remove = database.query<void, [string]>('DELETE FROM rooms WHERE room_id = ?')
  const purge = database.query<void, [number]>('DELETE FROM rooms WHERE expires_at < ?')

  const create = database.transaction((room: RoomRecord, maxLive: number, now: number) => {
    purge.run(now - keepExpired)
    if ((countLive.get(room.created_by, now)?.count ?? 0) >= maxLive) {
      throw new SignalingError('LIMIT_REACHED', `This identity already has ${maxLive} live rooms; delete one first.`)
    }
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
        return row ? toRoom(row) : undefined
      }),
    update: (roomId, change) => whenFree(() => update.immediate(roomId, change)),
    createdBy: (identity, now) => whenFree(() => live.all(identity, now).map(toRoom)),
    delete: roomId => whenFree(() => void remove.run(roomId)),
    ready: () => whenFree(() => void find.get('')),
    close: async () => database.close(),
  }
}

function openDatabase(file: string): Database {
  try {
    const database = new Database(file, { create: true, strict: true })
    // Before there are sockets, waiting harms nobody.
    writeAhead(database)
    database.run('PRAGMA synchronous = NORMAL')
    database.run('PRAGMA busy_timeout = 2000')
    bringUpToDate(database)
    database.run('PRAGMA busy_timeout = 0')
    return database
  } catch (cause) {
    throw new Error(`The room database ${file} cannot be opened: ${(cause as Error).message}.`, { cause })
  }
}

/** SQLite's own waiting does not help here: two processes that both want to change the mode would wait for each other. */
function writeAhead(database: Database): void {
  for (let tries = 2000 / retryPause; ; tries--) {
    try {
      database.run('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (!isBusy(error) || tries === 0) throw error
    }
    Bun.sleepSync(retryPause)
  }
}

/** What leads from an empty file to the tables of today; `PRAGMA user_version` counts what a database has behind it. */
const steps = [
  // The first Parley did this without counting it.
  `CREATE TABLE IF NOT EXISTS rooms (
    room_id TEXT PRIMARY KEY, created_by TEXT NOT NULL, token TEXT NOT NULL, expires_at INTEGER NOT NULL,
    max_peers INTEGER, name TEXT, metadata TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS rooms_by_creator ON rooms (created_by, expires_at);
  CREATE INDEX IF NOT EXISTS rooms_by_end ON rooms (expires_at)`,
  `ALTER TABLE rooms ADD COLUMN locked INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE rooms ADD COLUMN removed TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE rooms ADD COLUMN invites TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE rooms ADD COLUMN revision INTEGER NOT NULL DEFAULT 0`,
  // SQLite cannot make a column nullable: https://www.sqlite.org/lang_altertable.html, "Making other kinds of changes".
  `CREATE TABLE rooms_with_null (
    room_id TEXT PRIMARY KEY, created_by TEXT NOT NULL, token TEXT NOT NULL, created_at INTEGER, expires_at INTEGER,
    max_peers INTEGER, name TEXT, metadata TEXT NOT NULL, locked INTEGER NOT NULL, removed TEXT NOT NULL,
    invites TEXT NOT NULL, revision INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO rooms_with_null
    SELECT room_id, created_by, token, NULL, expires_at, max_peers, name, metadata, locked, removed, invites, revision
    FROM rooms;
  DROP TABLE rooms;
  ALTER TABLE rooms_with_null RENAME TO rooms;
  CREATE INDEX rooms_by_creator ON rooms (created_by, expires_at);
  CREATE INDEX rooms_by_end ON rooms (expires_at)`,
]

function bringUpToDate(database: Database): void {
  const version = database.query<{ user_version: number }, []>('PRAGMA user_version')
  const taken = () => version.get()?.user_version ?? 0
  if (taken() >= steps.length) return
  database
    .transaction(() => {
      for (const [index, step] of steps.entries()) {
        // Read again: another process may have come first.
        if (index < taken()) continue
        database.run(step)
        database.run(`PRAGMA user_version = ${index + 1}`)
      }
    })
    .immediate()
}

/** A room as SQLite keeps it: it has neither booleans nor lists. */
type Row = Omit<RoomRecord, 'metadata' | 'locked' | 'removed' | 'invites'> & {
  readonly metadata: string
  readonly locked: number
  readonly removed: string
  readonly invites: string
}

const toRow = (room: RoomRecord): Row => ({
  ...room,
  metadata: JSON.stringify(room.metadata),
  locked: Number(room.locked),
  removed: JSON.stringify(room.removed),
  invites: JSON.stringify(room.invites),
})

const toRoom = (row: Row): RoomRecord => ({
  ...row,
  metadata: JSON.parse(row.metadata),
  locked: row.locked === 1,
  removed: JSON.parse(row.removed),
  invites: JSON.parse(row.invites),
})

const isBusy = (error: unknown): boolean =>
  error instanceof SQLiteError && /^SQLITE_(BUSY|LOCKED)/.test(error.code ?? '')
