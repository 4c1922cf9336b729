import {
  anything,
  type CheckedForm,
  count,
  described,
  filled,
  flag,
  isObject,
  isShallow,
  type JsonObject,
  listOf,
  type Members,
  optional,
  printable,
  type Read,
  something,
  text,
} from './forms.ts'
import { limits } from './limits.ts'
import type { ServerType } from './server-messages.ts'

/** Features that a peer may ask for in `register`. */
export const features = ['acks', 'presence', 'channels', 'token-refresh', 'resume'] as const
export type Feature = (typeof features)[number]

/** Whether `value` is an object that fits the limit for metadata once it is JSON in UTF-8. */
export const isMetadata = (value: unknown): value is JsonObject =>
  isObject(value) && isShallow(value, limits.nesting - 1) && metadataSize(value) <= limits.metadataBytes

const utf8 = new TextEncoder()

/** Bytes that `metadata` has as JSON in UTF-8. */
export const metadataSize = (metadata: JsonObject): number => utf8.encode(JSON.stringify(metadata)).length

const printableId = printable(limits.peerIdLength)
/** No address of the HTTP API could name `.` and `..`: RFC 3986 section 5.2.4 takes such segments away. */
export const isAddressable = (peerId: string): boolean => peerId !== '.' && peerId !== '..'
const peerId: CheckedForm<string> = {
  schema: { ...printableId.schema, not: { enum: ['.', '..'] } },
  must: `${printableId.must}, but not "." or ".."`,
  is: (value): value is string => printableId.is(value) && isAddressable(value),
}
const channel = printable(limits.channelLength)

export const channelList: CheckedForm<readonly string[]> = listOf(
  channel,
  limits.channels,
  `must be a list of at most ${limits.channels} names of 1 to ${limits.channelLength} printable characters`,
)

const featureList: CheckedForm<readonly string[]> = described(
  `Those that the peer wants of ${features.join(', ')}; others are passed over.`,
  listOf(
    {
      schema: { type: 'string', maxLength: limits.featureLength },
      must: 'must be a short string',
      is: (value): value is string => typeof value === 'string' && value.length <= limits.featureLength,
    },
    limits.features,
    `must be a list of at most ${limits.features} short strings`,
  ),
)

const metadata: CheckedForm<JsonObject> = {
  schema: { type: 'object', description: `At most ${limits.metadataBytes} bytes of JSON.` },
  must: `must be an object of at most ${limits.metadataBytes} bytes of JSON`,
  is: isMetadata,
}

const filters: CheckedForm<JsonObject> = {
  schema: {
    type: 'object',
    description: `role, tags, properties; at most ${limits.metadataBytes} bytes of JSON.`,
    properties: { role: {}, tags: {}, properties: {} },
  },
  must: `must be an object of at most ${limits.metadataBytes} bytes of JSON`,
  // Each is compared with the metadata of a whole room.
  is: isMetadata,
}

/** The peer that a message comes from, which is known anyway: the one of its connection. */
const sender = optional(described('If it is there, the peer_id of the connection itself.', anything))
const requestId = optional(
  described(
    'Comes back in the one answer to this message: 1 to 64 of A-Z, a-z, 0-9, "_", "." and "-". Any other value is left alone, unless the peer has the feature acks.',
    anything,
  ),
)
const signal = { sender, target: text, request_id: requestId }

/**
 * Every message that peers may send: its members, and what answers it beside an `error`. What a peer asks for with
 * `request_id` and the feature `acks`, and what has no reply of its own, is answered with `ack`.
 */
export const peerMessages = {
  register: {
    summary: 'Enters a room.',
    reply: 'registered_auth',
    members: {
      peer_id: peerId,
      room_id: filled,
      token: described("The room's token, or that of an invitation.", filled),
      id_token: filled,
      role: optional(printable(limits.roleLength), 'peer'),
      metadata: optional(metadata, {}),
      is_admin: optional(flag, false),
      features: optional(featureList, []),
      channels: optional(channelList, []),
      request_id: requestId,
    },
  },
  offer: {
    summary: 'An SDP offer for another peer, which gets this very text.',
    reply: null,
    members: { ...signal, sdp: optional(anything) },
  },
  answer: {
    summary: 'An SDP answer for another peer, which gets this very text.',
    reply: null,
    members: { ...signal, sdp: optional(anything) },
  },
  candidate: {
    summary: 'An ICE candidate for another peer, which gets this very text.',
    reply: null,
    members: { ...signal, candidate: optional(anything) },
  },
  query: {
    summary: 'Asks who else is there.',
    reply: 'available_peers',
    members: { request_id: requestId },
  },
  discover_peers: {
    summary: 'Asks who else is there with a certain role, tags or properties.',
    reply: 'peer_list',
    members: { from_peer_id: sender, filters: optional(filters, {}), request_id: requestId },
  },
  update_metadata: {
    summary: 'Changes what the peer says of itself: tags are united, properties merged, other keys replaced.',
    reply: 'metadata_updated',
    members: { peer_id: sender, metadata, request_id: requestId },
  },
  peer_message: {
    summary: 'Any JSON but null and what is empty, for another peer.',
    reply: null,
    members: { from_peer_id: sender, to_peer_id: text, payload: something, request_id: requestId },
  },
  mesh_connect: {
    summary: 'An offer for another peer, which gets it as mesh_offer.',
    reply: null,
    members: { from_peer_id: sender, target_peer_id: text, offer: anything, request_id: requestId },
  },
  mesh_answer: {
    summary: 'The answer to a mesh_offer.',
    reply: null,
    members: { from_peer_id: sender, target_peer_id: text, answer: anything, request_id: requestId },
  },
  ice_candidate: {
    summary: 'An ICE candidate that belongs to a mesh_offer or mesh_answer.',
    reply: null,
    members: { from_peer_id: sender, target_peer_id: text, candidate: anything, request_id: requestId },
  },
  join_channel: {
    summary: 'Enters a channel of the room.',
    reply: null,
    members: { channel, request_id: requestId },
  },
  leave_channel: {
    summary: 'Leaves a channel of the room.',
    reply: null,
    members: { channel, request_id: requestId },
  },
  broadcast: {
    summary: 'Any JSON for all peers of one channel, or for all that this peer shares a channel with.',
    reply: null,
    members: { from_peer_id: sender, channel: optional(channel), payload: anything, request_id: requestId },
  },
  get_ice_servers: {
    summary: 'Asks for STUN and TURN servers, with fresh credentials.',
    reply: 'ice_servers',
    members: { request_id: requestId },
  },
  resume: {
    summary: 'On a new connection, in place of register: goes on with the session of one that has ended.',
    reply: 'resumed',
    members: {
      room_id: filled,
      peer_id: filled,
      token: described('That of the session, as last told.', filled),
      received: described(
        'How many text frames the peer has received on this session, after `registered_auth`; `resumed` does not count.',
        count,
      ),
      request_id: requestId,
    },
  },
  renew: {
    summary: 'Shows a newer ID token of the same identity, before the last one ends.',
    reply: 'renewed',
    members: { id_token: filled, request_id: requestId },
  },
} as const satisfies Record<string, { summary: string; reply: ServerType | null; members: Members }>

export type PeerType = keyof typeof peerMessages
type PeerMessageOf<T extends PeerType> = { readonly type: T } & Read<(typeof peerMessages)[T]['members']>

export type Register = PeerMessageOf<'register'>
export type UpdateMetadata = PeerMessageOf<'update_metadata'>
export type DirectMessage = PeerMessageOf<'peer_message'>
export type MeshMessage = PeerMessageOf<'mesh_connect'> | PeerMessageOf<'mesh_answer'> | PeerMessageOf<'ice_candidate'>
export type Broadcast = PeerMessageOf<'broadcast'>
export type Resume = PeerMessageOf<'resume'>
export type Renew = PeerMessageOf<'renew'>

export const signalTypes = ['offer', 'answer', 'candidate'] as const
export type SignalType = (typeof signalTypes)[number]

/** What is relayed to `target` as it came; only what routing needs is named here. `sdp` and the like are nobody's business. */
export interface Signal {
  readonly type: SignalType
  readonly target: string
  /** Absent: the peer of the connection. Of any other form: refused, as it is not that peer. */
  readonly sender?: unknown
  readonly request_id?: unknown
}

export type PeerMessage =
  | Signal
  | { [T in Exclude<PeerType, SignalType>]: PeerMessageOf<T> }[Exclude<PeerType, SignalType>]
