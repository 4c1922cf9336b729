import {
  type Broadcast,
  type DirectMessage,
  isSameName,
  type MeshMessage,
  nameSender,
  rawMember,
  type Signal,
  SignalingError,
} from '@parley/protocol'
import type { Metrics } from '../metrics.ts'
import { inReach, othersInReach, type Peer } from './room.ts'

/**
 * Relays `text`, which `message` was read from, to the peer that it is for. This is the path that every signal takes:
 * nothing here waits, and nothing is made anew.
 * @throws SignalingError SENDER_MISMATCH, PEER_NOT_FOUND or DELIVERY_FAILED
 */
export function relaySignal(peer: Peer, message: Signal, text: string, metrics: Metrics): void {
  checkSender(peer, message.sender)
  const target = inReach(peer, message.target)
  if (!target) throw new SignalingError('PEER_NOT_FOUND')
  deliver(target, message.sender === undefined ? nameSender(text, peer.id) : text, metrics)
}

/** @throws SignalingError SENDER_MISMATCH, PEER_NOT_IN_ROOM or DELIVERY_FAILED */
export function relayDirect(peer: Peer, message: DirectMessage, text: string, metrics: Metrics): void {
  checkSender(peer, message.from_peer_id)
  const { to_peer_id: to } = message
  const target = inReach(peer, to)
  // v2 has another code for this message than for signals.
  if (!target) throw new SignalingError('PEER_NOT_IN_ROOM')
  const ids = `"from_peer_id":${JSON.stringify(peer.id)},"to_peer_id":${JSON.stringify(to)}`
  deliver(target, `{"type":"peer_message",${ids},"payload":${rawMember(text, 'payload')}}`, metrics)
}

/** What each mesh message is for its target, and which member it carries. */
const mesh = {
  mesh_connect: ['mesh_offer', 'offer'],
  mesh_answer: ['mesh_answer', 'answer'],
  ice_candidate: ['ice_candidate', 'candidate'],
} as const

/** @throws SignalingError SENDER_MISMATCH, PEER_NOT_FOUND or DELIVERY_FAILED */
export function relayMesh(peer: Peer, message: MeshMessage, text: string, metrics: Metrics): void {
  checkSender(peer, message.from_peer_id)
  const target = inReach(peer, message.target_peer_id)
  if (!target) throw new SignalingError('PEER_NOT_FOUND')
  const [type, member] = mesh[message.type]
  const from = JSON.stringify(peer.id)
  deliver(target, `{"type":"${type}","from_peer_id":${from},"${member}":${rawMember(text, member)}}`, metrics)
}

/**
 * Hands the payload to every other peer of the channel; without a channel, to all that share one with the sender.
 * @param allow is told first what will be sent to how many peers, and throws if that is too much
 * @throws SignalingError SENDER_MISMATCH, NOT_IN_CHANNEL, or DELIVERY_FAILED naming those that do not read: the others
 *   have it
 */
export function relayBroadcast(
  peer: Peer,
  message: Broadcast,
  text: string,
  metrics: Metrics,
  allow: (characters: number, peers: number) => void,
): void {
  checkSender(peer, message.from_peer_id)
  const { channel } = message
  if (channel !== undefined && !peer.channels.has(channel)) throw new SignalingError('NOT_IN_CHANNEL')
  const head = channel === undefined ? '' : `,"channel":${JSON.stringify(channel)}`
  const from = JSON.stringify(peer.id)
  const copy = `{"type":"broadcast","from_peer_id":${from}${head},"payload":${rawMember(text, 'payload')}}`
  const audience =
    channel === undefined
      ? othersInReach(peer)
      : [...peer.room.peers.values()].filter(other => other !== peer && other.channels.has(channel))
  allow(copy.length, audience.length)
  const undelivered: string[] = []
  for (const other of audience) {
    if (other.link.deliver(copy)) metrics.relayed++
    else undelivered.push(other.id)
  }
  if (undelivered.length > 0) {
    const detail = `${undelivered.length} of the peers that this is for do not read what they are sent.`
    throw new SignalingError('DELIVERY_FAILED', detail, { undelivered })
  }
}

/** Nobody speaks in another's name. What is missing is the peer itself. @throws SignalingError SENDER_MISMATCH */
export function checkSender(peer: Peer, named: unknown): void {
  if (named === undefined || named === peer.id) return
  if (typeof named !== 'string' || !isSameName(named, peer.id)) throw new SignalingError('SENDER_MISMATCH')
}

function deliver(target: Peer, text: string, metrics: Metrics): void {
  if (!target.link.deliver(text)) throw new SignalingError('DELIVERY_FAILED')
  metrics.relayed++
}
