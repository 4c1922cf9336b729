import { type Feature, type JsonObject, metadataSize, NameMap, type PeerDescription } from '@parley/protocol'
import { type Cancel, nothingPlanned } from '../clock.ts'
import type { Placement } from '../cluster/cluster.ts'
import type { RoomRecord } from '../room-store/room-store.ts'
import type { PeerSession } from './peer-session.ts'
import type { Presence } from './presence.ts'
import { entryBytes, namesBytes } from './roster-size.ts'

/** The channels of a peer by name. A set is never changed, but replaced. */
export type Channels = ReadonlySet<string>

/** The channels of a peer that is in none: one object, so that two such peers are quickly seen to share it. */
export const noChannels: Channels = new Set()

/** That of a peer that says nothing of itself: one object for all of them. */
const noMetadata: JsonObject = Object.freeze({})
const emptySize = metadataSize(noMetadata)

/** A participant of a room, for as long as it is registered. */
export class Peer {
  channels: Channels
  /** Its id in JSON. */
  readonly idJson: string
  /** Ends the plan to send new TURN credentials. */
  cancelRefresh: Cancel = nothingPlanned
  /** Ends what is planned for the end of its ID token. */
  cancelTokenEnd: Cancel = nothingPlanned
  #metadata: JsonObject
  /** Bytes of `metadata`. */
  #size: number
  /** Bytes of its names in a `registered_auth`. */
  readonly #namesBytes: number
  /** What `metadataJson` gives, once it was asked for. */
  #metadataJson: string | undefined

  constructor(
    readonly id: string,
    readonly room: Room,
    /** Subject of the identity that registered it. */
    readonly identity: string,
    /** What the identity provider calls that identity. */
    readonly username: string,
    readonly session: PeerSession,
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
    this.idJson = JSON.stringify(id)
    this.channels = channels.length === 0 ? noChannels : new Set(channels)
    this.#size = metadataSize(metadata)
    this.#metadata = this.#size === emptySize ? noMetadata : metadata
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

  /** Its metadata in JSON: written once, as a thousand others may be told. */
  get metadataJson(): string {
    this.#metadataJson ??= JSON.stringify(this.#metadata)
    return this.#metadataJson
  }

  /** The peer as others see it, in JSON. */
  get described(): string {
    const names = `"peer_id":${this.idJson},"role":${JSON.stringify(this.role)}`
    return `{${names},"metadata":${this.metadataJson},"connected_at":${this.connectedAt / 1000}}`
  }

  changeMetadata(metadata: JsonObject): void {
    this.room.weigh(this, -1)
    this.#metadata = metadata
    this.#size = metadataSize(metadata)
    this.room.weigh(this, 1)
    this.#metadataJson = undefined
  }
}

/** Whether two peers with these channels may know of each other: they share one, or both are in none. */
export function meet(mine: Channels, theirs: Channels): boolean {
  if (mine === theirs) return true
  for (const channel of mine) if (theirs.has(channel)) return true
  return false
}

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

/** What a room remembers of one that is not in it any more: the user, who is to be signed out with the room; see `Past`. */
export interface Memory {
  readonly room: Room
  readonly username: string
  /** As its connection had it. */
  readonly address: string | undefined
  /** The rest is there of peers alone. */
  readonly id?: string
  readonly identity?: string
}

/** Who was in a room: deployed clients close their connection first and ask for the clean-up afterwards. */
export interface Departed extends Memory {
  readonly id: string
  readonly identity: string
  readonly invited: boolean
}

/**
 * What a room is for those in it. `past_end`: its time is over, but it goes on for the plain peers in it. `ended`: it is no more, as it
 * was deleted, or is past its end with no plain peer in it.
 */
export type RoomState = 'open' | 'past_end' | 'ended'

/** A room that this node has opened: because somebody is entering it, is in it, or was. */
export class Room {
  readonly peers = new NameMap<Peer>()
  /** Of all peers together. */
  #metadataBytes = 0
  #entryBytes = 0
  /** By peer id, oldest first. */
  readonly departed = new NameMap<Departed>()
  /** Those that were in it and are neither in `peers` nor in `departed`, by username, oldest first. */
  readonly users = new Map<string, Memory>()
  /** Addresses that peers of removed identities were connected from, and whose they were; oldest first. */
  readonly addressesOfRemoved = new Map<string, string>()
  /** The tokens that it had before its own, the latest ones; oldest first. */
  readonly formerTokens: string[] = []
  /** The first that asked for it, until it leaves. */
  admin: Peer | undefined
  /** As last read from the store; undefined until somebody has been let in. */
  record: RoomRecord | undefined
  /** Peers on their way in. */
  entering = 0
  state: RoomState = 'open'
  cancelExpiry: Cancel = nothingPlanned

  constructor(
    readonly id: string,
    readonly presence: Presence,
    /** Which node serves it. */
    public claimed: Promise<Placement>,
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

  /** Whom the identity provider is to forget with the room. */
  get usernames(): string[] {
    const all = [...this.departed.values(), ...this.users.values(), ...this.peers.values()]
    return [...new Set(all.map(({ username }) => username))]
  }

  /** A peer of these sizes has come (1) or gone (-1). */
  weigh({ metadataSize, entryBytes }: Pick<Peer, 'metadataSize' | 'entryBytes'>, sign: 1 | -1): void {
    this.#metadataBytes += sign * metadataSize
    this.#entryBytes += sign * entryBytes
  }

  /** Bytes that the metadata of all peers have together, and a `registered_auth` of them, but for the peer `without`. */
  sizes(without?: Peer): { metadata: number; entries: number } {
    return {
      metadata: this.#metadataBytes - (without?.metadataSize ?? 0),
      entries: this.#entryBytes - (without?.entryBytes ?? 0),
    }
  }
}
