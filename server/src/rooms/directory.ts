import { NameMap, SignalingError } from '@parley/protocol'
import { type Claim, mayDelete } from './rights.ts'
import type { Room } from './room.ts'

/** What must be known of peers across rooms: where a peer id occurs, and how many peers an identity has. */
export class Directory {
  readonly #roomsOfPeer = new NameMap<Set<Room>>()
  readonly #peersOfIdentity = new Map<string, number>()

  /**
   * The room in which a peer with this id is or was, and to which `claim` gives a right: if several, the latest.
   * Undefined if there is no such peer.
   * @throws SignalingError FORBIDDEN if there are such peers, but none in a room that `claim` gives a right to
   */
  find(peerId: string, claim: Claim): Room | undefined {
    const rooms = this.#roomsOfPeer.get(peerId)
    if (!rooms) return undefined
    const mine = [...rooms].filter(room => room.record && mayDelete(room.record, room, claim, peerId))
    const found = mine.findLast(room => room.peers.has(peerId)) ?? mine.at(-1)
    if (!found) throw new SignalingError('FORBIDDEN')
    return found
  }

  /** Notes that a peer with this id is in the room now. */
  list(peerId: string, room: Room): void {
    const rooms = this.#roomsOfPeer.get(peerId)
    if (!rooms) {
      this.#roomsOfPeer.set(peerId, new Set([room]))
    } else {
      rooms.delete(room)
      rooms.add(room)
    }
  }

  /** Forgets that a peer with this id is or was in the room. */
  unlist(peerId: string, room: Room): void {
    const rooms = this.#roomsOfPeer.get(peerId)
    rooms?.delete(room)
    if (rooms?.size === 0) this.#roomsOfPeer.delete(peerId)
  }

  /** Registered peers of an identity, in all rooms of this node. */
  peersOf(identity: string): number {
    return this.#peersOfIdentity.get(identity) ?? 0
  }

  countIn(identity: string): void {
    this.#peersOfIdentity.set(identity, this.peersOf(identity) + 1)
  }

  countOut(identity: string): void {
    const left = this.peersOf(identity) - 1
    if (left > 0) this.#peersOfIdentity.set(identity, left)
    else this.#peersOfIdentity.delete(identity)
  }
}
