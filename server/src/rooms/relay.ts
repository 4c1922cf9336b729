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
import { sliceUnits, type TimeSlices } from '../time-slices.ts'
import { workOfSending } from '../work-budget.ts'
import type { Delivery } from './peer-session.ts'
import { inReach, meet, type Peer } from './room.ts'

/** What a sender is told of a message that was taken: handed to the connection of each peer that it is for, or held for one. */
export type Taken = Extract<Delivery, 'delivered' | 'held'>

/**
 * Relays `text`, which `message` was read from, to the peer that it is for. This is the path that every signal takes:
 * nothing here waits, and nothing is made anew.
 * @throws SignalingError SENDER_MISMATCH, PEER_NOT_FOUND, DELIVERY_FAILED or PEER_AWAY
 */
export function relaySignal(peer: Peer, message: Signal, text: string, metrics: Metrics): Taken {
  checkSender(peer, message.sender)
  const target = inReach(peer, message.target)
  if (!target) throw new SignalingError('PEER_NOT_FOUND')
  return deliver(target, message.sender === undefined ? nameSender(text, peer.id) : text, metrics)
}

/** @throws SignalingError SENDER_MISMATCH, PEER_NOT_IN_ROOM, DELIVERY_FAILED or PEER_AWAY */
export function relayDirect(peer: Peer, message: DirectMessage, text: string, metrics: Metrics): Taken {
  checkSender(peer, message.from_peer_id)
  const { to_peer_id: to } = message
  const target = inReach(peer, to)
  // v2 has another code for this message than for signals.
  if (!target) throw new SignalingError('PEER_NOT_IN_ROOM')
  const ids = `"from_peer_id":${JSON.stringify(peer.id)},"to_peer_id":${JSON.stringify(to)}`
  return deliver(target, `{"type":"peer_message",${ids},"payload":${rawMember(text, 'payload')}}`, metrics)
}

/** What each mesh message is for its target, and which member it carries. */
const mesh = {
  mesh_connect: ['mesh_offer', 'offer'],
  mesh_answer: ['mesh_answer', 'answer'],
  ice_candidate: ['ice_candidate', 'candidate'],
} as const

/** @throws SignalingError SENDER_MISMATCH, PEER_NOT_FOUND, DELIVERY_FAILED or PEER_AWAY */
export function relayMesh(peer: Peer, message: MeshMessage, text: string, metrics: Metrics): Taken {
  checkSender(peer, message.from_peer_id)
  const target = inReach(peer, message.target_peer_id)
  if (!target) throw new SignalingError('PEER_NOT_FOUND')
  const [type, member] = mesh[message.type]
  const from = JSON.stringify(peer.id)
  return deliver(target, `{"type":"${type}","from_peer_id":${from},"${member}":${rawMember(text, member)}}`, metrics)
}

/** A broadcast on its way. */
export interface FanOut {
  readonly text: string
  /** Those that it is for. */
  readonly audience: readonly Peer[]
  /** Whether a peer may still be told, as its channels are now. */
  reaches(other: Peer): boolean
}

/**
 * The payload for every other peer of the channel; without a channel, for all that share one with the sender.
 * @throws SignalingError SENDER_MISMATCH or NOT_IN_CHANNEL
 */
export function fanOut(peer: Peer, message: Broadcast, text: string): FanOut {
  checkSender(peer, message.from_peer_id)
  const { channel } = message
  if (channel !== undefined && !peer.channels.has(channel)) throw new SignalingError('NOT_IN_CHANNEL')
  const head = channel === undefined ? '' : `,"channel":${JSON.stringify(channel)}`
  const from = JSON.stringify(peer.id)
  const { channels } = peer
  const reaches = (other: Peer) =>
    channel === undefined ? meet(channels, other.channels) : other.channels.has(channel)
  return {
    text: `{"type":"broadcast","from_peer_id":${from}${head},"payload":${rawMember(text, 'payload')}}`,
    audience: [...peer.room.peers.values()].filter(other => other !== peer && reaches(other)),
    reaches,
  }
}

/**
 * Hands a broadcast on, to few at once, to many in slices: one to a thousand must not hold up the messages of others.
 * Those that leave meanwhile, or get out of reach, are left out.
 * @returns a promise where it takes a while
 * @throws SignalingError DELIVERY_FAILED naming those that do not take it: the others have it
 */
export function relayBroadcast(broadcast: FanOut, metrics: Metrics, slices: TimeSlices): Promise<Taken> | Taken {
  const { text, audience } = broadcast
  const undelivered: string[] = []
  let taken: Taken = 'delivered'
  let next = 0
  const send = (most: number) => {
    const first = next
    while (next < audience.length && workOfSending(text.length, next - first) < most) {
      const other = audience[next++] as Peer
      // In later slices it may have left, or moved.
      if (other.session.isOver || !broadcast.reaches(other)) continue
      const delivery = other.session.deliver(text)
      if (delivery === 'held') taken = 'held'
      if (isTaken(delivery)) metrics.relayed++
      else undelivered.push(other.id)
    }
    return { units: workOfSending(text.length, next - first), isDone: next === audience.length }
  }
  const failure = () => {
    const detail = `${undelivered.length} of the peers that this is for do not take what they are sent.`
    return new SignalingError('DELIVERY_FAILED', detail, { undelivered })
  }
  if (send(sliceUnits).isDone) {
    if (undelivered.length > 0) throw failure()
    return taken
  }
  return new Promise((resolve, reject) => {
    slices.add(() => {
      const piece = send(sliceUnits)
      if (piece.isDone) undelivered.length > 0 ? reject(failure()) : resolve(taken)
      return piece
    })
  })
}

/** Nobody speaks in another's name. What is missing is the peer itself. @throws SignalingError SENDER_MISMATCH */
export function checkSender(peer: Peer, named: unknown): void {
  if (named === undefined || named === peer.id) return
  if (typeof named !== 'string' || !isSameName(named, peer.id)) throw new SignalingError('SENDER_MISMATCH')
}

function deliver(target: Peer, text: string, metrics: Metrics): Taken {
  const delivery = target.session.deliver(text)
  if (!isTaken(delivery)) throw new SignalingError(delivery === 'away' ? 'PEER_AWAY' : 'DELIVERY_FAILED')
  metrics.relayed++
  return delivery
}

const isTaken = (delivery: Delivery): delivery is Taken => delivery === 'delivered' || delivery === 'held'
