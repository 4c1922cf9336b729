import { type JsonObject, toSignalingError } from '@parley/protocol'
import { logFailure, reasons } from '../log.ts'
import { withDeadline } from '../resilience/deadline.ts'
import { type RoomRecord, StoreFull } from '../room-store/room-store.ts'
import { type CreatedRooms, serverFull } from './created-rooms.ts'
import { type RoomRegistry, type RoomRegistryParts, storeSilent } from './room-registry.ts'
import { newRoomId, newRoomToken } from './secrets.ts'
import { ServedElsewhere } from './served-elsewhere.ts'

export interface CreationParts extends RoomRegistryParts {
  readonly limits: RoomRegistryParts['limits'] & {
    /** Seconds that a room lives if its creator does not say. */
    readonly roomTtl: number
    readonly roomsPerIdentity: number
  }
}

/** What the creator of a room may decide. */
export interface RoomOptions {
  /** Seconds; null: the room does not end. */
  readonly ttl?: number | null | undefined
  readonly maxPeers?: number | undefined
  readonly name?: string | undefined
  readonly metadata?: JsonObject | undefined
}

/** Rooms that make way at once where the store is full. */
const makeWayAtOnce = 100

/** Creates rooms, and keeps them from being too many. */
export class Creation {
  constructor(
    private readonly parts: CreationParts,
    private readonly registry: RoomRegistry,
    private readonly created: CreatedRooms,
    private readonly deleteRoom: (roomId: string) => Promise<void>,
  ) {}

  /**
   * @param address that the request comes from; undefined if it is not known
   * @throws SignalingError LIMIT_REACHED if the identity or the address has too many; UNAVAILABLE if the store does not
   *   answer or can keep no more
   */
  async create(creator: string, options: RoomOptions, address: string | undefined): Promise<RoomRecord> {
    const { clock, limits, emit } = this.parts
    const now = Math.floor(clock.now() / 1000)
    const record: RoomRecord = {
      room_id: newRoomId(),
      created_by: creator,
      token: newRoomToken(),
      created_at: now,
      expires_at: options.ttl === null ? null : now + (options.ttl ?? limits.roomTtl),
      max_peers: options.maxPeers ?? null,
      name: options.name ?? null,
      metadata: options.metadata ?? {},
      locked: false,
      removed: [],
      invites: [],
      revision: 0,
    }
    this.created.expectSpace(record, address)
    await this.#store(record).catch(async error => {
      if (!(error.cause instanceof StoreFull)) throw error
      if (await this.#makeWay()) await this.#store(record)
      else throw serverFull(error.cause)
    })
    this.created.add(record, address)
    emit({ type: 'created', room: record.room_id, expiresAt: record.expires_at })
    for (let id = this.created.excess(address); id; id = this.created.excess(address)) await this.#remove(id)
    return record
  }

  async #store(record: RoomRecord): Promise<void> {
    const { clock, store, limits, log } = this.parts
    const { room_id } = record
    const creating = store.create(record, limits.roomsPerIdentity, record.created_at ?? 0)
    await withDeadline(clock, creating, storeSilent).catch(error => {
      // Should it be there after all, nobody knows its token.
      const takeBack = () => store.delete(room_id)
      creating.then(takeBack).catch(cause => {
        // That is what has just been said, unless it was late.
        if (cause !== error.cause && cause !== error)
          log.warn({ room: room_id, cause: reasons(cause) }, 'room that was created too late not deleted')
      })
      throw error
    })
  }

  /** @returns whether any room that nobody has entered has made way */
  async #makeWay(): Promise<boolean> {
    let removed = 0
    for (; removed < makeWayAtOnce; removed++) {
      const id = this.created.oldestUnentered()
      if (id === undefined) break
      await this.#remove(id)
    }
    return removed > 0
  }

  /** Deletes a room that nobody has entered, unless somebody is about to. */
  async #remove(roomId: string): Promise<void> {
    const { emit, log } = this.parts
    if (this.registry.get(roomId)) {
      this.created.entered(roomId)
      return
    }
    // Even if it is not deleted, it must not be in the way again.
    this.created.remove(roomId)
    emit({ type: 'made_way', room: roomId })
    const deletion = this.registry.claims.serving(roomId, () => this.deleteRoom(roomId))
    await deletion.catch(error => {
      // Somebody has entered it through another node.
      if (!(error instanceof ServedElsewhere)) logFailure(log, toSignalingError(error), { room: roomId })
    })
  }
}
