import { SignalingError } from '@parley/protocol'

/** Cancels what was planned; harmless when it has happened or was cancelled already. */
export type Cancel = () => void

/** For when nothing is planned. */
export const nothingPlanned: Cancel = () => {}

/** Time, so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls `act` once, `ms` milliseconds from now. */
  after(ms: number, act: () => void): Cancel
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, act) {
    // A longer delay would overflow setTimeout and fire at once.
    const timer = setTimeout(act, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}

/** A clock that stands still until it is told to go on. What needs no time comes in the next turn of the event loop. */
export function manualClock(start = 1_700_000_000_000): Clock & { advance(ms: number): void } {
  let now = start
  const planned = new Map<object, { at: number; act: () => void }>()
  return {
    now: () => now,
    after(ms, act) {
      const key = {}
      planned.set(key, { at: now + ms, act })
      if (ms === 0) setImmediate(() => planned.delete(key) && act())
      return () => planned.delete(key)
    },
    advance(ms) {
      const end = now + ms
      for (;;) {
        const next = [...planned].filter(([, plan]) => plan.at <= end).sort(([, a], [, b]) => a.at - b.at)[0]
        if (!next) break
        planned.delete(next[0])
        now = Math.max(now, next[1].at)
        next[1].act()
      }
      now = end
    },
  }
}

/** No request to an identity provider, a store or a backplane is waited for longer than this. Milliseconds. */
export const outsideDeadline = 4_500

/**
 * The outcome of `promise`, unless that takes longer than `outsideDeadline`.
 * @param by when it must be there, if that is not `outsideDeadline` from now: for who asks several services in a row
 * @throws SignalingError UNAVAILABLE with `sentence` when it is late; when it fails, also as UNAVAILABLE, unless it
 *   failed with a SignalingError
 */
export function inTime<T>(
  clock: Clock,
  promise: Promise<T>,
  sentence: string,
  by = clock.now() + outsideDeadline,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(Math.max(0, by - clock.now()), () =>
      reject(new SignalingError('UNAVAILABLE', sentence, { cause: new Error(`no answer in ${outsideDeadline} ms`) })),
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
