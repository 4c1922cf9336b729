/** The known name that differs least, if it is near enough to be a slip. */
export function closest(name: string, known: ReadonlySet<string>): string | undefined {
  const [best] = [...known]
    .map(other => ({ other, distance: distance(name, other) }))
    .sort((a, b) => a.distance - b.distance)
  if (best && best.distance <= 2) return best.other
  return [...known].find(other => lacksOneWord(name, other))
}

/** Whether `name` is `other` without a short piece of it: `TURN_USER` for `TURN_USERNAME`. */
function lacksOneWord(name: string, other: string): boolean {
  const missing = other.length - name.length
  if (missing <= 0 || missing > 5) return false
  let start = 0
  while (start < name.length && name[start] === other[start]) start++
  return name.slice(start) === other.slice(start + missing)
}

/** Levenshtein distance: insertions, deletions and replacements between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
