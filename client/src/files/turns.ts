/** Calls `act`, at once or when it is its turn. What it returns ends the turn, or the waiting for it, once. */
export type TakeTurn = (act: () => void) => () => void

/** Lets `most` at a time do something, in the order in which they came. */
export function turns(most: number): TakeTurn {
  const waiting = new Set<() => void>()
  let busy = 0
  const next = () => {
    for (const begin of waiting) {
      if (busy === most) return
      waiting.delete(begin)
      busy++
      begin()
    }
  }
  return act => {
    // A function of its own, also for an `act` that is there already.
    const begin = () => act()
    let leave = () => {
      leave = () => {}
      if (!waiting.delete(begin)) busy--
      next()
    }
    waiting.add(begin)
    next()
    return () => leave()
  }
}
