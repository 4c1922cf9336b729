/** Does what it is given when its turn comes. */
export type Turn = <Result>(act: () => Promise<Result>) => Promise<Result>

/** Does what it is given, at most so many at a time, in the order in which they come. */
export function atMost(count: number): Turn {
  const waiting: (() => void)[] = []
  let free = count
  return async act => {
    if (free > 0) free--
    else await new Promise<void>(resolve => waiting.push(resolve))
    try {
      return await act()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}
