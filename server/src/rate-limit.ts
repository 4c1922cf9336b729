import { SignalingError } from '@parley/protocol'
import type { Clock } from './clock.ts'

/** Counts events of a key in fixed windows of a minute. */
export interface RateLimit<Key = string> {
  /** Seconds until the next window, if `key` has used up this one; else 0. */
  exceeded(key: Key): number
  /** @throws SignalingError RATE_LIMITED with `sentence`, and when to come back, if `key` has used up this window */
  check(key: Key, sentence: string): void
  /** Counts one event of `key`. */
  count(key: Key): void
}

const windowMs = 60_000

/** At most `perMinute` events of each key in a minute. Forgets everything at the end of each minute, so it stays small. */
export function rateLimit<Key = string>(perMinute: number, clock: Clock): RateLimit<Key> {
  let counts = new Map<Key, number>()
  let window = 0
  const current = () => {
    const now = Math.floor(clock.now() / windowMs)
    if (now !== window) {
      window = now
      counts = new Map()
    }
    return counts
  }
  const exceeded = (key: Key) =>
    (current().get(key) ?? 0) < perMinute ? 0 : Math.max(1, Math.ceil(((window + 1) * windowMs - clock.now()) / 1000))
  return {
    exceeded,
    check(key, sentence) {
      const retryAfter = exceeded(key)
      if (retryAfter > 0) throw new SignalingError('RATE_LIMITED', sentence, { retryAfter })
    },
    count(key) {
      const counts = current()
      counts.set(key, (counts.get(key) ?? 0) + 1)
    },
  }
}
