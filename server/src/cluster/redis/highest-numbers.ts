/** Of so many rooms the number is remembered; those that were seen last. */
const remembered = 10_000

/** The highest numbers of rooms' placements that a node has seen: a room that Redis has forgotten must not begin at 1 again. */
export interface HighestNumbers {
  /** 0 of a room that is not known. */
  of(roomId: string): number
  note(roomId: string, number: number): void
}

export function highestNumbers(): HighestNumbers {
  const numbers = new Map<string, number>()
  return {
    of: roomId => numbers.get(roomId) ?? 0,
    note(roomId, number) {
      const highest = Math.max(number, numbers.get(roomId) ?? 0)
      numbers.delete(roomId)
      numbers.set(roomId, highest)
      if (numbers.size <= remembered) return
      const [oldest] = numbers.keys()
      if (oldest !== undefined) numbers.delete(oldest)
    },
  }
}
