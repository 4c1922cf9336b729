import type { Placement } from '../cluster.ts'

/** So many are remembered; those that were seen last. */
const remembered = 10_000

/** Which other nodes serve rooms, as Redis has last said: while it says nothing, that is the best guess. */
export interface LastPlacements {
  of(roomId: string): Placement | undefined
  /** @param placement undefined: no node serves it */
  note(roomId: string, placement: Placement | undefined): void
}

/** @param self the id of this node, whose own rooms are not remembered */
export function lastPlacements(self: string): LastPlacements {
  const placements = new Map<string, Placement>()
  return {
    of: roomId => placements.get(roomId),
    note(roomId, placement) {
      placements.delete(roomId)
      if (!placement || placement.node === self) return
      placements.set(roomId, placement)
      if (placements.size <= remembered) return
      const [oldest] = placements.keys()
      if (oldest !== undefined) placements.delete(oldest)
    },
  }
}
