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
