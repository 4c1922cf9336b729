/** The known name that differs least, if it is near enough to be a slip. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: { readonly name: string; readonly distance: number } | undefined
  for (const other of known) {
    // Whoever has written a part of it has meant it, however long the rest is.
    const distance = name.length > 2 && other.startsWith(name) ? 0 : editDistance(name, other)
    if (!best || distance < best.distance) best = { name: other, distance }
  }
  return best && best.distance <= Math.max(1, Math.floor(name.length / 3)) ? best.name : undefined
}

/** Insertions, deletions, replacements, and swaps of two neighbours, that lead from one word to the other. */
function editDistance(a: string, b: string): number {
  let above: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(row, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swapped = isSwap ? at(above, j - 2) + 1 : replaced
      next.push(Math.min(replaced, swapped, at(row, j) + 1, at(next, j - 1) + 1))
    }
    above = row
    row = next
  }
  return at(row, b.length)
}

const at = (row: readonly number[], column: number): number => row[column] ?? 0
