import { type JsonObject, SignalingError } from '@parley/protocol'

/** A peer by its name in the room, and who is behind it. */
export interface NamedPeer {
  readonly peer_id: string
  /** Subject of its identity. */
  readonly identity: string
}

/** A join token that the owner gave out beside the room's own. */
export interface Invite {
  /** Names it to the owner; no secret. */
  readonly invite_id: string
  /** SHA-256 of the token, in hex: whoever reads the store cannot enter with it. */
  readonly digest: string
  /** Seconds since the epoch; null: as long as the room. */
  readonly expires_at: number | null
  readonly single_use: boolean
  /** What whoever enters with it is; null: what it says itself. */
  readonly role: string | null
  /** The channels of whoever enters with it; null: those it says itself. */
  readonly channels: readonly string[] | null
  /** Who has entered with it, if it is for a single use. */
  readonly used_by: NamedPeer | null
}

/** A room as it is kept: the original's item, and what Parley adds to it. */
export interface RoomRecord {
  readonly room_id: string
  /** Subject of the identity that created the room; empty if the original has written none. */
  readonly created_by: string
  readonly token: string
  /** Seconds since the epoch; null: when the original created the room, which did not say. */
  readonly created_at: number | null
  /** Seconds since the epoch; null: the room does not end. */
  readonly expires_at: number | null
  /** Peers that may be in the room at once; null: as many as the server allows. */
  readonly max_peers: number | null
  readonly name: string | null
  readonly metadata: JsonObject
  /** Nobody new enters. */
  readonly locked: boolean
  /** Peers that the owner has removed: their identities do not come back. */
  readonly removed: readonly NamedPeer[]
  readonly invites: readonly Invite[]
  /** Goes up by one with every change. */
  readonly revision: number
}

/** A room without what its owner has collected in it. */
export type RoomSummary = Omit<RoomRecord, 'removed' | 'invites'>

/** Seconds since the epoch at which the room ends; Infinity if it does not. */
export const endOf = ({ expires_at }: Pick<RoomRecord, 'expires_at'>): number => expires_at ?? Number.POSITIVE_INFINITY

/** The order of `RoomStore.createdBy`. Infinity less Infinity would be none. */
export function byEnd(a: RoomSummary, b: RoomSummary): number {
  if (endOf(a) !== endOf(b)) return endOf(a) < endOf(b) ? -1 : 1
  return a.room_id < b.room_id ? -1 : 1
}

/** Bytes that all rooms together may take where they are kept in a file. */
export const storeBytes = 2 ** 30

/** Expired rooms are kept this long, so that a late peer hears "Room expired" and not "Room not found". Seconds. */
export const keepExpired = 24 * 3600

/** Characters of what can grow in one room. DynamoDB sets such a bound, too. */
export const mostOfOneRoom = 400_000

/** Anybody may ask whether a store is ready, and each time it is asked for something. Milliseconds. */
export const readyFor = 2_000

/** A new room cannot be kept, as there are too many already. Its message is for operators. */
export class StoreFull extends Error {}

/** There is a room with this id already. */
export class RoomIdInUse extends Error {}

export const tooMuchForOneRoom = () =>
  new SignalingError('LIMIT_REACHED', 'This is too much for one room: revoke invitations, or readmit removed peers.')

export const tooManyRooms = (maxLive: number) =>
  new SignalingError('LIMIT_REACHED', `This identity already has ${maxLive} live rooms; delete one first.`)

/**
 * Keeps rooms, which outlive the server. It knows nothing of peers, and does not judge whether a room has expired.
 * Every member answers within 5 s or fails; a failure other than a SignalingError means that the store is unavailable.
 */
export interface RoomStore {
  /**
   * Keeps a new room as it is given, which is there for every node once this resolves.
   * @param maxLive rooms that `created_by` may have that do not end before `now` (seconds), this one included
   * @throws SignalingError LIMIT_REACHED if there would be more; StoreFull if no further room can be kept at all;
   *   an Error if `room_id` is in use, which Redis throws as RoomIdInUse
   */
  create(room: RoomRecord, maxLive: number, now: number): Promise<void>
  /**
   * The room as last written by any node. An expired one is found until the store clears it away, which may be at once
   * or days later: who asks looks at `expires_at`. A store that clears rooms away itself goes by
   * `believedTime`.
   */
  get(roomId: string): Promise<RoomRecord | undefined>
  /**
   * Applies `change` to the room as last written by any node, and writes the result with the next `revision`: no other
   * change is lost in between. `room_id`, `created_by` and `created_at` stay, whatever `change` says.
   * @param change may be called several times, when others write at the same time; if it throws, nothing is written,
   *   and what it threw is what this rejects with
   * @throws SignalingError LIMIT_REACHED if the room would be too big
   * @returns the room as written; undefined if there is none
   */
  update(roomId: string, change: (room: RoomRecord) => RoomRecord): Promise<RoomRecord | undefined>
  /**
   * The creator's rooms that end later than `now` (seconds) or never, in order of their end, then of their id. Who was
   * removed and invited is not read, as that can be long.
   */
  createdBy(identity: string, now: number): Promise<RoomSummary[]>
  /** Afterwards the room is not found by any node. Harmless if it is unknown. */
  delete(roomId: string): Promise<void>
  /** Resolves if the store can be used now. Whether it can be written to is tried, too, where that costs nothing. */
  ready(): Promise<void>
  close(): Promise<void>
}
