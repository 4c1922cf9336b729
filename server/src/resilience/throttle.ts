import type { Clock } from '../clock.ts'

/** Whether something may be done now, which is to be done every `ms` milliseconds at most, such as to log what anybody can cause. */
export function throttle(clock: Clock, ms: number): () => boolean {
  let next = Number.NEGATIVE_INFINITY
  return () => {
    if (clock.uptime() < next) return false
    next = clock.uptime() + ms
    return true
  }
}

/** `ask`, but not more often than every `ms` milliseconds: who asks meanwhile has the same outcome, an error included. */
export function memoizeFor<T>(clock: Clock, ms: number, ask: () => Promise<T>): () => Promise<T> {
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
