import {
  type Broadcast,
  type DirectMessage,
  isMetadata,
  type MeshMessage,
  type PeerMessage,
  limits as protocolLimits,
  type Register,
  type Renew,
  type Reply,
  type Resume,
  requestIdOf,
  type Signal,
  SignalingError,
  type UpdateMetadata,
} from '@parley/protocol'
import type { Clock } from '../clock.ts'
import type { IceServers } from '../ice/ice-servers.ts'
import type { Metrics } from '../metrics.ts'
import type { TimeSlices } from '../time-slices.ts'
import { type Payer, type WorkBudget, workOfJson, workOfSending, workOfText } from '../work-budget.ts'
import { joinChannel, leaveChannel } from './channels.ts'
import { checkSizes, type EntranceLimits } from './entrance.ts'
import { matching } from './filters.ts'
import { type IdTokenEndParts, type IdTokenLimits, renewIdToken } from './id-token-end.ts'
import { mergeMetadata } from './merge-metadata.ts'
import { checkSender, fanOut, relayBroadcast, relayDirect, relayMesh, relaySignal, type Taken } from './relay.ts'
import { othersInReach, type Peer } from './room.ts'

export interface RequestParts extends IdTokenEndParts {
  readonly clock: Clock
  readonly metrics: Metrics
  readonly limits: EntranceLimits & IdTokenLimits
  readonly budget: WorkBudget
  readonly slices: TimeSlices
  /** ICE servers with credentials for an identity. */
  iceServers(subject: string): IceServers
}

/** What a registered peer may ask for. */
export type PeerRequest = Exclude<PeerMessage, Register | Resume>

/** What a request results in: its reply in JSON, where the message has one, or what became of what was sent. */
export type Outcome = { readonly reply: string } | Taken

/**
 * Does what a registered peer asks for with `message`, which was read from `text`.
 * @returns a promise where the message is not handled at once: what the peer sends meanwhile has to wait
 * @throws SignalingError saying why it cannot be done
 */
export function handleRequest(
  peer: Peer,
  message: PeerRequest,
  text: string,
  parts: RequestParts,
): Outcome | Promise<Outcome> {
  switch (message.type) {
    case 'offer':
    case 'answer':
    case 'candidate':
      return relaySignal(peer, message, text, parts.metrics)
    case 'peer_message':
      return relayDirect(peer, message, text, parts.metrics)
    case 'mesh_connect':
    case 'mesh_answer':
    case 'ice_candidate':
      return relayMesh(peer, message, text, parts.metrics)
    case 'broadcast':
      return broadcast(peer, message, text, parts)
    case 'renew':
      return renewed(peer, message, parts)
    default:
      return answered(peer, message, text, parts)
  }
}

type Answered = Exclude<PeerRequest, Signal | MeshMessage | DirectMessage | Broadcast | Renew>

/** Does what concerns the room as a whole, for a peer that has not caused too much work yet, and charges it for that. */
function answered(peer: Peer, message: Answered, text: string, parts: RequestParts): Outcome {
  const { budget, limits } = parts
  const payer = payerOf(peer)
  budget.check(payer)
  switch (message.type) {
    case 'query': {
      budget.charge(payer, workOfLooking(peer))
      return reply({ type: 'available_peers', peers: othersInReach(peer).map(({ id }) => id) }, message)
    }
    case 'discover_peers': {
      checkSender(peer, message.from_peer_id)
      const list = peerList(peer, message)
      budget.charge(payer, workOfLooking(peer) + workOfFiltering(peer, text) + workOfText(list.length))
      return { reply: list }
    }
    case 'update_metadata': {
      checkSender(peer, message.peer_id)
      const result = updateMetadata(peer, message, limits)
      const { audience } = peer.room.presence
      budget.charge(payer, workOfJson(text.length) + workOfSending(peer.metadataSize, audience + 1))
      return reply(result, message)
    }
    case 'join_channel':
    case 'leave_channel':
      if (message.type === 'join_channel') joinChannel(peer, message.channel)
      else leaveChannel(peer, message.channel)
      budget.charge(payer, peer.room.peers.size + workOfText(peer.room.sizes().metadata))
      return 'delivered'
    case 'get_ice_servers':
      budget.charge(payer, workOfIceServers)
      return reply({ type: 'ice_servers', ...issueIceServers(peer, parts) }, message)
    default:
      return message satisfies never
  }
}

async function renewed(peer: Peer, message: Renew, parts: RequestParts): Promise<Outcome> {
  parts.budget.check(payerOf(peer))
  parts.budget.charge(payerOf(peer), workOfRenewal)
  const expiresAt = await renewIdToken(peer, message.id_token, parts)
  return reply({ type: 'renewed', expires_at: expiresAt }, message)
}

function reply(message: Reply, request: { readonly request_id?: unknown }): Outcome {
  const requestId = requestIdOf(request)
  return { reply: JSON.stringify(requestId === undefined ? message : { ...message, request_id: requestId }) }
}

/** Made from what was written of each peer before, as that takes a tenth of the time. */
function peerList(peer: Peer, message: Extract<PeerMessage, { type: 'discover_peers' }>): string {
  const peers = othersInReach(peer).filter(matching(message.filters))
  const list = peers.map(({ described }) => described).join()
  const requestId = requestIdOf(message)
  const end = requestId === undefined ? '' : `,"request_id":"${requestId}"`
  return `{"type":"peer_list","to_peer_id":${JSON.stringify(peer.id)},"count":${peers.length},"peers":[${list}]${end}}`
}

const payerOf = (peer: Peer): Payer => ({ identity: peer.identity, address: peer.session.address })

/** Units of work that it takes to see which peers of the room are in reach. */
const workOfLooking = ({ room }: Peer): number => 1 + room.peers.size / 10

/** Units of work that it takes to hold each peer against the filters in `text`, at worst. */
const workOfFiltering = ({ room }: Peer, text: string): number => (room.peers.size * text.length) / 16_384

/** Units of work that it takes to check the signature of a token. */
const workOfRenewal = 20

/** Units of work that it takes to make ICE servers with their credentials. */
const workOfIceServers = 5

/**
 * Charges the peer before so much is sent, as others have to wait for it.
 * @throws SignalingError MESSAGE_TOO_BIG if it would take too long at any time
 */
function broadcast(peer: Peer, message: Broadcast, text: string, parts: RequestParts): Promise<Taken> | Taken {
  const { budget, metrics, slices } = parts
  budget.check(payerOf(peer))
  const copies = fanOut(peer, message, text)
  const [characters, peers] = [copies.text.length, copies.audience.length]
  const units = workOfLooking(peer) + workOfSending(characters, peers)
  if (units > budget.most) {
    const detail = `A broadcast of ${characters} characters is too big for ${peers} peers; send less, or to fewer.`
    throw new SignalingError('MESSAGE_TOO_BIG', detail)
  }
  budget.charge(payerOf(peer), units)
  return relayBroadcast(copies, metrics, slices)
}

function updateMetadata(peer: Peer, message: UpdateMetadata, limits: EntranceLimits): Reply {
  const metadata = mergeMetadata(peer.metadata, message.metadata)
  if (!isMetadata(metadata)) {
    const detail = `With this, the metadata would have more than ${protocolLimits.metadataBytes} bytes of JSON.`
    throw new SignalingError('INVALID_MESSAGE', detail)
  }
  checkSizes(peer.room, peer, { id: peer.id, role: peer.role, metadata }, limits)
  peer.changeMetadata(metadata)
  peer.room.presence.updated(peer)
  return { type: 'metadata_updated', peer_id: peer.id, metadata }
}

/** Part of their life after which TURN credentials are sent anew. */
const refreshAt = 0.75

/** ICE servers for `peer`; if it asked for token-refresh, it is sent new ones in time, for as long as it is registered. */
export function issueIceServers(peer: Peer, parts: Pick<RequestParts, 'clock' | 'iceServers'>): IceServers {
  const servers = parts.iceServers(peer.identity)
  peer.cancelRefresh()
  if (servers.expires_at !== undefined && peer.features.has('token-refresh')) {
    const life = servers.expires_at * 1000 - parts.clock.now()
    peer.cancelRefresh = parts.clock.after(refreshAt * life, () => {
      peer.session.tell(JSON.stringify({ type: 'ice_servers', ...issueIceServers(peer, parts) }))
    })
  }
  return servers
}
