/**
 * The shortest list that this finds, made by leaving out parts of `items`, for which `fails` still holds (delta debugging,
 * ddmin). Asks `fails` for some `seconds` at most.
 */
export async function shrink<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => boolean | Promise<boolean>,
  seconds: number,
): Promise<readonly T[]> {
  let best = items
  const until = performance.now() + seconds * 1000
  const isLate = () => performance.now() > until
  for (let size = Math.ceil(best.length / 2); size >= 1; ) {
    let shrunk = false
    for (let at = 0; at < best.length && !isLate(); ) {
      const candidate = [...best.slice(0, at), ...best.slice(at + size)]
      if (candidate.length < best.length && (await fails(candidate))) {
        best = candidate
        shrunk = true
      } else {
        at += size
      }
    }
    if (isLate() || (size === 1 && !shrunk)) break
    size = size > 1 ? Math.ceil(size / 2) : 1
  }
  return best
}
