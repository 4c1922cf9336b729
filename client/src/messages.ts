import type { Bye, ErrorMessage, PeerType, RegisteredAuth, ServerMessage, SignalType } from '@parley/protocol'
import type { ParleyError } from './errors.ts'

/** How the connection to the server is, as a person may be shown it. */
export type ConnectionState =
  /** Registered: what is sent goes out at once. */
  | { readonly status: 'connected' }
  /**
   * Lost, and being made anew; requests wait. `attempt` counts from 1; it is made at `retryAt`, in milliseconds since the
   * epoch. `error`: why the last one failed.
   */
  | { readonly status: 'reconnecting'; readonly attempt: number; readonly retryAt: number; readonly error: ParleyError }
  /** For good. Without `error`: the room was left. */
  | { readonly status: 'closed'; readonly error?: ParleyError | undefined }

/** What a peer sends; the connection adds `request_id`. */
export type Outgoing = { readonly type: PeerType } & { readonly [member: string]: unknown }

/** A signal of another peer, with whatever that has put into it. */
export interface IncomingSignal {
  /** What the other members are. */
  readonly type: SignalType
  /** The id of the peer that it comes from; the server sees to it that this is true. */
  readonly sender: string
  /** `sdp`, `candidate`, and what else its sender has put there. */
  readonly [member: string]: unknown
}

/** What arrives and answers nothing that was asked. */
export type Incoming =
  | Exclude<
      ServerMessage,
      RegisteredAuth | ErrorMessage | Bye | { readonly type: 'token_expiring' | 'resumed' | 'go_away' }
    >
  | IncomingSignal
