import { clientFrame } from '../../load/frames.ts'
import type { Attack, Field } from '../field.ts'
import { type Crowd, gather } from '../patience.ts'
import { besiege, hears, type Siege } from '../siege.ts'

/** Bytes of metadata of all peers of a room together, at the default of the server; a little less. */
const roomMetadataBytes = 250_000
/** Bytes of a filter, of which 16 KiB are let through. */
const filterBytes = 15_000

/** Long names, in letters of three bytes: of longer ones, fewer would be let in. */
const longName = (index: number): string => `${'漢'.repeat(20)}-${index}`

export const frame = (message: object): Buffer => clientFrame(JSON.stringify(message))

/** A room in which everything that is told of the peers is as long as may be, and space is left for the attacker's. */
function gatherRich(field: Field, connections: number): Promise<Crowd> {
  const others = field.plan.peers - connections
  const bytes = Math.floor(roomMetadataBytes / Math.max(others, 32))
  const properties: Record<string, number> = {}
  for (let n = 0; JSON.stringify({ properties }).length < bytes - 12; n++) properties[`p${n}`] = n
  return gather(field, others, { name: longName, more: { metadata: { properties } } })
}

/** @param most connections of the attacker */
const inRichRoom =
  (siege: Omit<Siege, 'room'> | ((field: Field, crowd: Crowd) => Omit<Siege, 'room'>), most = 1): Attack =>
  async field => {
    const connections = Math.min(most, field.plan.connections)
    const crowd = await gatherRich(field, connections)
    const { room } = crowd
    return besiege(field, { room, connections, ...(typeof siege === 'function' ? siege(field, crowd) : siege) })
  }

const everybody = () => [frame({ type: 'discover_peers', filters: {} })]

/** A filter that has much to look at in each peer, and finds nobody in the end. */
function laborious(): Buffer[] {
  const numbers: number[] = []
  while (JSON.stringify(numbers).length < filterBytes) numbers.push(100_000 + numbers.length)
  return [frame({ type: 'discover_peers', filters: { properties: { p0: { $ne: -1 }, p1: { $in: numbers } } } })]
}

/** Peers that ask who else is there, in a room where that is a long answer. */
export const discover = {
  discover: inRichRoom({ accepted: 'peer_list', frames: everybody }),
  'discover-filtered': inRichRoom({ accepted: 'peer_list', frames: laborious }),
  'discover-connections': inRichRoom({ accepted: 'peer_list', frames: everybody }, 64),
  'discover-deaf': inRichRoom({ accepted: 'peer_list', frames: everybody, isDeaf: true }),
  query: inRichRoom({ accepted: 'available_peers', frames: () => [frame({ type: 'query' })] }),
} satisfies Record<string, Attack>

/** What a peer says that registers again, under the name that it has. */
const registering =
  ({ idToken }: Field, { room }: Pick<Crowd, 'room'>, more: object) =>
  (peerId: string): Buffer[] => [
    frame({ type: 'register', peer_id: peerId, ...room, id_token: idToken, request_id: 'r', ...more }),
  ]

/** So that what waits behind a `register` never gets too much for the server. */
const registersUnderWay = { rounds: 8, answer: /^\{"type":"registered_auth"|"request_id":"r"/ }
const withRoster = { features: ['acks', 'presence'] }
/** Broadcasts between two registers. */
const broadcasts = 20

const registerAgain = (most = 1, more: Partial<Siege> = {}): Attack =>
  inRichRoom(
    (field, crowd) => ({
      accepted: 'registered_auth',
      more: withRoster,
      frames: registering(field, crowd, withRoster),
      pace: registersUnderWay,
      ...more,
    }),
    most,
  )

/** Peers that register again and again, and are told all of the room each time. */
export const register = {
  register: registerAgain(),
  'register-deaf': registerAgain(8, { isDeaf: true, pace: { everyMs: 5 } }),
  'register-connections': registerAgain(64),
  async 'register-broadcast'(field) {
    const crowd = await gather(field, field.plan.peers - 1)
    const again = registering(field, crowd, hears)
    const broadcast = frame({ type: 'broadcast', payload: 'x'.repeat(100), request_id: 'b' })
    return besiege(field, {
      room: crowd.room,
      accepted: 'ack',
      frames: id => [...Array<Buffer>(broadcasts).fill(broadcast), ...again(id)],
      pace: registersUnderWay,
    })
  },
} satisfies Record<string, Attack>

/** A broadcast of so many bytes, which is answered. */
function broadcastOf(bytes: number): Buffer {
  const message = { type: 'broadcast', request_id: 'b', payload: '' }
  return frame({ ...message, payload: 'x'.repeat(Math.max(0, bytes - JSON.stringify(message).length)) })
}

const broadcasting =
  (bytesOf: (field: Field) => number, most = 1): Attack =>
  async field => {
    const connections = Math.min(most, field.plan.connections)
    const { room } = await gather(field, field.plan.peers - connections)
    const broadcast = broadcastOf(bytesOf(field))
    return besiege(field, { room, accepted: 'ack', connections, frames: () => [broadcast] })
  }

/** One peer that speaks to all of a large room, who read. */
export const broadcast = {
  'broadcast-200': broadcasting(() => 200),
  'broadcast-2k': broadcasting(() => 2_000),
  'broadcast-64k': broadcasting(() => 64_000),
  'broadcast-1m': broadcasting(({ plan }) => plan.mostBytes),
  'broadcast-connections': broadcasting(() => 200, 64),
} satisfies Record<string, Attack>
