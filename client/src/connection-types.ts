import type { Clock } from './clock.ts'
import type { Connection } from './connection.ts'
import type { ParleyError } from './errors.ts'
import type { IncomingSignal } from './messages.ts'

/** How the way to another peer is. `interrupted`: it may come back by itself, or by an ICE restart. */
export type ConnectionStatus = 'connecting' | 'connected' | 'interrupted' | 'closed'

/** What happens to a `Connection`. */
export interface ConnectionEvents {
  /** It is different from now on. After `closed` nothing more happens. */
  status: [ConnectionStatus]
  /** The other peer has opened a data channel. What has arrived on it waits for the listeners that are added now. */
  channel: [RTCDataChannel]
  /**
   * A change, such as a new track, was not agreed upon, also when it was tried again: NEGOTIATION_FAILED, whose `cause` says
   * why. The connection goes on as it was, data channels and all. It may be that no change is possible any more, not even
   * an ICE restart; then close it, connect again, and add the tracks to the new connection.
   */
  negotiationFailed: [ParleyError]
}

/** What `Room.connect` may be told. */
export interface ConnectOptions {
  /** Ends the waiting. The attempt goes on, as somebody else may wait for it, too. */
  readonly signal?: AbortSignal
}

/** Takes a data channel that the peer at the other end of `connection` has opened; what has arrived waits for its listeners. */
export type ProtocolHandler = (channel: RTCDataChannel, connection: Connection) => void

/** What a connection needs of the room. */
export interface ConnectionParts {
  /** This peer's own. */
  readonly peerId: string
  readonly RTCPeerConnection: typeof RTCPeerConnection | undefined
  readonly clock: Clock
  configuration(): RTCConfiguration
  /** Resolves when that has fresh TURN credentials. */
  refresh(): Promise<unknown>
  signal(message: {
    readonly type: IncomingSignal['type']
    readonly target: string
    readonly [member: string]: unknown
  }): Promise<void>
  tell(peerId: string, payload: unknown): Promise<void>
  /** Whether the server can be reached. */
  isOnline(): boolean
  /** Who takes the channels of a protocol. */
  readonly protocols: ReadonlyMap<string, ProtocolHandler>
  /** Resolves when that peer registers, unless `signal` is aborted before. */
  arrival(peerId: string, signal: AbortSignal): Promise<unknown>
  /** How often this peer has registered: whoever registers again may do so before the others are back. */
  registrations(): number
}
