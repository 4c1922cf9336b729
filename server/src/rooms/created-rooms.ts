import { SignalingError } from '@parley/protocol'
import { shareKey } from '../address.ts'
import type { Clock } from '../clock.ts'
import { endOf, type RoomRecord, storeBytes } from '../room-store/room-store.ts'
import { OldestFirst } from './oldest-first.ts'
import { sizeOf } from './past-budget.ts'

export interface CreatedRoomsLimits {
  /** Rooms that nobody has entered yet, in all. */
  readonly unentered: number
  /** Those created from one network address. */
  readonly unenteredPerAddress: number
  /** Bytes that live rooms may take in the store, in all. */
  readonly bytes: number
  /** The same for those created from one address. */
  readonly bytesPerAddress: number
}

/** A room takes this much at least, so that there are not too many to remember here either. Bytes. */
const leastWeight = 8192

/** Where an identity may have the usual 100 rooms: 1,000 that nobody has entered from one address, 10,000 in all. */
export const createdRoomsLimits = (roomsPerIdentity: number): CreatedRoomsLimits => ({
  unentered: 100 * roomsPerIdentity,
  unenteredPerAddress: 10 * roomsPerIdentity,
  // An address has space for two identities at least, whatever the operator lets each have.
  bytes: Math.max(storeBytes, 4 * roomsPerIdentity * leastWeight),
  bytesPerAddress: Math.max(storeBytes / 8, 2 * roomsPerIdentity * leastWeight),
})

/** Between two looks for rooms that have ended by themselves. Milliseconds. */
const sweepEvery = 60_000

interface Created {
  readonly id: string
  readonly key: string
  bytes: number
  /** The uptime at which it ends. */
  end: number
  isEntered: boolean
}

/** What was created from one address. */
class Share {
  readonly unentered = new OldestFirst<Created>()
  rooms = 0
  bytes = 0
  unenteredBytes = 0
}

/**
 * The live rooms that were created on this node since it started. Identities cost nothing, so addresses have a share of the
 * store. Rooms that nobody has entered make way for new ones, the oldest first; one that somebody has entered never does.
 */
export class CreatedRooms {
  readonly #all = new Map<string, Created>()
  readonly #unentered = new OldestFirst<Created>()
  readonly #shares = new Map<string, Share>()
  #bytes = 0
  #unenteredBytes = 0
  #sweptAt: number

  constructor(
    private readonly clock: Clock,
    private readonly limits: CreatedRoomsLimits,
  ) {
    this.#sweptAt = clock.uptime()
  }

  get size(): { readonly rooms: number; readonly unentered: number; readonly bytes: number } {
    return { rooms: this.#all.size, unentered: this.#unentered.size, bytes: this.#bytes }
  }

  /** @throws SignalingError LIMIT_REACHED or UNAVAILABLE if rooms that were entered leave no space for `room` */
  expectSpace(room: RoomRecord, address: string | undefined): void {
    this.#sweep()
    const bytes = weigh(room)
    const share = this.#shares.get(shareKey(address)) ?? new Share()
    // Clients whose address is not known may be everybody: no share bounds them.
    if (address !== undefined && share.bytes - share.unenteredBytes + bytes > this.limits.bytesPerAddress)
      throw tooMuch()
    if (this.#bytes - this.#unenteredBytes + bytes > this.limits.bytes) {
      throw serverFull(new Error(`the rooms in use take ${this.limits.bytes} bytes`))
    }
  }

  /** @throws SignalingError LIMIT_REACHED if the room's address may not have it grow to this */
  expectGrowth(room: RoomRecord): void {
    const created = this.#all.get(room.room_id)
    const more = weigh(room) - (created?.bytes ?? 0)
    if (!created || created.key === '' || more <= 0) return
    const { bytes } = this.#share(created.key)
    if (bytes + more > this.limits.bytesPerAddress) throw tooMuch()
  }

  add(room: RoomRecord, address: string | undefined): void {
    const key = shareKey(address)
    const created = { id: room.room_id, key, bytes: 0, end: this.#endOf(room), isEntered: false }
    this.#all.set(created.id, created)
    this.#unentered.add(created)
    const share = this.#share(key)
    share.unentered.add(created)
    share.rooms++
    this.#weigh(created, weigh(room))
  }

  /** The room is another one now. */
  changed(room: RoomRecord): void {
    const created = this.#all.get(room.room_id)
    if (!created) return
    created.end = this.#endOf(room)
    this.#weigh(created, weigh(room))
  }

  /** Somebody was let in. */
  entered(roomId: string): void {
    const created = this.#all.get(roomId)
    if (!created || created.isEntered) return
    const { bytes } = created
    this.#weigh(created, 0)
    created.isEntered = true
    this.#unentered.delete(created)
    this.#share(created.key).unentered.delete(created)
    this.#weigh(created, bytes)
  }

  /** The room is no more. */
  remove(roomId: string): void {
    const created = this.#all.get(roomId)
    if (!created) return
    this.#weigh(created, 0)
    this.#all.delete(roomId)
    this.#unentered.delete(created)
    const share = this.#share(created.key)
    share.unentered.delete(created)
    if (--share.rooms === 0) this.#shares.delete(created.key)
  }

  /** The room that must be deleted next, as one of `address` was added; undefined if all is within the limits. */
  excess(address: string | undefined): string | undefined {
    const { unentered, unenteredPerAddress, bytes, bytesPerAddress } = this.limits
    const share = this.#shares.get(shareKey(address))
    if (
      address !== undefined &&
      share &&
      (share.unentered.size > unenteredPerAddress || share.bytes > bytesPerAddress)
    ) {
      const { oldest } = share.unentered
      if (oldest) return oldest.id
    }
    return this.#unentered.size > unentered || this.#bytes > bytes ? this.oldestUnentered() : undefined
  }

  oldestUnentered(): string | undefined {
    return this.#unentered.oldest?.id
  }

  #share(key: string): Share {
    const share = this.#shares.get(key) ?? new Share()
    this.#shares.set(key, share)
    return share
  }

  #weigh(created: Created, bytes: number): void {
    const more = bytes - created.bytes
    const share = this.#share(created.key)
    created.bytes = bytes
    this.#bytes += more
    share.bytes += more
    if (created.isEntered) return
    this.#unenteredBytes += more
    share.unenteredBytes += more
  }

  #endOf(room: RoomRecord): number {
    return this.clock.uptime() + endOf(room) * 1000 - this.clock.now()
  }

  #sweep(): void {
    const now = this.clock.uptime()
    if (now - this.#sweptAt < sweepEvery) return
    this.#sweptAt = now
    for (const { id, end } of this.#all.values()) if (end <= now) this.remove(id)
  }
}

const weigh = (room: RoomRecord): number => Math.max(leastWeight, sizeOf(room))

const tooMuch = () =>
  new SignalingError(
    'LIMIT_REACHED',
    'Rooms that were created from your network address take all the space that it may have. Delete some, or wait for their end.',
  )

/** What a creator is told where nothing can make way. */
export const serverFull = (cause: Error) =>
  new SignalingError('UNAVAILABLE', 'This server keeps as many rooms as it can. Try again later.', { cause })
