import type { JsonObject, RegisteredAuth, SignalingError } from '@parley/protocol'
import type { Cancel } from '../clock.ts'
import type { RoomRecord } from '../room-store/room-store.ts'

/** What rooms need of the connection of a peer. */
export interface Link {
  /** The network address at the other end. */
  readonly address: string
  /** False once the connection has ended. */
  readonly open: boolean
  /** The peer that this connection speaks for. */
  readonly peer: Peer | undefined
  /** Makes `peer` the connection's and tells the other end so; nothing reaches it before `reply`. */
  welcome(peer: Peer, reply: RegisteredAuth): void
  /** Hands `text` to the socket. False if it could not be taken: the other end does not read, or is gone. */
  deliver(text: string): boolean
  /** The connection has lost its peer, for a reason that its other end should know. */
  release(reason: SignalingError): void
}

/** A participant of a room, for as long as it is registered. */
export class Peer {
  constructor(
    readonly id: string,
    readonly room: Room,
    /** Subject of the identity that registered it. */
    readonly identity: string,
    readonly link: Link,
    readonly role: string,
    readonly metadata: JsonObject,
    readonly isAdmin: boolean,
  ) {}
}

/** Who was in a room: deployed clients close their connection first and ask for the clean-up afterwards. */
export interface Departed {
  readonly identity: string
  readonly address: string
}

/** A room that this node has opened: because somebody is entering it, is in it, or was. */
export class Room {
  readonly peers = new Map<string, Peer>()
  /** By peer id, oldest first. */
  readonly departed = new Map<string, Departed>()
  /** As last read from the store; undefined until somebody has been let in. */
  record: RoomRecord | undefined
  /** Peers on their way in. */
  entering = 0
  /** True once the room has expired or was deleted; nobody enters any more. */
  ended = false
  cancelExpiry: Cancel = () => {}

  constructor(
    readonly id: string,
    /** Resolves once this node hears what other nodes say of the room; the result ends that. */
    readonly subscribed: Promise<() => void>,
  ) {}
}
