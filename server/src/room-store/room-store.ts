import type { JsonObject } from '@parley/protocol'

/** A room as it is kept: the original's item, and what Parley adds to it. */
export interface RoomRecord {
  readonly room_id: string
  /** Subject of the identity that created the room. */
  readonly created_by: string
  readonly token: string
  /** Seconds since the epoch. */
  readonly expires_at: number
  /** Peers that may be in the room at once; null: as many as the server allows. */
  readonly max_peers: number | null
  readonly name: string | null
  readonly metadata: JsonObject
}

/**
 * Keeps rooms, which outlive the server. It knows nothing of peers, and does not judge whether a room has expired.
 * Every member answers within 5 s or fails; a failure other than a SignalingError means that the store is unavailable.
 */
export interface RoomStore {
  /**
   * Keeps a new room, which is there for every node once this resolves.
   * @param maxLive rooms that `created_by` may have whose `expires_at` is later than `now` (seconds), this one included
   * @throws SignalingError LIMIT_REACHED if there would be more; an Error if `room_id` is in use
   */
  create(room: RoomRecord, maxLive: number, now: number): Promise<void>
  /** The room as last written by any node. An expired one is found for at least an hour after its end. */
  get(roomId: string): Promise<RoomRecord | undefined>
  /** Afterwards the room is not found by any node. Harmless if it is unknown. */
  delete(roomId: string): Promise<void>
  /** Resolves if the store can be read now. */
  ready(): Promise<void>
  close(): Promise<void>
}
