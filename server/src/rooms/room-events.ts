import type { ErrorCode, LeaveReason } from '@parley/protocol'

/**
 * What has happened to a room, or to a peer of it: the one account that the log and the metrics are made from. Ids, names, counts
 * and codes, each a plain value; never an SDP, a candidate, a token or a payload. What is relayed is no event.
 */
export type RoomEvent = AboutRoom | AboutPeer

type AboutRoom = { readonly room: string } & (
  | {
      readonly type: 'created'
      /** Seconds since the epoch; null: it does not end. */
      readonly expiresAt: number | null
    }
  /** Its record is another one, by an act of its owner on this node. */
  | { readonly type: 'changed'; readonly revision: number }
  /** Its time is over. It goes on for `stay` peers that are plain; `released` others had to leave. */
  | { readonly type: 'past_end'; readonly released: number; readonly stay: number }
  /** It is no more, and `peers` that were in it had to leave, for the reason `code`. */
  | { readonly type: 'ended'; readonly peers: number; readonly code: ErrorCode }
  /** Nobody had entered it, and it was deleted for newer ones. */
  | { readonly type: 'made_way' }
  /** Another node serves it now; those that were in it here come back. */
  | { readonly type: 'moved'; readonly node: string }
)

type AboutPeer =
  | Refused
  | Forgotten
  | ({ readonly room: string; readonly peer: string } & (
      | {
          readonly type: 'joined'
          readonly role: string
          /** It has taken the place of itself, as it was before; of that one there is no `left`. */
          readonly replaced: boolean
          /** What the TURN servers call its identity, if they tell identities apart. */
          readonly turnUser: string | undefined
        }
      /** Its connection has broken, and it may come back. */
      | { readonly type: 'away' }
      /** Its session goes on over another connection, on which it was sent so many messages that it had missed. */
      | { readonly type: 'back'; readonly missed: number }
      /** By itself, or as its connection has ended. Where its room ends there is no `left`, but one `ended` or `past_end`. */
      | { readonly type: 'left'; readonly reason: LeaveReason }
      /** Disconnected, as somebody who may do so has removed it. */
      | { readonly type: 'removed' }
      /** What was remembered of it after it had left was deleted, on request. */
      | { readonly type: 'departed_deleted' }
      /** It has shown a newer ID token, which ends then. Seconds since the epoch. */
      | { readonly type: 'id_token_renewed'; readonly expiresAt: number }
      /** It has shown none in time, and is closed. */
      | { readonly type: 'id_token_ended' }
    ))

/** Somebody who wanted to be this peer was not let in. */
interface Refused {
  readonly type: 'refused'
  /** Undefined if it was refused before the room was found: what it says then can be any text. */
  readonly room: string | undefined
  readonly peer: string
  readonly code: ErrorCode
}

/** A peer that had left is not remembered any longer, before the end of its room: there were too many. */
interface Forgotten {
  readonly type: 'forgotten'
  readonly room: string
  /** Undefined if no more was left of it than whom to sign out. */
  readonly peer: string | undefined
  /** The network address of the peer that was one too many. */
  readonly address: string | undefined
  /** What is still remembered, of all rooms. */
  readonly memories: number
  readonly idleRooms: number
  readonly bytes: number
}

/** Says that something has happened: once, where it happens. Never throws, and nobody waits for it. */
export type Emit = (event: RoomEvent) => void

/** Tells all of them, in this order. */
export const toEach =
  (...consumers: readonly Emit[]): Emit =>
  event => {
    for (const consume of consumers) consume(event)
  }
