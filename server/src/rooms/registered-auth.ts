import { type Register, type RegisteredAuth, requestIdOf, type SessionGrant } from '@parley/protocol'
import type { IceServers } from '../ice/ice-servers.ts'
import type { Invite, RoomRecord } from '../room-store/room-store.ts'
import { othersInReach, type Peer } from './room.ts'

/**
 * The answer to a `register`, in JSON: the room as `peer` finds it, which is in it already. What is said of each other
 * peer was written before, which takes a fraction of the time.
 */
export function registeredAuth(
  peer: Peer,
  record: RoomRecord,
  message: Register,
  invite: Invite | undefined,
  { ice_servers, mesh_ice_servers }: IceServers,
  session: SessionGrant | undefined,
): string {
  const others = othersInReach(peer)
  const requestId = requestIdOf(message)
  const own: Omit<RegisteredAuth, 'peer_list' | 'peer_metadata' | 'roster'> = {
    type: 'registered_auth',
    room_id: record.room_id,
    // An invitation does not tell the room's own.
    token: message.token,
    peer_id: peer.id,
    admin_peer_id: peer.room.admin?.id ?? null,
    ice_servers,
    mesh_ice_servers,
    expires_at: record.expires_at,
    features: [...peer.features],
    ...(invite?.role && { role: invite.role }),
    ...(invite?.channels && { channels: invite.channels }),
    ...(session && { session }),
    ...(requestId !== undefined && { request_id: requestId }),
  }
  const list = others.map(({ idJson }) => idJson).join()
  const metadata = others.map(({ idJson, metadataJson }) => `${idJson}:${metadataJson}`).join()
  const roster = peer.features.has('presence') ? `,"roster":[${others.map(({ described }) => described).join()}]` : ''
  return `${JSON.stringify(own).slice(0, -1)},"peer_list":[${list}],"peer_metadata":{${metadata}}${roster}}`
}
