import type { RoomRecord } from '../room-store/room-store.ts'
import type { Directory } from './directory.ts'
import { PastBudget, type PastLimits, type PastSize, pastLimits } from './past-budget.ts'
import type { Departed, Memory, Peer, Room } from './room.ts'
import type { Emit } from './room-events.ts'

export interface PastParts {
  readonly emit: Emit
  readonly limits: {
    /** So many departed peers one room remembers. */
    readonly peersPerRoom: number
    /** Undefined: the usual ones. */
    readonly past?: PastLimits
  }
}

/** Users that one room remembers beside its peers, so that it can sign them out: what is beyond stays with the provider. */
const mostUsers = 10_000

/**
 * What the rooms of this node remember of peers that have left: who may still ask for the clean-up or come back, and who
 * is to be signed out with the room. Beyond the limits the oldest is forgotten, in whichever room: of an address that takes
 * more than its share, so that nobody can have the server forget everybody else; or else of all.
 */
export class Past {
  readonly #budget: PastBudget

  /** @param forgetIfUnused is called for a room that may remember nobody any more */
  constructor(
    private readonly parts: PastParts,
    private readonly directory: Directory,
    private readonly forgetIfUnused: (room: Room) => void,
  ) {
    this.#budget = new PastBudget(parts.limits.past ?? pastLimits)
  }

  get size(): PastSize {
    return this.#budget.size
  }

  /** The peer is in its room now, maybe again. */
  welcome({ room, id, username }: Peer): void {
    this.#budget.leaveIdle(room)
    const before = room.departed.get(id)
    if (!before) return
    this.#drop(before)
    // Clients of old sign in anew each time, under one and the same peer id.
    if (before.username !== username) this.#addUser(before)
  }

  /** The peer has left its room; it may still ask for the clean-up, and come back into a locked room. */
  rememberPeer({ room, id, identity, username, session, invited }: Peer): void {
    const { address } = session
    const departed: Departed = { room, id, identity, username, address, invited: invited !== undefined }
    room.departed.set(id, departed)
    this.#budget.add(departed)
    if (room.departed.size > this.parts.limits.peersPerRoom) {
      const [oldest = departed] = room.departed.values()
      this.forgetPeer(oldest)
      this.#addUser(oldest)
    }
    this.#forgetExcess(departed)
  }

  /** The peer has left its room for good; of it the user alone is remembered. */
  rememberUser({ room, username, session }: Peer): void {
    this.#forgetExcess(this.#addUser({ room, username, address: session.address }))
  }

  /** The peer that has left may no longer come back into a locked room, nor ask for the clean-up. */
  forgetPeer(departed: Departed): void {
    this.#drop(departed)
    this.directory.unlist(departed.id, departed.room)
  }

  /** The room is no more. */
  forget(room: Room): void {
    for (const departed of [...room.departed.values()]) this.forgetPeer(departed)
    for (const user of [...room.users.values()]) this.#drop(user)
    this.#budget.leaveIdle(room)
  }

  /** The room has another record, which may be longer. */
  weighAgain(room: Room, record: RoomRecord): void {
    this.#budget.weighAgain(room, record)
  }

  #addUser({ room, username, address }: Memory): Memory {
    const known = room.users.get(username)
    if (known) return known
    const user: Memory = { room, username, address }
    room.users.set(username, user)
    this.#budget.add(user)
    const [oldest = user] = room.users.values()
    if (room.users.size > mostUsers) this.#drop(oldest)
    return user
  }

  #drop(memory: Memory): void {
    const { room, id, username } = memory
    if (id === undefined) room.users.delete(username)
    else room.departed.delete(id)
    this.#budget.remove(memory)
  }

  /** Comes back within the limits, once `last` has been added. */
  #forgetExcess(last: Memory): void {
    const { room, address } = last
    if (room.record && room.peers.size === 0) this.#budget.keepIdle(room, room.record, last)
    for (let excess = this.#budget.excess(address); excess; excess = this.#budget.excess(address)) {
      this.#drop(excess)
      if (excess.id !== undefined) this.directory.unlist(excess.id, excess.room)
      this.parts.emit({ type: 'forgotten', room: excess.room.id, peer: excess.id, address, ...this.size })
      this.forgetIfUnused(excess.room)
    }
  }
}
