/** Time, so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls `act` once, `ms` milliseconds from now; the result cancels that. */
  after(ms: number, act: () => void): () => void
}

/** The time and the timers of the platform. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, act) {
    // A longer delay, as Infinity for never, would overflow setTimeout and fire at once.
    const timer = setTimeout(act, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}
