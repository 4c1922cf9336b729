import { type Finding, medianOf, timed } from './check.ts'
import { DoctorPeer, type Message, type PlainSocketConstructor } from './doctor-peer.ts'
import type { Room } from './http-checks.ts'
import { printable, Trouble } from './trouble.ts'

/** A peer that is in the room. */
export interface Registered {
  readonly peer: DoctorPeer
  readonly room: Room
  readonly features: readonly string[]
  /** As the server tells them; not looked at yet. */
  readonly iceServers: unknown
}

/** What the second peer needs to come, too. */
export interface Way {
  readonly WebSocket: PlainSocketConstructor
  readonly wsUrl: string
  /** Is given each connection, to close it at the end. */
  readonly opened: (peer: DoctorPeer) => void
}

const [first, second] = ['parley-doctor-1', 'parley-doctor-2']

export async function checkWebSocket(
  { WebSocket, wsUrl, opened }: Way,
  signal: AbortSignal,
): Promise<Finding<DoctorPeer>> {
  const { value, ms } = await timed(() => DoctorPeer.connect(WebSocket, wsUrl, signal))
  opened(value)
  return { ms, detail: `${new URL(wsUrl).host} takes WebSocket connections.`, value }
}

export async function checkRegistration(
  [peer, room]: readonly [DoctorPeer, Room],
  signal: AbortSignal,
): Promise<Finding<Registered>> {
  const { value: answer, ms } = await timed(() => peer.request(registration(first, room), signal))
  if (answer.type !== 'registered_auth') throw new Trouble(`“register” is answered by “${printable(answer.type)}”.`)
  const features = Array.isArray(answer.features) ? answer.features.map(String) : []
  const value = { peer, room, features, iceServers: answer.ice_servers }
  const missing = ['acks', 'presence'].filter(feature => !features.includes(feature))
  if (missing.length === 0) return { ms, detail: 'A peer is in the room.', value }
  return {
    ...{
      status: 'warning',
      ms,
      value,
      detail: `A peer is in the room, but the server has no ${missing.join(' and no ')}.`,
    },
    advice: 'Bring the server to the version of this program.',
  }
}

export async function checkRoundTrip({ peer }: Registered, signal: AbortSignal): Promise<Finding<void>> {
  const { ms, times } = await medianOf(() => peer.request({ type: 'query' }, signal))
  return {
    ms,
    detail: `Questions over the WebSocket are answered; the median of ${times}.`,
    value: undefined,
  }
}

/** Two peers: the first offers, and the second one gets it. */
export async function checkSignaling(
  { peer, room, features }: Registered,
  { WebSocket, wsUrl, opened }: Way,
  signal: AbortSignal,
): Promise<Finding<void>> {
  const other = await DoctorPeer.connect(WebSocket, wsUrl, signal)
  opened(other)
  const joined = features.includes('presence') ? peer.next(isJoin, signal) : undefined
  await Promise.all([other.request(registration(second, room), signal), joined])
  const arrival = timed(() => other.next(({ type, sender }) => type === 'offer' && sender === first, signal))
  const offer = { type: 'offer', sender: first, target: second, sdp: 'v=0\r\n' }
  // Without acks nothing answers an offer that arrives.
  const receipt = features.includes('acks') ? timed(() => peer.request(offer, signal)) : undefined
  if (!receipt) peer.send(offer)
  const [arrived, confirmed] = await Promise.all([arrival, receipt])
  const end = confirmed ? `, its receipt after ${confirmed.ms} ms` : ''
  return {
    ms: confirmed?.ms ?? arrived.ms,
    detail: `An offer reaches the other peer after ${arrived.ms} ms${end}.`,
    value: undefined,
  }
}

const isJoin = ({ type, peer }: Message): boolean =>
  type === 'peer_joined' && (peer as { peer_id?: unknown } | undefined)?.peer_id === second

const registration = (peerId: string, { idToken, roomId, token }: Room): Message => ({
  ...{ type: 'register', peer_id: peerId, room_id: roomId, token, id_token: idToken },
  ...{ role: 'doctor', features: ['acks', 'presence'] },
})
