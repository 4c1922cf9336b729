import type { Clock } from '../clock.ts'

/** Resolves `ms` milliseconds from now. @throws the reason of `until` as soon as that is aborted */
export function sleep(clock: Clock, ms: number, until?: AbortSignal): Promise<void> {
  if (until?.aborted) return Promise.reject(until.reason)
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      cancel()
      reject(until?.reason)
    }
    const cancel = clock.after(ms, () => {
      until?.removeEventListener('abort', giveUp)
      resolve()
    })
    until?.addEventListener('abort', giveUp, { once: true })
  })
}

/**
 * The outcome of the first try that succeeds. Which errors may pass, and how long to wait then, only the caller knows.
 * @param act one try; `attempt` counts from 1
 * @param pauseAfter milliseconds from a try that has failed to the next one. What it throws is the outcome
 * @param until ends the pauses, but no try
 * @throws what `pauseAfter` throws; once `until` is aborted, what the last try has failed with
 */
export async function retry<T>(
  clock: Clock,
  act: (attempt: number) => T | Promise<T>,
  pauseAfter: (error: unknown, attempt: number) => number,
  until?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await act(attempt)
    } catch (error) {
      await sleep(clock, pauseAfter(error, attempt), until).catch(() => Promise.reject(error))
    }
  }
}

/** What the pause after the first failure in a row is at most, and what it grows to, doubling each time. Milliseconds. */
export type Pauses = readonly [first: number, longest: number]

/**
 * What the pause after so many failures in a row is at most. It is to be chosen at random below that, as those who have failed
 * together would else come back together ("full jitter": AWS Architecture Blog, "Exponential Backoff And Jitter").
 */
export const backoff = ([first, longest]: Pauses, failures: number): number =>
  Math.min(first * 2 ** (failures - 1), longest)
