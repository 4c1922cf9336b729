import type { RegisteredAuth } from '@parley/protocol'
import type { Clock } from './clock.ts'
import type { Identity } from './identity.ts'
import type { ConnectionState, Incoming } from './messages.ts'

/** What a `Signaling` is given. */
export interface SignalingOptions {
  readonly wsUrl: string
  readonly identity: Identity
  /** What `register` says beside the ID token, asked for each time. */
  readonly registration: () => { readonly [member: string]: unknown }
  readonly WebSocket: typeof WebSocket
  readonly clock: Clock
  /** From 0 to 1, as Math.random. */
  readonly random: () => number
}

/** What it tells. */
export interface SignalingEvents {
  /** The server has let the peer in, for the first time or again. */
  registered: [RegisteredAuth]
  state: [ConnectionState]
  message: [Incoming]
}
