import { shareKey } from '../address.ts'
import type { RoomRecord } from '../room-store/room-store.ts'
import { OldestFirst } from './oldest-first.ts'
import type { Memory, Room } from './room.ts'

export interface PastLimits {
  /** Bytes that all rooms together may take for what they remember. */
  readonly bytes: number
  /** The same for peers of one network address. */
  readonly bytesPerAddress: number
}

/** Peers and users that are remembered, the rooms that are kept for their sake alone, and the bytes of all that. */
export interface PastSize {
  readonly memories: number
  readonly idleRooms: number
  readonly bytes: number
}

/** About 6,000 peers that have each left a room empty, or 25,000 in rooms that others are in. */
export const pastLimits: PastLimits = { bytes: 2 ** 25, bytesPerAddress: 2 ** 23 }

/** What one takes without its names and without what its owner has put into it. Bytes, as measured, and some more. */
const weights = { memory: 1024, room: 4096 } as const

/** What an address has a share of. */
class Share {
  readonly memories = new OldestFirst<Memory>()
  bytes = 0
}

/** Counts what `Past` remembers, and says what must be forgotten. */
export class PastBudget {
  readonly #memories = new OldestFirst<Memory>()
  readonly #shares = new Map<string, Share>()
  /** Rooms that are kept for the sake of what they remember, as nobody is in them. */
  readonly #idle = new Map<Room, { readonly key: string; readonly bytes: number }>()
  #bytes = 0

  constructor(private readonly limits: PastLimits) {}

  get size(): PastSize {
    return { memories: this.#memories.size, idleRooms: this.#idle.size, bytes: this.#bytes }
  }

  add(memory: Memory): void {
    const key = keyOf(memory)
    this.#memories.add(memory)
    this.#share(key).memories.add(memory)
    this.#count(key, weigh(memory))
  }

  remove(memory: Memory): void {
    if (!this.#memories.delete(memory)) return
    const key = keyOf(memory)
    this.#share(key).memories.delete(memory)
    this.#count(key, -weigh(memory))
  }

  /** Nobody is in the room any more; `last` is its latest memory, and its address is the one that the room counts for. */
  keepIdle(room: Room, record: RoomRecord, last: Memory): void {
    this.leaveIdle(room)
    const idle = { key: keyOf(last), bytes: weights.room + sizeOf(record) }
    this.#idle.set(room, idle)
    this.#count(idle.key, idle.bytes)
  }

  /** The owner of a room may have put more into it meanwhile. */
  weighAgain(room: Room, record: RoomRecord): void {
    const idle = this.#idle.get(room)
    if (!idle) return
    const bytes = weights.room + sizeOf(record)
    this.#idle.set(room, { key: idle.key, bytes })
    this.#count(idle.key, bytes - idle.bytes)
  }

  /** Somebody is in the room again, or it is no more. */
  leaveIdle(room: Room): void {
    const idle = this.#idle.get(room)
    if (!idle) return
    this.#idle.delete(room)
    this.#count(idle.key, -idle.bytes)
  }

  /** What is to be forgotten next, after something of `address` was added; undefined if all is within the limits. */
  excess(address: string | undefined): Memory | undefined {
    const share = this.#shares.get(shareKey(address))
    // Clients whose address is not known may be everybody: no share bounds them.
    const oldest =
      address !== undefined && share && share.bytes > this.limits.bytesPerAddress ? share.memories.oldest : undefined
    return oldest ?? (this.#bytes > this.limits.bytes ? this.#memories.oldest : undefined)
  }

  #share(key: string): Share {
    const share = this.#shares.get(key) ?? new Share()
    this.#shares.set(key, share)
    return share
  }

  #count(key: string, bytes: number): void {
    const share = this.#share(key)
    share.bytes += bytes
    this.#bytes += bytes
    if (share.bytes === 0) this.#shares.delete(key)
  }
}

const keyOf = ({ address }: Memory): string => shareKey(address)

const weigh = ({ id = '', identity = '', username }: Memory): number =>
  weights.memory + 2 * (id.length + identity.length + username.length)

/** Bytes of what can be long in a room. */
export const sizeOf = ({ metadata, removed, invites }: RoomRecord): number =>
  2 * JSON.stringify([metadata, removed, invites]).length
