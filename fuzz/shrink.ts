/**
 * The shortest list that this finds, made by leaving out parts of `items`, for which `fails` still holds (delta debugging,
 * ddmin). Asks `fails` at most `tries` times.
 */
export async function shrink<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => boolean | Promise<boolean>,
  tries = 2000,
): Promise<readonly T[]> {
  let best = items
  let asked = 0
  for (let size = Math.ceil(best.length / 2); size >= 1; ) {
    let shrunk = false
    for (let at = 0; at < best.length && asked < tries; ) {
      const candidate = [...best.slice(0, at), ...best.slice(at + size)]
      asked++
      if (candidate.length < best.length && (await fails(candidate))) {
        best = candidate
        shrunk = true
      } else {
        at += size
      }
    }
    if (asked >= tries || (size === 1 && !shrunk)) break
    size = size > 1 ? Math.ceil(size / 2) : 1
  }
  return best
}
