import { Database, SQLiteError } from 'bun:sqlite'

/** Between two tries while another process writes. Milliseconds. */
export const retryPause = 25

/** Whether another process is in the way, for the moment. */
export const isBusy = (error: unknown): boolean =>
  error instanceof SQLiteError && /^SQLITE_(BUSY|LOCKED)/.test(error.code ?? '')

/** Opens the file, in write-ahead mode and with the tables of today. @throws Error naming the file */
export function openDatabase(file: string): Database {
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
  // One row, which is written to see whether that can be done.
  'CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), writes INTEGER NOT NULL) STRICT',
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
