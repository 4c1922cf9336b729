import type { RegisteredAuth } from '@parley/protocol'
import type { RoomRecord } from '../room-store/room-store.ts'
import type { Peer } from './room.ts'

/** The answer to a `register`: the room as `peer` finds it, with the `others` who are in it. */
export const registeredAuth = (
  peer: Peer,
  record: RoomRecord,
  others: readonly Peer[],
  requestId: string | undefined,
): RegisteredAuth => ({
  type: 'registered_auth',
  room_id: record.room_id,
  token: record.token,
  peer_id: peer.id,
  admin_peer_id: (others.find(other => other.isAdmin) ?? (peer.isAdmin ? peer : undefined))?.id ?? null,
  peer_list: others.map(other => other.id),
  peer_metadata: Object.fromEntries(others.map(other => [other.id, other.metadata])),
  ice_servers: [],
  mesh_ice_servers: [],
  expires_at: record.expires_at,
  features: [],
  ...(requestId !== undefined && { request_id: requestId }),
})
