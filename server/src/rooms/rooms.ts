import type { LeaveReason, Register } from '@parley/protocol'
import type { Placement } from '../cluster/cluster.ts'
import type { RoomRecord } from '../room-store/room-store.ts'
import { Admission, type AdmissionLimits, type AdmissionParts } from './admission.ts'
import { type Census, census } from './census.ts'
import { CleanUp, type CleanUpParts } from './clean-up.ts'
import { CreatedRooms, type CreatedRoomsLimits, createdRoomsLimits } from './created-rooms.ts'
import { Creation, type CreationParts, type RoomOptions } from './creation.ts'
import { Owner } from './owner.ts'
import type { PastSize } from './past-budget.ts'
import type { Entrant } from './peer-session.ts'
import { handleRequest, type Outcome, type PeerRequest } from './requests.ts'
import type { Peer } from './room.ts'
import { RoomRegistry } from './room-registry.ts'

export interface RoomsParts extends AdmissionParts, CleanUpParts, CreationParts {
  readonly limits: RoomLimits
}

export type RoomLimits = AdmissionLimits &
  CreationParts['limits'] & {
    /** Undefined: those that follow from `roomsPerIdentity`. */
    readonly createdRooms?: CreatedRoomsLimits
  }

/** The rooms that this node serves: who is in them, and what passes between. */
export class Rooms {
  /** What the creators of rooms may do with them. */
  readonly owner: Owner
  readonly cleanUp: CleanUp
  readonly #admission: Admission
  readonly #creation: Creation
  readonly #created: CreatedRooms
  readonly #registry: RoomRegistry

  constructor(private readonly parts: RoomsParts) {
    const { clock, limits } = parts
    this.#registry = new RoomRegistry(parts)
    this.#created = new CreatedRooms(clock, limits.createdRooms ?? createdRoomsLimits(limits.roomsPerIdentity))
    this.#admission = new Admission(parts, this.#registry, this.#created)
    this.cleanUp = new CleanUp(parts, this.#registry, this.#created)
    const deleteRoom = (roomId: string) => this.cleanUp.deleteRoom(roomId)
    this.owner = new Owner(parts, this.#registry, this.#created, deleteRoom)
    this.#creation = new Creation(parts, this.#registry, this.#created, deleteRoom)
  }

  /** @param address that the request comes from @throws SignalingError LIMIT_REACHED or UNAVAILABLE */
  create(creator: string, options: RoomOptions, address: string | undefined): Promise<RoomRecord> {
    return this.#creation.create(creator, options, address)
  }

  /**
   * Lets a peer in, or says why not: the checks of docs/protocol.md, in its order. The last part runs without a pause,
   * so that `entrant` is told of its place before anybody else can speak to it. All services together have one deadline.
   * @throws SignalingError
   */
  join(message: Register, entrant: Entrant): Promise<void> {
    return this.#admission.admit(message, entrant)
  }

  /**
   * Does what a registered peer asks for with `message`, which was read from `text`. It never waits for anything outside.
   * @returns a promise where the message is not handled at once: what the peer sends meanwhile has to wait
   * @throws SignalingError saying why it cannot be done
   */
  handle(peer: Peer, message: PeerRequest, text: string): Outcome | Promise<Outcome> {
    return handleRequest(peer, message, text, this.parts)
  }

  /** The peer of this name in a room that this node serves, if there is one. @throws ServedElsewhere; SignalingError UNAVAILABLE */
  async find(roomId: string, peerId: string): Promise<Peer | undefined> {
    return (await this.#registry.claims.find(roomId))?.peers.get(peerId)
  }

  /** The peer's session is over, or another one has its place. */
  leave(peer: Peer, reason: LeaveReason): void {
    this.#registry.leave(peer, reason)
  }

  /** Who is in the rooms of this node, and what is kept for those that are not. */
  census(): Census & { readonly past: PastSize; readonly created: CreatedRooms['size'] } {
    return { ...census(this.#registry.values()), past: this.#registry.past.size, created: this.#created.size }
  }

  /** How many peers are in a room on this node. */
  peerCount(roomId: string): number {
    return this.#registry.get(roomId)?.peers.size ?? 0
  }

  /** Of a room that is open on this node, as it was last read or written. */
  recordOf(roomId: string): RoomRecord | undefined {
    return this.#registry.recordOf(roomId)
  }

  /** Of all rooms that are open on this node. */
  records(): RoomRecord[] {
    return [...this.#registry.values()].flatMap(({ id }) => this.recordOf(id) ?? [])
  }

  /** Another node serves the room now. */
  lost(roomId: string, to: Placement): void {
    this.#registry.lost(roomId, to)
  }

  /** Says no more of who comes and goes: all are about to go. */
  stopPresence(): void {
    this.#registry.stopPresence()
  }

  /** Forgets all rooms of this node, without a word to anybody; they stay in the store. */
  close(): void {
    this.#registry.close()
  }
}
