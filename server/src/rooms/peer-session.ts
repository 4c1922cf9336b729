import type { Feature, ServerMessageOf, SessionGrant, SignalingError } from '@parley/protocol'
import type { Peer } from './room.ts'

/** What shows whether the other end of a connection is still there. */
export interface LifeSigns {
  /** Whether nothing has come from it for longer than a living one is silent. */
  readonly isSilent: boolean
  /** Asks it; those who ask meanwhile share the answer. If there is none within 4 s, the connection is gone. */
  answers(): Promise<boolean>
}

/**
 * What became of a message for a peer: handed to its connection; held until the peer comes back; refused, as the peer is
 * away and enough is held; refused, as the peer does not read, or has just gone.
 */
export type Delivery = 'delivered' | 'held' | 'away' | 'unread'

/** What rooms need of a registered peer. It has a connection or, for a while, none. */
export interface PeerSession {
  /** The network address of the client itself, as it connected last, which may give rights; undefined if it is not known. */
  readonly address: string | undefined
  /** Whether the peer is in its room no more, or about to leave it. */
  readonly isOver: boolean
  /** Of its connection; undefined while it has none. */
  readonly life: LifeSigns | undefined
  /** Uptime until which it may come back; undefined while it has a connection. Milliseconds. */
  readonly awayUntil: number | undefined
  /** Hands on what another peer has sent. */
  deliver(text: string): Delivery
  /** Sends what the peer must not miss: one that does not read that is closed. */
  tell(text: string): void
  /** The peer is in its room no more, for a reason that the other end should know. */
  release(reason: SignalingError): void
  /** Ends the connection, if there is one, and with it the peer. */
  close(reason: SignalingError): void
}

/** A connection on which somebody wants to enter a room. */
export interface Entrant {
  readonly address: string | undefined
  /** False once it has ended, or is about to. */
  readonly open: boolean
  /** The peer that it speaks for already. */
  readonly peer: Peer | undefined
  /** Makes the session of the peer that is about to enter. */
  openSession(features: ReadonlySet<Feature>): PeerSession & {
    /** Undefined where the peer cannot come back. */
    readonly grant: SessionGrant | undefined
  }
  /** `peer` is in its room, with the session that was opened; nothing reaches it before these messages. */
  welcome(peer: Peer, reply: string, conflict?: ServerMessageOf<'admin_conflict'>): void
}
