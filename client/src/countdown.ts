import type { Clock } from './clock.ts'

/** Milliseconds between two looks at whether the time counts. */
const step = 1_000

/** Acts once `ms` milliseconds have passed in which `counts` was true. The result cancels that. */
export function countdown(clock: Clock, ms: number, counts: () => boolean, act: () => void): () => void {
  let left = ms
  let cancel = () => {}
  const next = () => {
    const span = Math.min(step, left)
    cancel = clock.after(span, () => {
      if (counts()) left -= span
      if (left > 0) next()
      else act()
    })
  }
  next()
  return () => cancel()
}
