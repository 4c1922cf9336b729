import { type Clock, systemClock } from '@parley/client'

/** A clock for the SDK that is so many times as fast as that of others. */
export function fastClock(speed: number): Clock {
  const start = Date.now()
  return {
    now: () => start + (Date.now() - start) * speed,
    after: (ms, act) => systemClock.after(ms / speed, act),
  }
}
