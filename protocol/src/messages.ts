import { type ErrorCode, errorKinds, type SignalingError } from './errors.ts'

/** A JSON object whose members nobody has looked at yet. */
export type JsonObject = { [key: string]: unknown }

/** A peer enters a room. The optional members are Parley's and v2's; the quick reference knows the required ones. */
export interface Register {
  type: 'register'
  peer_id: string
  room_id: string
  token: string
  id_token: string
  role: string
  metadata: JsonObject
  is_admin: boolean
  features: readonly string[]
  request_id: string | undefined
}

export const signalTypes = ['offer', 'answer', 'candidate'] as const
export type SignalType = (typeof signalTypes)[number]

/** What is relayed to `target` as it came; only what routing needs is named here. `sdp` and the like are nobody's business. */
export interface Signal {
  type: SignalType
  target: string
  /** Absent: the peer of the connection. Of any other form: refused, as it is not that peer. */
  sender?: unknown
  request_id?: unknown
}

export type PeerMessage = Register | Signal

/** The ICE server entry that clients hand to `RTCIceServer(**entry)`: no key beyond these three. */
export interface IceServer {
  urls: string | readonly string[]
  username?: string
  credential?: string
}

export interface RegisteredAuth {
  type: 'registered_auth'
  room_id: string
  token: string
  peer_id: string
  admin_peer_id: string | null
  peer_list: readonly string[]
  peer_metadata: { readonly [peerId: string]: JsonObject }
  ice_servers: readonly IceServer[]
  mesh_ice_servers: readonly IceServer[]
  /** Seconds since the epoch at which the room ends. */
  expires_at: number
  features: readonly string[]
  request_id?: string
}

export interface ErrorMessage {
  type: 'error'
  code: ErrorCode
  /** The same sentence twice: v1 clients read `reason`, v2 clients `message`. */
  reason: string
  message: string
  retryable: boolean
  request_id?: string
  target?: string
  /** Seconds. */
  retry_after?: number
}

/** The last message to a peer that asked for features, before its connection is closed with `close_code`. */
export interface Bye {
  type: 'bye'
  code: ErrorCode
  reason: string
  close_code: number
}

export function errorMessage(error: SignalingError): ErrorMessage {
  return {
    type: 'error',
    code: error.code,
    reason: error.message,
    message: error.message,
    retryable: errorKinds[error.code].retryable,
    ...(error.requestId !== undefined && { request_id: error.requestId }),
    ...(error.target !== undefined && { target: error.target }),
    ...(error.retryAfter !== undefined && { retry_after: error.retryAfter }),
  }
}

export const bye = (error: SignalingError, closeCode: number): Bye => ({
  type: 'bye',
  code: error.code,
  reason: error.message,
  close_code: closeCode,
})
