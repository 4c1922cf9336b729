import type { Clock } from '../../clock.ts'

/**
 * The outcome of `work`, whose signal is aborted after `ms` milliseconds, and when `until` is. For work that ends by
 * itself as soon as its signal is aborted, and can say what it was waiting for.
 */
export async function limited<T>(
  clock: Clock,
  ms: number,
  until: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  until.throwIfAborted()
  const controller = new AbortController()
  const follow = () => controller.abort(until.reason)
  until.addEventListener('abort', follow, { once: true })
  const cancel = clock.after(ms, () => controller.abort(new Error(`no answer in ${ms} ms`)))
  try {
    return await work(controller.signal)
  } finally {
    cancel()
    until.removeEventListener('abort', follow)
  }
}

/**
 * The same for all other work: whether that ends or not, this fails as soon as its signal is aborted, so that nobody
 * waits for longer.
 */
export const within = <T>(
  clock: Clock,
  ms: number,
  until: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> =>
  limited(
    clock,
    ms,
    until,
    signal =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        work(signal).then(resolve, reject)
      }),
  )

/** Resolves `ms` milliseconds from now. @throws the reason of `until` as soon as that is aborted */
export function pause(clock: Clock, ms: number, until: AbortSignal): Promise<void> {
  if (until.aborted) return Promise.reject(until.reason)
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      cancel()
      reject(until.reason)
    }
    const cancel = clock.after(ms, () => {
      until.removeEventListener('abort', giveUp)
      resolve()
    })
    until.addEventListener('abort', giveUp, { once: true })
  })
}

/** Lets someone in, and tells how to leave. @throws the reason of `signal` when that is aborted before it is their turn */
export type Door = (signal: AbortSignal) => Promise<() => void>

/** A door behind which there are so many places; whoever finds none waits in line. */
export function door(places: number): Door {
  const line = new Set<() => void>()
  let free = places
  const leave = () => {
    const [next] = line
    if (next) next()
    else free++
  }
  return async signal => {
    signal.throwIfAborted()
    if (free > 0) free--
    else {
      await new Promise<void>((resolve, reject) => {
        const enter = () => {
          line.delete(enter)
          signal.removeEventListener('abort', giveUp)
          resolve()
        }
        const giveUp = () => {
          line.delete(enter)
          reject(signal.reason)
        }
        line.add(enter)
        signal.addEventListener('abort', giveUp, { once: true })
      })
    }
    return leave
  }
}
