import { SignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'

/** No request to an identity provider, a store or a cluster is waited for longer than this. Milliseconds. */
export const adapterTimeout = 4_500

/** Somebody did not answer in time. It has no name of its own, so that logs show nothing but what it says. */
export class TimedOut extends Error {
  constructor(ms: number) {
    super(`no answer in ${ms} ms`)
  }
}

/**
 * The outcome of `promise`, unless that takes longer than `adapterTimeout`: for those who wait for an adapter.
 * @param by the uptime at which it must be there, if that is not `adapterTimeout` from now: for those that ask several
 *   services in a row
 * @throws SignalingError UNAVAILABLE with `sentence` when it is late; when it fails, also as UNAVAILABLE, unless it
 *   failed with a SignalingError
 */
export function withDeadline<T>(
  clock: Clock,
  promise: Promise<T>,
  sentence: string,
  by = clock.uptime() + adapterTimeout,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const ms = Math.max(0, Math.round(by - clock.uptime()))
    const cancel = clock.after(ms, () =>
      reject(new SignalingError('UNAVAILABLE', sentence, { cause: new TimedOut(ms) })),
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

/**
 * The outcome of `work`, whose signal is aborted after `ms` milliseconds (with `TimedOut`), and when `until` is. For work
 * that ends by itself as soon as its signal is aborted, and can say what it was waiting for.
 */
export async function abortAfter<T>(
  clock: Clock,
  ms: number,
  until: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  until?.throwIfAborted()
  const controller = new AbortController()
  const follow = () => controller.abort(until?.reason)
  until?.addEventListener('abort', follow, { once: true })
  const cancel = clock.after(ms, () => controller.abort(new TimedOut(ms)))
  try {
    return await work(controller.signal)
  } finally {
    cancel()
    until?.removeEventListener('abort', follow)
  }
}

/**
 * The same for all other work: whether that ends or not, this fails as soon as its signal is aborted, so that nobody
 * waits for longer.
 */
export const withTimeout = <T>(
  clock: Clock,
  ms: number,
  until: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> =>
  abortAfter(
    clock,
    ms,
    until,
    signal =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        work(signal).then(resolve, reject)
      }),
  )
