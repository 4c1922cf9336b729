import { SignalingError } from '@parley/protocol'

/** Cancels what was planned; harmless when it has happened or was cancelled already. */
export type Cancel = () => void

/** For when nothing is planned. */
export const nothingPlanned: Cancel = () => {}

/** Time, so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds since the epoch, as far as the machine knows. It may be wrong, and may be set back or forward at any time. */
  now(): number
  /** Milliseconds since some moment in the past. It only ever goes on, whatever is set, so spans of time are measured by it. */
  uptime(): number
  /** Calls `act` once, `ms` milliseconds from now; with 0, in the next turn of the event loop. */
  after(ms: number, act: () => void): Cancel
}

export const systemClock: Clock = {
  now: () => Date.now(),
  uptime: () => performance.now(),
  after(ms, act) {
    // A timer takes a millisecond at least, during which the server may have nothing else to do.
    if (ms === 0) {
      const immediate = setImmediate(act)
      return () => clearImmediate(immediate)
    }
    // A longer delay would overflow setTimeout and fire at once.
    const timer = setTimeout(act, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends Clock {
  advance(ms: number): void
  /** Moves the time of day alone, as somebody who sets it does. */
  set(timeOfDay: number): void
}

/** Begins at `start`, milliseconds since the epoch. */
export function manualClock(start = 1_700_000_000_000): ManualClock {
  let now = 0
  let offset = start
  const planned = new Map<object, { at: number; act: () => void }>()
  return {
    now: () => now + offset,
    uptime: () => now,
    set: timeOfDay => {
      offset = timeOfDay - now
    },
    after(ms, act) {
      const key = {}
      planned.set(key, { at: now + ms, act })
      if (ms === 0) setImmediate(() => planned.delete(key) && act())
      return () => planned.delete(key)
    },
    advance(ms) {
      const end = now + ms
      for (;;) {
        let next: [object, { at: number; act: () => void }] | undefined
        for (const plan of planned) if (plan[1].at <= end && (!next || plan[1].at < next[1].at)) next = plan
        if (!next) break
        planned.delete(next[0])
        now = Math.max(now, next[1].at)
        next[1].act()
      }
      now = end
    },
  }
}

/** Calls `act` once, at that uptime. A timer alone may be early, as delays have an upper bound. */
export function atUptime(clock: Clock, time: number, act: () => void): Cancel {
  let cancel: Cancel
  const wait = () => {
    cancel = clock.after(Math.max(0, time - clock.uptime()), () => (clock.uptime() < time ? wait() : act()))
  }
  wait()
  return () => cancel()
}

/** No request to an identity provider, a store or a backplane is waited for longer than this. Milliseconds. */
export const outsideDeadline = 4_500

/**
 * The outcome of `promise`, unless that takes longer than `outsideDeadline`.
 * @param by the uptime at which it must be there, if that is not `outsideDeadline` from now: for those that ask several
 *   services in a row
 * @throws SignalingError UNAVAILABLE with `sentence` when it is late; when it fails, also as UNAVAILABLE, unless it
 *   failed with a SignalingError
 */
export function inTime<T>(
  clock: Clock,
  promise: Promise<T>,
  sentence: string,
  by = clock.uptime() + outsideDeadline,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const ms = Math.max(0, Math.round(by - clock.uptime()))
    const cancel = clock.after(ms, () =>
      reject(new SignalingError('UNAVAILABLE', sentence, { cause: new Error(`no answer in ${ms} ms`) })),
    )
    promise.then(
      value => {
        cancel()
        resolve(value)
      },
      cause => {
        cancel()
        reject(cause instanceof SignalingError ? cause : new SignalingError('UNAVAILABLE', sentence, { cause }))
      },
    )
  })
}

/** How long the time of day must have been what it is to be believed. Milliseconds. */
const believedAfter = 600_000

/**
 * The time of day as far as it can be believed, in milliseconds since the epoch: for what cannot be undone. A clock that
 * was set forward counts only once it has been found so twice, ten minutes apart, and never right in between; one that was
 * set back counts at once. So the result may be late, and in the first ten minutes it is -Infinity.
 */
export function believedTime(clock: Clock): () => number {
  let since = clock.uptime()
  /** The time of day less the uptime, the least in each of two periods of at least ten minutes: the last one, and this. */
  let before = Number.NEGATIVE_INFINITY
  let least = clock.now() - since
  return () => {
    const uptime = clock.uptime()
    const offset = clock.now() - uptime
    if (uptime - since >= believedAfter) {
      before = least
      least = offset
      since = uptime
    } else least = Math.min(least, offset)
    return uptime + Math.min(before, least)
  }
}

/** `ask`, but not more often than every `ms` milliseconds: who asks meanwhile has the same outcome, an error included. */
export function nowAndThen<T>(clock: Clock, ms: number, ask: () => Promise<T>): () => Promise<T> {
  let outcome: Promise<T> | undefined
  let answeredAt = Number.POSITIVE_INFINITY
  return () => {
    if (outcome && clock.uptime() - answeredAt < ms) return outcome
    answeredAt = Number.POSITIVE_INFINITY
    outcome = ask().finally(() => {
      answeredAt = clock.uptime()
    })
    return outcome
  }
}

/** Whether something may be done now, which is to be done every `ms` milliseconds at most, such as to log what anybody can cause. */
export function atMostEvery(clock: Clock, ms: number): () => boolean {
  let next = Number.NEGATIVE_INFINITY
  return () => {
    if (clock.uptime() < next) return false
    next = clock.uptime() + ms
    return true
  }
}
