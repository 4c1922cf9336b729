import { NameMap, SignalingError } from '@parley/protocol'
import type { TimeSlices } from '../time-slices.ts'
import type { WorkBudget } from '../work-budget.ts'
import { type Claim, mayDelete } from './rights.ts'
import type { Room } from './room.ts'

/** Units of work that it takes to see whether somebody has a right to the room. */
const workOfLooking = ({ peers, departed }: Room): number => 1 + (peers.size + departed.size) / 50

/** What must be known of peers across rooms: where a peer id occurs, and how many peers an identity has. */
export class Directory {
  /** Nearly every id is in one room, and a set would weigh as much as the peer itself. */
  readonly #roomsOfPeer = new NameMap<Room | Set<Room>>()
  readonly #peersOfIdentity = new Map<string, number>()

  constructor(private readonly parts: { readonly budget: WorkBudget; readonly slices: TimeSlices }) {}

  /**
   * The room in which a peer with this id is or was, and to which `claim` gives a right: if several, the latest.
   * Undefined if there is no such peer. A name can be in thousands of rooms, so that is looked for in slices.
   * @throws SignalingError FORBIDDEN if there are such peers, but none in a room that `claim` gives a right to
   */
  async find(peerId: string, claim: Claim): Promise<Room | undefined> {
    const listed = this.#roomsOfPeer.get(peerId)
    const rooms = listed instanceof Set ? [...listed].reverse() : listed ? [listed] : []
    if (rooms.length === 0) return undefined
    let found: Room | undefined
    const look = (room: Room): boolean => {
      if (room.record && mayDelete(room.record, room, claim, peerId)) found ??= room
      return found?.peers.has(peerId) === true
    }
    const units = await this.parts.slices.each(rooms, workOfLooking, look)
    if (claim.payer) this.parts.budget.charge(claim.payer, units)
    if (!found) throw new SignalingError('FORBIDDEN')
    return found
  }

  /** Notes that a peer with this id is in the room now. */
  list(peerId: string, room: Room): void {
    const listed = this.#roomsOfPeer.get(peerId)
    if (listed === undefined || listed === room) this.#roomsOfPeer.set(peerId, room)
    else if (listed instanceof Set) {
      listed.delete(room)
      listed.add(room)
    } else this.#roomsOfPeer.set(peerId, new Set([listed, room]))
  }

  /** Forgets that a peer with this id is or was in the room. */
  unlist(peerId: string, room: Room): void {
    const listed = this.#roomsOfPeer.get(peerId)
    if (listed instanceof Set) listed.delete(room)
    if (listed === room || (listed instanceof Set && listed.size === 0)) this.#roomsOfPeer.delete(peerId)
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
