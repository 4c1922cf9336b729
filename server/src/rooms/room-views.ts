import type { JsonObject, PeerDescription } from '@parley/protocol'
import type { Invite, RoomRecord, RoomSummary } from '../room-store/room-store.ts'
import { describe, type Room } from './room.ts'

/** A room as its owner sees it. */
export interface RoomView {
  readonly room_id: string
  readonly token: string
  /** Seconds since the epoch; null: the room does not end. */
  readonly expires_at: number | null
  readonly name: string | null
  readonly max_peers: number | null
  readonly locked: boolean
  readonly metadata: JsonObject
  /** Peers that are in it now. */
  readonly peer_count: number
}

export interface RoomDetails extends RoomView {
  readonly peers: readonly (PeerDescription & { readonly channels: readonly string[] })[]
  readonly admin_peer_id: string | null
  /** Those that may not come back, by id. */
  readonly removed: readonly string[]
  readonly invites: readonly InviteView[]
}

/** An invitation without what would let anybody in. */
export interface InviteView extends Omit<Invite, 'digest' | 'used_by'> {
  /** Who has entered with it, by id. */
  readonly used_by: string | null
}

/** @param room undefined if it is not open on this node */
export function roomView(record: RoomSummary, room: Room | undefined): RoomView {
  const { room_id, token, expires_at, name, max_peers, locked, metadata } = record
  return { room_id, token, expires_at, name, max_peers, locked, metadata, peer_count: room?.peers.size ?? 0 }
}

/** @param room undefined if it is not open on this node */
export const roomDetails = (record: RoomRecord, room: Room | undefined): RoomDetails => ({
  ...roomView(record, room),
  peers: [...(room?.peers.values() ?? [])].map(peer => ({ ...describe(peer), channels: [...peer.channels] })),
  admin_peer_id: room?.admin?.id ?? null,
  removed: record.removed.map(({ peer_id }) => peer_id),
  invites: record.invites.map(inviteView),
})

export const inviteView = ({ digest: _, used_by, ...invite }: Invite): InviteView => ({
  ...invite,
  used_by: used_by?.peer_id ?? null,
})
