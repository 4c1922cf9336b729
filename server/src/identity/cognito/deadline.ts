import type { Clock } from '../../clock.ts'

/**
 * The outcome of `work`, which is to end when its signal is aborted. Whether it does or not, this fails after `ms`
 * milliseconds, and when `until` is aborted, so that nobody waits for longer.
 */
export function within<T>(
  clock: Clock,
  ms: number,
  until: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (until.aborted) return Promise.reject(until.reason)
  const controller = new AbortController()
  return new Promise((resolve, reject) => {
    const stop = (reason: unknown) => {
      controller.abort(reason)
      reject(reason)
    }
    const follow = () => stop(until.reason)
    until.addEventListener('abort', follow, { once: true })
    const cancel = clock.after(ms, () => stop(new Error(`no answer in ${ms} ms`)))
    work(controller.signal)
      .finally(() => {
        cancel()
        until.removeEventListener('abort', follow)
      })
      .then(resolve, reject)
  })
}

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
