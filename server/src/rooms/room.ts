import {
  type Feature,
  type JsonObject,
  metadataSize,
  NameMap,
  type PeerDescription,
  type RegisteredAuth,
  type ServerMessageOf,
  type SignalingError,
} from '@parley/protocol'
import { type Cancel, nothingPlanned } from '../clock.ts'
import type { RoomRecord } from '../room-store/room-store.ts'
import type { Presence, RosterEvent } from './presence.ts'
import { entryBytes, namesBytes } from './roster-size.ts'

/** What shows whether the other end of a connection is still there. */
export interface LifeSigns {
  /** Whether nothing has come from it for longer than a living one is silent. */
  readonly isSilent: boolean
  /** Asks it; those who ask meanwhile share the answer. If there is none within 4 s, the connection and its peer are gone. */
  answers(): Promise<boolean>
}

/** What rooms need of the connection of a peer. */
export interface Link {
  /** The network address at the other end. */
  readonly address: string
  /** False once the connection has ended, or is about to. */
  readonly open: boolean
  /** The peer that this connection speaks for. */
  readonly peer: Peer | undefined
  readonly life: LifeSigns
  /** Makes `peer` the connection's and tells the other end so; nothing reaches it before these messages. */
  welcome(peer: Peer, reply: RegisteredAuth, conflict?: ServerMessageOf<'admin_conflict'>): void
  /** Hands `text` to the socket. False if it could not be taken: the other end does not read, or is gone. */
  deliver(text: string): boolean
  /** The connection has lost its peer, for a reason that its other end should know. */
  release(reason: SignalingError): void
  /** Ends the connection, and with it its peer. */
  close(reason: SignalingError): void
}

/** The channels of a peer that is in none: one object, so that two such peers are quickly seen to share it. */
export const noChannels: ReadonlySet<string> = new Set()

/** A participant of a room, for as long as it is registered. */
export class Peer {
  channels: ReadonlySet<string>
  /** Roster events that wait to be told in one message; undefined when none does. */
  waiting: RosterEvent[] | undefined
  /** Ends the plan to send new TURN credentials. */
  cancelRefresh: Cancel = nothingPlanned
  #metadata: JsonObject
  /** Bytes of `metadata`. */
  #size: number
  /** Bytes of its names in a `registered_auth`. */
  readonly #namesBytes: number
  /** The second in which fan-out is counted, and how much there was. */
  #second = 0
  #fanOut = 0

  constructor(
    readonly id: string,
    readonly room: Room,
    /** Subject of the identity that registered it. */
    readonly identity: string,
    /** What the identity provider calls that identity. */
    readonly username: string,
    readonly link: Link,
    readonly role: string,
    metadata: JsonObject,
    /** Those that it asked for and was granted. */
    readonly features: ReadonlySet<Feature>,
    /** It asked for no features, known or unknown, so it may be a program of the Python server's time. */
    readonly isPlain: boolean,
    channels: readonly string[],
    /** Milliseconds since the epoch. */
    readonly connectedAt: number,
    /** Whether an invitation let it in, and whether that says in which channels it is. */
    readonly invited: { readonly channelsFixed: boolean } | undefined,
  ) {
    this.channels = channels.length === 0 ? noChannels : new Set(channels)
    this.#metadata = metadata
    this.#size = metadataSize(metadata)
    this.#namesBytes = namesBytes(id, role)
  }

  get metadata(): JsonObject {
    return this.#metadata
  }

  get metadataSize(): number {
    return this.#size
  }

  /** Bytes that a `registered_auth` needs to tell of it. */
  get entryBytes(): number {
    return entryBytes(this.#namesBytes, this.#size)
  }

  /** Counts `peers` whom something of this peer reaches. @returns how many it reaches in this second @param now milliseconds */
  countFanOut(peers: number, now: number): number {
    const second = Math.floor(now / 1000)
    if (second !== this.#second) this.#fanOut = 0
    this.#second = second
    this.#fanOut += peers
    return this.#fanOut
  }

  changeMetadata(metadata: JsonObject): void {
    this.#metadata = metadata
    this.#size = metadataSize(metadata)
  }
}

/** Whether two peers with these channels may know of each other: they share one, or both are in none. */
export function meet(mine: ReadonlySet<string>, theirs: ReadonlySet<string>): boolean {
  if (mine === theirs) return true
  for (const channel of mine) if (theirs.has(channel)) return true
  return false
}

/** Whether a peer may know of `peer`, as its channels are now. */
export const knows =
  ({ channels }: Peer) =>
  (other: Peer): boolean =>
    meet(other.channels, channels)

/** The peer of this name, if `peer` may know of it. */
export function inReach(peer: Peer, id: string): Peer | undefined {
  const other = peer.room.peers.get(id)
  return other && meet(peer.channels, other.channels) ? other : undefined
}

/** All others that `peer` may know of, in the order in which they came. */
export function othersInReach(peer: Peer): Peer[] {
  const others: Peer[] = []
  for (const other of peer.room.peers.values()) {
    if (other !== peer && meet(peer.channels, other.channels)) others.push(other)
  }
  return others
}

/** The peer as others see it. */
export const describe = ({ id, role, metadata, connectedAt }: Peer): PeerDescription => ({
  peer_id: id,
  role,
  metadata,
  connected_at: connectedAt / 1000,
})

/** Who was in a room: deployed clients close their connection first and ask for the clean-up afterwards. */
export interface Departed {
  readonly id: string
  readonly identity: string
  readonly username: string
  readonly address: string
  readonly invited: boolean
}

/** A room that this node has opened: because somebody is entering it, is in it, or was. */
export class Room {
  readonly peers = new NameMap<Peer>()
  /** The names of all identities that were let in here, the first first, to be signed out with the room. */
  readonly usernames = new Set<string>()
  /** By peer id, oldest first. */
  readonly departed = new NameMap<Departed>()
  /** The first that asked for it, until it leaves. */
  admin: Peer | undefined
  /** As last read from the store; undefined until somebody has been let in. */
  record: RoomRecord | undefined
  /** Peers on their way in. */
  entering = 0
  /** True once the room is no more: deleted, or past its end with no plain peer in it. */
  ended = false
  cancelExpiry: Cancel = nothingPlanned

  constructor(
    readonly id: string,
    readonly presence: Presence,
    /** Resolves once this node hears what other nodes say of the room; the result ends that. */
    readonly subscribed: Promise<() => void>,
  ) {}

  /** Whether plain peers are in it, for whose sake it goes on past its end. */
  get hasPlainPeers(): boolean {
    for (const peer of this.peers.values()) if (peer.isPlain) return true
    return false
  }

  /** Whether a peer of this name and identity is in it, or was and may come back. */
  knowsPeer(peerId: string, identity: string): boolean {
    return (this.peers.get(peerId) ?? this.departed.get(peerId))?.identity === identity
  }

  /** Bytes that the metadata of all peers have together, and a `registered_auth` of them, but for the peer `without`. */
  sizes(without: Peer | undefined): { metadata: number; entries: number } {
    const sizes = { metadata: 0, entries: 0 }
    for (const peer of this.peers.values()) {
      if (peer === without) continue
      sizes.metadata += peer.metadataSize
      sizes.entries += peer.entryBytes
    }
    return sizes
  }
}
