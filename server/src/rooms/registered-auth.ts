import { type Register, type RegisteredAuth, requestIdOf } from '@parley/protocol'
import type { IceServers } from '../ice/ice-servers.ts'
import type { Invite, RoomRecord } from '../room-store/room-store.ts'
import { describe, othersInReach, type Peer } from './room.ts'

/** The answer to a `register`: the room as `peer` finds it, which is in it already. */
export function registeredAuth(
  peer: Peer,
  record: RoomRecord,
  message: Register,
  invite: Invite | undefined,
  { ice_servers, mesh_ice_servers }: IceServers,
): RegisteredAuth {
  const others = othersInReach(peer)
  const requestId = requestIdOf(message)
  return {
    type: 'registered_auth',
    room_id: record.room_id,
    // An invitation does not tell the room's own.
    token: message.token,
    peer_id: peer.id,
    admin_peer_id: peer.room.admin?.id ?? null,
    peer_list: others.map(other => other.id),
    peer_metadata: Object.fromEntries(others.map(other => [other.id, other.metadata])),
    ...(peer.features.has('presence') && { roster: others.map(describe) }),
    ice_servers,
    mesh_ice_servers,
    expires_at: record.expires_at,
    features: [...peer.features],
    ...(invite?.role && { role: invite.role }),
    ...(invite?.channels && { channels: invite.channels }),
    ...(requestId !== undefined && { request_id: requestId }),
  }
}
