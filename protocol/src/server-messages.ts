import { type ErrorCode, errorKinds, type SignalingError } from './errors.ts'
import {
  all,
  anything,
  described,
  type Form,
  flag,
  integer,
  type Members,
  mapOf,
  nullable,
  number,
  object,
  oneOf,
  optional,
  record,
  type Sent,
  text,
} from './forms.ts'

const seconds = (meaning: string) => described(`${meaning} Seconds since the epoch.`, number)
const roomEnd = described('When the room ends, in seconds since the epoch; null: it does not.', nullable(number))
const code: Form<ErrorCode> = { schema: { enum: Object.keys(errorKinds) } }

/** The ICE server entry that clients hand to `RTCIceServer(**entry)`: no key beyond these three. */
const iceServer = record({ urls: all(text), username: optional(text), credential: optional(text) })
export type IceServer = NonNullable<(typeof iceServer)['type']>

/** What a peer needs to go on with its session on another connection. */
const session = record({
  token: described('For `resume`; another one after each.', text),
  ttl_seconds: described('For so long after the end of its connection the peer may come back.', number),
})
export type SessionGrant = NonNullable<(typeof session)['type']>

/** A peer as others see it. */
const peer = record({
  peer_id: text,
  role: text,
  metadata: object,
  connected_at: seconds('When it registered.'),
})
export type PeerDescription = NonNullable<(typeof peer)['type']>

/** Why a peer is not in the roster any more. */
const leaveReason = oneOf('left', 'disconnected', 'replaced', 'removed', 'room_closed')
export type LeaveReason = NonNullable<(typeof leaveReason)['type']>

const departure = { peer_id: text, reason: leaveReason }
const answered = optional(described('That of the message that this answers.', text))
const iceServers = {
  ice_servers: all(iceServer),
  mesh_ice_servers: described('Without TURN.', all(iceServer)),
}

/** Every message that the server sends of its own, beside the signals that it relays as they came. */
export const serverMessages = {
  registered_auth: {
    summary: 'The peer is in the room; this is what it finds there.',
    members: {
      room_id: text,
      token: described('The one that the peer entered with.', text),
      peer_id: text,
      admin_peer_id: nullable(text),
      peer_list: described('The other peers, by id.', all(text)),
      peer_metadata: described('The metadata of the other peers, by id.', mapOf(object)),
      roster: optional(described('With presence: the other peers, as the events after it describe them.', all(peer))),
      ...iceServers,
      expires_at: roomEnd,
      features: described('Those that were granted.', all(text)),
      role: optional(described('If the invitation fixed it.', text)),
      channels: optional(described('If the invitation fixed them.', all(text))),
      session: optional(described('With resume.', session)),
      request_id: answered,
    },
  },
  error: {
    summary: 'Something that the peer sent cannot be done, or its room has ended.',
    members: {
      code,
      reason: described('The same sentence twice: v1 clients read `reason`, v2 clients `message`.', text),
      message: text,
      retryable: flag,
      request_id: answered,
      target: optional(described('The peer that the message was for.', text)),
      target_peer_id: optional(
        described("The same, for the mesh messages; their `reason` is then 'peer_not_found'.", text),
      ),
      undelivered: optional(described('The peers that a broadcast did not reach.', all(text))),
      retry_after: optional(described('Seconds.', number)),
    },
  },
  admin_conflict: {
    summary: 'The room has an admin already; comes before registered_auth.',
    members: { room_id: text, current_admin: text },
  },
  ack: {
    summary: 'The message was handed to the socket of each peer that it is for, or, if it is for the server, done.',
    members: {
      request_id: text,
      status: described(
        '`held`: kept for a peer whose connection has ended and that may come back, if there was such a one.',
        oneOf('delivered', 'held'),
      ),
    },
  },
  available_peers: {
    summary: 'The other peers, by id.',
    members: { peers: all(text), request_id: answered },
  },
  peer_list: {
    summary: 'The other peers that match.',
    members: { to_peer_id: text, count: integer, peers: all(peer), request_id: answered },
  },
  metadata_updated: {
    summary: 'The metadata of the peer, after the change.',
    members: { peer_id: text, metadata: object, request_id: answered },
  },
  peer_message: {
    summary: 'What another peer sent with peer_message.',
    members: { from_peer_id: text, to_peer_id: text, payload: anything },
  },
  mesh_offer: {
    summary: 'What another peer sent with mesh_connect.',
    members: { from_peer_id: text, offer: anything },
  },
  mesh_answer: {
    summary: 'What another peer sent with mesh_answer.',
    members: { from_peer_id: text, answer: anything },
  },
  ice_candidate: {
    summary: 'What another peer sent with ice_candidate.',
    members: { from_peer_id: text, candidate: anything },
  },
  broadcast: {
    summary: 'What another peer sent with broadcast.',
    members: { from_peer_id: text, channel: optional(text), payload: anything },
  },
  ice_servers: {
    summary: 'STUN and TURN servers: asked for, or, with token-refresh, before the credentials end.',
    members: { ...iceServers, expires_at: optional(seconds('When the credentials end.')), request_id: answered },
  },
  token_expiring: {
    summary: 'With token-refresh, 60 seconds before: the ID token of this peer ends.',
    members: { expires_at: seconds('When the ID token ends.') },
  },
  resumed: {
    summary: 'The session goes on. What the peer has missed follows.',
    members: {
      room_id: text,
      peer_id: text,
      received: described('How many frames the server has received on this session, after `register`.', integer),
      session,
      expires_at: roomEnd,
      request_id: answered,
    },
  },
  renewed: {
    summary: 'The newer ID token counts from now on.',
    members: { expires_at: seconds('When the newer ID token ends.'), request_id: answered },
  },
  peer_joined: { summary: 'A peer has come into sight.', members: { peer } },
  peer_left: { summary: 'A peer is out of sight.', members: departure },
  peer_updated: { summary: 'A peer has changed its metadata.', members: { peer } },
  peers_changed: {
    summary: 'Several such events in one: first those that left, then those that joined, then those that changed.',
    members: { joined: all(peer), left: all(record(departure)), updated: all(peer) },
  },
  room_expiring: {
    summary: 'The room ends soon: 5 minutes and 1 minute before.',
    members: { expires_at: seconds('When the room ends.') },
  },
  room_closed: {
    summary: 'The room has ended.',
    members: { reason: oneOf('expired', 'deleted') },
  },
  go_away: {
    summary: 'With resume: the server stops. Open a new connection after a while, resume on it, then close this one.',
    members: {
      reason: described('One word: shutting_down.', text),
      reconnect_after_ms: described('Milliseconds: not all peers at once.', integer),
      deadline_ms: described('Milliseconds after which this connection is closed.', integer),
    },
  },
  bye: {
    summary: 'The connection is about to be closed; what is still sent is refused.',
    members: {
      code,
      reason: described('One word: removed, replaced, room_closed, shutting_down, or the code in small letters.', text),
      message: described('A sentence.', text),
      close_code: integer,
      retry_after: optional(
        described('Seconds after which to come back, where that makes sense: not all peers at once.', number),
      ),
    },
  },
} as const satisfies Record<string, { summary: string; members: Members }>

export type ServerType = keyof typeof serverMessages
export type ServerMessageOf<T extends ServerType> = { readonly type: T } & Sent<(typeof serverMessages)[T]['members']>
export type ServerMessage = { [T in ServerType]: ServerMessageOf<T> }[ServerType]

/** What a peer gets from the server as the answer to its message, apart from `ack` and `error`. */
export type Reply = Extract<
  ServerMessage,
  { type: 'available_peers' | 'peer_list' | 'metadata_updated' | 'ice_servers' | 'renewed' }
>
export type RegisteredAuth = ServerMessageOf<'registered_auth'>
export type ErrorMessage = ServerMessageOf<'error'>
export type Bye = ServerMessageOf<'bye'>

export function errorMessage(error: SignalingError): ErrorMessage {
  const { requestId, target, targetPeerId, undelivered, retryAfter } = error.context
  return {
    type: 'error',
    code: error.code,
    // v2's clients look for this word.
    reason: error.code === 'PEER_NOT_FOUND' && targetPeerId !== undefined ? 'peer_not_found' : error.message,
    message: error.message,
    // Some of what is final in general passes in time.
    retryable: errorKinds[error.code].retryable || retryAfter !== undefined,
    ...(requestId !== undefined && { request_id: requestId }),
    ...(target !== undefined && { target }),
    ...(targetPeerId !== undefined && { target_peer_id: targetPeerId }),
    ...(undelivered !== undefined && { undelivered }),
    ...(retryAfter !== undefined && { retry_after: retryAfter }),
  }
}

/** The words that `peer_left` has for the same, where there is one. */
const byeReasons: { readonly [C in ErrorCode]?: string } = {
  PEER_REMOVED: 'removed',
  PEER_REPLACED: 'replaced',
  ROOM_DELETED: 'room_closed',
}

export const bye = ({ code, message, context: { retryAfter } }: SignalingError, closeCode: number): Bye => ({
  type: 'bye',
  code,
  reason: byeReasons[code] ?? code.toLowerCase(),
  message,
  close_code: closeCode,
  ...(retryAfter !== undefined && { retry_after: retryAfter }),
})
