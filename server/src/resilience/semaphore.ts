/** Lets someone in, and tells how to leave. @throws the reason of `signal` when that is aborted before it is their turn */
export type Semaphore = (signal: AbortSignal) => Promise<() => void>

/** There are so many places; those that find none wait in line. */
export function semaphore(places: number): Semaphore {
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

/** What is done under one key is done one after another. A task that fails does not hinder the next. */
export interface KeyedMutex {
  run<T>(key: string, task: () => Promise<T>): Promise<T>
  /** How many tasks of this key have not ended. */
  length(key: string): number
}

export function keyedMutex(): KeyedMutex {
  const lines = new Map<string, { length: number; end: Promise<unknown> }>()
  return {
    async run(key, task) {
      const line = lines.get(key) ?? { length: 0, end: Promise.resolve() }
      lines.set(key, line)
      line.length++
      const result = line.end.then(task)
      line.end = result.catch(() => {})
      try {
        return await result
      } finally {
        if (--line.length === 0) lines.delete(key)
      }
    },
    length: key => lines.get(key)?.length ?? 0,
  }
}
