import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, nothingPlanned } from '../../clock.ts'
import { expectWritable } from '../../data-folder.ts'
import type { Log } from '../../log.ts'
import { abortAfter } from '../../resilience/deadline.ts'
import { semaphore } from '../../resilience/semaphore.ts'
import { memoizeFor } from '../../resilience/throttle.ts'

/** Deletions that run at once. */
const atOnce = 8
/** Deletions that are tried in one go. */
const roundSize = 1_000
/** Names that are kept for later at most: about 4 MB. */
const most = 100_000
/** Before what an earlier start has left is tried, at most. Milliseconds. */
const startPause = 10_000
/** Before the first of the later tries at most, growing up to the other. Milliseconds. */
const firstPause = 30_000
const longestPause = 600_000
/** The folder counts as tried for so long: anybody may ask. Milliseconds. */
const readyFor = 2_000

/**
 * What anonymous identities are called, the original's too: UUIDs (RFC 9562 section 4). A pool may have people besides,
 * whose accounts are nobody's to delete who knows the token of a room. Those who sign in with a mail address are called
 * so, too: they need a pool of their own (docs/security.md).
 */
const anonymousForm = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i

export interface SignOuts {
  /**
   * Deletes those of the users that are anonymous identities, and leaves all others alone.
   * @throws Error saying how many were not deleted in time; those are tried again later
   */
  deleteAll(names: readonly string[]): Promise<void>
  /** Has a user deleted that may or may not be there. */
  deleteLater(name: string): void
  /** Resolves if what is still to be deleted can be written down. @throws Error that says why not */
  ready(): Promise<void>
  /** Resolves when what is still to be deleted is written down. */
  close(): Promise<void>
}

export interface SignOutsParts {
  /** The folder that keeps what is still to be deleted; it must exist. */
  readonly folder: string
  /** Milliseconds for all of one `deleteAll`. */
  readonly deadline: number
  readonly clock: Clock
  readonly log: Log
  readonly until: AbortSignal
  /** Deletes one user; one that is not there is deleted already. It ends at once when its signal is aborted. */
  deleteUser(name: string, signal: AbortSignal): Promise<void>
}

/**
 * Deletes users, and does not forget those that could not be deleted: it tries them again until they are gone, and
 * keeps them in `pending-sign-outs.json` meanwhile, so that a restart loses none.
 */
export async function openSignOuts(parts: SignOutsParts): Promise<SignOuts> {
  const { clock, log, until } = parts
  const file = join(parts.folder, 'pending-sign-outs.json')
  /** Names, and since when they are here. */
  const pending = new Map((await read(file, log)).map(name => [name, Number.NEGATIVE_INFINITY]))
  const save = saver(file, pending, log)
  const enter = semaphore(atOnce)
  const running = new Set<Promise<unknown>>()
  let pauseNow = firstPause
  let isPlanned = false
  let cancelPlan = nothingPlanned
  /** Whether the log has been told that they still fail. */
  let isTold = false
  let deletedLate = 0

  const track = <T>(work: Promise<T>): Promise<T> => {
    running.add(work)
    return work.finally(() => running.delete(work))
  }

  /** Tries each name once. @returns those that are left, and why the first of them is */
  async function tryAll(names: readonly string[]): Promise<{ left: string[]; cause: unknown }> {
    const gone = new Set<string>()
    let cause: unknown
    let late: unknown
    const tryOne = async (name: string, signal: AbortSignal) => {
      const leave = await enter(signal).catch(error => {
        late ??= error
      })
      if (!leave) return
      try {
        await parts.deleteUser(name, signal)
        gone.add(name)
      } catch (error) {
        cause ??= error
      } finally {
        leave()
      }
    }
    await abortAfter(clock, parts.deadline, until, signal =>
      Promise.all(names.map(name => tryOne(name, signal))),
    ).catch(error => {
      late ??= error
    })
    return { left: names.filter(name => !gone.has(name)), cause: cause ?? late }
  }

  function keep(names: readonly string[]): void {
    const news = names.filter(name => !pending.has(name))
    const taken = news.slice(0, Math.max(0, most - pending.size))
    if (taken.length < news.length) log.error({ lost: news.length - taken.length }, 'too many identities to sign out')
    for (const name of taken) pending.set(name, clock.uptime())
    plan()
  }

  /** @param longest of the pause before the next try, milliseconds */
  function plan(longest = pauseNow): void {
    if (isPlanned || pending.size === 0 || until.aborted) return
    isPlanned = true
    // Jitter, as the nodes of a cluster notice an outage together.
    cancelPlan = clock.after(longest * (0.5 + Math.random() / 2), () => {
      if (!until.aborted) void track(tryPending())
    })
  }

  async function tryPending(): Promise<void> {
    // A sign-up whose answer did not come may still be under way: its user is not looked for at once.
    const due = [...pending].filter(([, since]) => clock.uptime() - since >= firstPause / 2).slice(0, roundSize)
    const names = due.map(([name]) => name)
    const { left, cause } = await tryAll(names)
    for (const name of names) pending.delete(name)
    // Behind the others, which have their turn next.
    for (const name of left) pending.set(name, Number.NEGATIVE_INFINITY)
    await save()

    const gone = names.length - left.length
    deletedLate += gone
    pauseNow = left.length > 0 && gone === 0 ? Math.min(2 * pauseNow, longestPause) : firstPause
    if (left.length > 0 && !isTold) {
      log.warn({ identities: pending.size, cause: String(cause) }, 'identities still not signed out')
    }
    isTold = left.length > 0
    if (pending.size === 0) {
      log.info({ identities: deletedLate }, 'identities signed out late')
      deletedLate = 0
    }
    isPlanned = false
    plan()
  }

  async function deleteAll(names: readonly string[]): Promise<void> {
    const anonymous = [...new Set(names)].filter(name => anonymousForm.test(name))
    if (anonymous.length === 0) return
    const { left, cause } = await tryAll(anonymous)
    if (left.length === 0) return
    keep(left)
    await save()
    const reason = cause instanceof Error ? cause.message : String(cause)
    const count = `${left.length} of ${anonymous.length}`
    throw new Error(`${count} users were not deleted, and are tried again later: ${reason}`, { cause })
  }

  plan(startPause)
  return {
    deleteAll: names => track(deleteAll(names)),
    deleteLater(name) {
      keep([name])
      void save()
    },
    ready: memoizeFor(clock, readyFor, () => expectWritable(parts.folder)),
    async close() {
      cancelPlan()
      await Promise.allSettled(running)
      await save()
    },
  }
}

/** Writes the names down as they are then; several wishes to do so while it is busy become one. */
function saver(file: string, pending: ReadonlyMap<string, number>, log: Log): () => Promise<void> {
  let isChanged = false
  let saving: Promise<void> | undefined
  const write = async () => {
    while (isChanged) {
      isChanged = false
      await replace(file, [...pending.keys()])
    }
  }
  return () => {
    isChanged = true
    saving ??= write()
      .catch(error => log.error({ file, error: String(error) }, 'identities to sign out not kept'))
      .finally(() => {
        saving = undefined
      })
    return saving
  }
}

/** The file has the old names or the new ones, whatever happens meanwhile. */
async function replace(file: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return rm(file, { force: true })
  const draft = `${file}.${crypto.randomUUID()}`
  try {
    await writeFile(draft, JSON.stringify(names), { mode: 0o600, flag: 'wx', flush: true })
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** The names in the file. One that cannot be read is set aside, as it is no reason not to start. */
async function read(file: string, log: Log): Promise<string[]> {
  try {
    const names: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (Array.isArray(names) && names.every(name => typeof name === 'string')) {
      return names.filter(name => anonymousForm.test(name))
    }
    throw new Error('not a list of names')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    const aside = `${file}.unreadable`
    await rename(file, aside).catch(() => {})
    log.error({ file, aside, error: String(error) }, 'identities to sign out not readable')
    return []
  }
}
