import type { Room } from './room.ts'

export interface Census {
  /** With somebody in them. */
  readonly rooms: number
  /** Of these, those that go on past their end. */
  readonly roomsPastEnd: number
  readonly peers: number
  /** Of these, those whose connection has ended and that may come back. */
  readonly peersAway: number
  readonly peersByRole: ReadonlyMap<string, number>
}

/** Roles that are counted one by one: peers choose them, and everybody is shown the counts. */
const mostRoles = 100

export function census(all: Iterable<Room>): Census {
  let rooms = 0
  let roomsPastEnd = 0
  let peers = 0
  let peersAway = 0
  const peersByRole = new Map<string, number>()
  for (const room of all) {
    if (room.peers.size === 0) continue
    rooms++
    if (room.state === 'past_end') roomsPastEnd++
    peers += room.peers.size
    for (const { role, session } of room.peers.values()) {
      if (session.awayUntil !== undefined) peersAway++
      const counted = peersByRole.size < mostRoles || peersByRole.has(role) ? role : 'other roles'
      peersByRole.set(counted, (peersByRole.get(counted) ?? 0) + 1)
    }
  }
  return { rooms, roomsPastEnd, peers, peersAway, peersByRole }
}
