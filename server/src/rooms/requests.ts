import {
  isMetadata,
  type PeerMessage,
  limits as protocolLimits,
  type Register,
  type Reply,
  SignalingError,
  type UpdateMetadata,
} from '@parley/protocol'
import type { Clock } from '../clock.ts'
import type { IceServers } from '../ice/ice-servers.ts'
import type { Metrics } from '../metrics.ts'
import { joinChannel, leaveChannel } from './channels.ts'
import { checkSizes, type EntranceLimits } from './entrance.ts'
import { matching } from './filters.ts'
import { mergeMetadata } from './merge-metadata.ts'
import { checkSender, relayBroadcast, relayDirect, relayMesh, relaySignal } from './relay.ts'
import { describe, knows, othersInReach, type Peer } from './room.ts'

export interface RequestLimits extends EntranceLimits {
  /** Peers that the requests of one peer may reach in a second. */
  readonly fanOutPerSecond: number
}

export interface RequestParts {
  readonly clock: Clock
  readonly metrics: Metrics
  readonly limits: RequestLimits
  /** ICE servers with credentials for a holder: a peer_id or a subject. */
  iceServers(holder: string): IceServers
}

/**
 * Does what a registered peer asks for with `message`, which was read from `text`.
 * @returns the reply, where the message has one
 * @throws SignalingError saying why it cannot be done
 */
export function fulfil(
  peer: Peer,
  message: Exclude<PeerMessage, Register>,
  text: string,
  parts: RequestParts,
): Reply | undefined {
  switch (message.type) {
    case 'offer':
    case 'answer':
    case 'candidate':
      relaySignal(peer, message, text, parts.metrics)
      return
    case 'peer_message':
      relayDirect(peer, message, text, parts.metrics)
      return
    case 'mesh_connect':
    case 'mesh_answer':
    case 'ice_candidate':
      relayMesh(peer, message, text, parts.metrics)
      return
    case 'broadcast':
      checkFanOut(peer, parts)
      relayBroadcast(peer, message, text, parts.metrics)
      return
    case 'query':
      checkFanOut(peer, parts)
      return { type: 'available_peers', peers: othersInReach(peer).map(({ id }) => id) }
    case 'discover_peers': {
      checkSender(peer, message.from_peer_id)
      checkFanOut(peer, parts)
      const peers = othersInReach(peer).filter(matching(message.filters)).map(describe)
      return { type: 'peer_list', to_peer_id: peer.id, count: peers.length, peers }
    }
    case 'update_metadata':
      checkFanOut(peer, parts)
      return updateMetadata(peer, message, parts.limits)
    case 'join_channel':
      checkFanOut(peer, parts)
      joinChannel(peer, message.channel)
      return
    case 'leave_channel':
      checkFanOut(peer, parts)
      leaveChannel(peer, message.channel)
      return
    case 'get_ice_servers':
      return { type: 'ice_servers', ...issueIceServers(peer, parts) }
    default:
      return message satisfies never
  }
}

/** What costs as much as there are peers in the room must not hold up everybody else. @throws SignalingError RATE_LIMITED */
function checkFanOut(peer: Peer, { clock, limits }: RequestParts): void {
  const { size } = peer.room.peers
  if (peer.countFanOut(size, clock.now()) <= Math.max(limits.fanOutPerSecond, size)) return
  const detail = `What you send may reach ${limits.fanOutPerSecond} peers in a second.`
  throw new SignalingError('RATE_LIMITED', detail, { retryAfter: 1 })
}

function updateMetadata(peer: Peer, message: UpdateMetadata, limits: EntranceLimits): Reply {
  checkSender(peer, message.peer_id)
  const metadata = mergeMetadata(peer.metadata, message.metadata)
  if (!isMetadata(metadata)) {
    const detail = `With this, the metadata would have more than ${protocolLimits.metadataBytes} bytes of JSON.`
    throw new SignalingError('INVALID_MESSAGE', detail)
  }
  checkSizes(peer.room, peer, { id: peer.id, role: peer.role, metadata }, limits)
  peer.changeMetadata(metadata)
  peer.room.presence.announce({ kind: 'updated', peer }, knows(peer))
  return { type: 'metadata_updated', peer_id: peer.id, metadata }
}

/** Part of their life after which TURN credentials are sent anew. */
const refreshAt = 0.75

/** ICE servers for `peer`; if it asked for token-refresh, it is sent new ones in time, for as long as it is registered. */
export function issueIceServers(peer: Peer, parts: Pick<RequestParts, 'clock' | 'iceServers'>): IceServers {
  const servers = parts.iceServers(peer.id)
  peer.cancelRefresh()
  if (servers.expires_at !== undefined && peer.features.has('token-refresh')) {
    const life = servers.expires_at * 1000 - parts.clock.now()
    peer.cancelRefresh = parts.clock.after(refreshAt * life, () => {
      const message = JSON.stringify({ type: 'ice_servers', ...issueIceServers(peer, parts) })
      if (!peer.link.deliver(message)) peer.link.close(new SignalingError('SLOW_CONSUMER'))
    })
  }
  return servers
}
