import { appendFileSync, closeSync, openSync, rmSync, utimesSync } from 'node:fs'
import { lstat, readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { systemCode } from '../system-errors.ts'

/** A file that is not complete. */
export interface Part {
  /** Below the folder of the files, with `/` between. */
  readonly path: string
  /** What it is a part of, as it was offered: safe folders and a safe name, with `/` between. */
  readonly file: string
  /** Bytes of the whole file. */
  readonly size: number
  /** The number that the file system gave it. A file of somebody else's that has taken its name has another one. */
  readonly ino: number
}

/** Received files are never hidden, so none of them has such a name. */
export const journalPrefix = '.parley-parts-'

/** Milliseconds between two signs of life. */
const aliveEvery = 10_000

/**
 * Milliseconds without a sign of life after which a program has ended: one on another machine, and one here whose number may
 * have gone to another program.
 */
const endedAfter = { elsewhere: 60_000, here: 3_600_000 }

/**
 * Which incomplete files belong to this program: a line for each, and a line when it is none any more. Lines that a crash has
 * cut off do no harm: what is not known to be a part is not touched.
 */
export class Journal {
  readonly #file: number
  readonly #timer: NodeJS.Timeout

  /** @throws Error of Node */
  constructor(readonly path: string) {
    this.#file = openSync(path, 'wx', 0o600)
    this.#write({ version: 1, host: hostname(), pid: process.pid, since: performance.timeOrigin })
    this.#timer = setInterval(() => this.#isAlive(), aliveEvery).unref()
  }

  add(part: Part): void {
    this.#write(part)
  }

  drop({ path }: Part): void {
    this.#write({ gone: path })
  }

  close(): void {
    clearInterval(this.#timer)
    closeSync(this.#file)
  }

  remove(): void {
    this.close()
    rmSync(this.path, { force: true })
  }

  #isAlive(): void {
    const now = new Date()
    try {
      utimesSync(this.path, now, now)
    } catch {
      // Where the journal is needed, it is checked that it is there.
    }
  }

  #write(line: object): void {
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`)
  }
}

/** Whether the program whose journal this is has ended. */
export async function isLeftBehind(path: string): Promise<boolean> {
  try {
    const stat = await lstat(path)
    if (!stat.isFile()) return false
    const silentFor = Date.now() - stat.mtimeMs
    const [{ host, pid, since } = {}] = await linesOf(path)
    if (host !== hostname()) return silentFor > endedAfter.elsewhere
    // In a container that was started again, this program may have the number of the one before it.
    if (pid === process.pid) return since !== performance.timeOrigin
    return silentFor > endedAfter.here || !isRunning(Number(pid))
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}

/** What stands in a journal and is still a part. */
export async function readJournal(path: string): Promise<Part[]> {
  const parts = new Map<string, Part>()
  for (const line of await linesOf(path)) {
    if (isPart(line)) parts.set(line.path, line)
    else if (typeof line.gone === 'string') parts.delete(line.gone)
  }
  return [...parts.values()]
}

type Line = { readonly [member: string]: unknown }

async function linesOf(path: string): Promise<Line[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
  return text.split('\n').flatMap(line => {
    try {
      const value: unknown = JSON.parse(line)
      return typeof value === 'object' && value !== null ? [value as Line] : []
    } catch {
      return []
    }
  })
}

const isPart = (line: Line): line is Line & Part =>
  typeof line.path === 'string' &&
  line.path.endsWith('.part') &&
  line.path.split('/').every(name => name !== '' && !name.startsWith('.') && !/[\\\0]/.test(name)) &&
  typeof line.file === 'string' &&
  typeof line.size === 'number' &&
  typeof line.ino === 'number'

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}
