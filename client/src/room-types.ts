import type { IceServer, JsonObject, LeaveReason } from '@parley/protocol'
import type { Clock } from './clock.ts'
import type { Connection } from './connection.ts'
import type { ConnectionState, IncomingSignal } from './messages.ts'
import type { Peer } from './peers.ts'

/** What `Parley.join` is told. */
export interface JoinOptions {
  /** That of `CreatedRoom`. */
  readonly roomId: string
  /** The room's, or that of an invitation. */
  readonly token: string
  /** How the others call this peer. Default: a random one. */
  readonly peerId?: string
  /** What this peer is there for, to be found by. Default: `peer`. */
  readonly role?: string
  /** What this peer says of itself, to be found by. */
  readonly metadata?: JsonObject
  /** Those that it is in at first: whoever is in channels sees only peers that share one with it. Default: none. */
  readonly channels?: readonly string[]
  /** Asks to be the room's admin, which is the first that asks. */
  readonly isAdmin?: boolean
  /** Whether another peer may connect to this one. Default: it may. */
  readonly accept?: (peerId: string) => boolean
  /** For `RTCPeerConnection`, beside the ICE servers that Parley tells of. */
  readonly rtcConfiguration?: RTCConfiguration
}

/** What a room needs of where it runs. */
export interface Platform {
  readonly WebSocket: typeof WebSocket
  /** Without one there are signals, but no connections. */
  readonly RTCPeerConnection: typeof RTCPeerConnection | undefined
  readonly clock: Clock
  /** From 0 to 1. */
  readonly random: () => number
  /** Of the call of `join`, see `takePlace`. */
  readonly turn: number
}

/** What `RTCPeerConnection` needs to find a way. */
export interface IceServers {
  /** STUN and TURN servers; none, if the server has been told of none. */
  readonly iceServers: readonly IceServer[]
  /** Seconds since the epoch at which the TURN credentials end; undefined if they do not. */
  readonly expiresAt: number | undefined
}

/** What can be looked for in other peers; see docs/protocol.md, "who is there". */
export interface PeerFilters {
  /** Is equal. */
  readonly role?: string
  /** Any of them is in `metadata.tags`. */
  readonly tags?: readonly string[]
  /** Each is in `metadata.properties`: an equal value, or one that satisfies `{ $gte: 16 }` and its like. */
  readonly properties?: JsonObject
}

/** What happens to a `Room` and in it. */
export interface RoomEvents {
  /** How the connection to the server is. Data channels do not depend on it. */
  state: [ConnectionState]
  /** A peer has entered the room, or was found in it when this one came back; also one that has registered again. */
  peerJoined: [Peer]
  /** A peer is gone: `left`, `disconnected`, `replaced` (and joins again), `removed` or `room_closed`. */
  peerLeft: [id: string, reason: LeaveReason]
  /** A peer has another role or other metadata. */
  peerUpdated: [Peer]
  /** Another peer has sent this one something. */
  message: [from: string, payload: unknown]
  /** Another peer has sent something to a channel, or without one to all. */
  broadcast: [from: string, payload: unknown, channel: string | undefined]
  /** Another peer has connected to this one. Listen for its channels before anything else is awaited. */
  connection: [Connection]
  /** A signal that belongs to no connection of this library, for those who make their own. */
  signal: [IncomingSignal]
  /** The room ends soon. Seconds since the epoch. */
  expiring: [expiresAt: number]
}
