import { type JsonObject, nameSender, type Register, type Signal, SignalingError } from '@parley/protocol'
import type { Backplane } from '../backplane/backplane.ts'
import { type Clock, inTime } from '../clock.ts'
import type { Identity } from '../identity/identity.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { RoomRecord, RoomStore } from '../room-store/room-store.ts'
import { Directory } from './directory.ts'
import { registeredAuth } from './registered-auth.ts'
import { type Claim, mayDelete } from './rights.ts'
import { type Link, Peer, Room } from './room.ts'
import { newRoomId, newRoomToken, sameSecret } from './secrets.ts'

export interface RoomLimits {
  /** Seconds that a room lives if its creator does not say. */
  readonly roomTtl: number
  readonly peersPerRoom: number
  readonly peersPerIdentity: number
  readonly roomsPerIdentity: number
}

export interface RoomsParts {
  readonly identity: Identity
  readonly store: RoomStore
  readonly backplane: Backplane
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: RoomLimits
}

/** What the creator of a room may decide. */
export interface RoomOptions {
  /** Seconds. */
  readonly ttl?: number | undefined
  readonly maxPeers?: number | undefined
  readonly name?: string | undefined
  readonly metadata?: JsonObject | undefined
}

/** `unknown`: there is no such peer. `departed`: it had left the room already. */
export type PeerDeletion = 'unknown' | 'departed' | { readonly roomDeleted: boolean }

const storeSilent = 'The room store does not answer.'
const identitySilent = 'The identity provider does not answer.'
const backplaneSilent = 'The other nodes cannot be reached.'

/** The rooms that this node serves: who is in them, and what passes between. */
export class Rooms {
  readonly #open = new Map<string, Room>()
  readonly #directory = new Directory()

  constructor(private readonly parts: RoomsParts) {}

  /** @throws SignalingError LIMIT_REACHED or UNAVAILABLE */
  async create(creator: string, options: RoomOptions): Promise<RoomRecord> {
    const { clock, store, limits, log, metrics } = this.parts
    const now = Math.floor(clock.now() / 1000)
    const record: RoomRecord = {
      room_id: newRoomId(),
      created_by: creator,
      token: newRoomToken(),
      expires_at: now + (options.ttl ?? limits.roomTtl),
      max_peers: options.maxPeers ?? null,
      name: options.name ?? null,
      metadata: options.metadata ?? {},
    }
    await inTime(clock, store.create(record, limits.roomsPerIdentity, now), storeSilent)
    metrics.roomsCreated++
    log.info({ room: record.room_id, expires_at: record.expires_at }, 'room created')
    return record
  }

  /**
   * Lets a peer in, or says why not: the checks of docs/protocol.md, in its order. The last part runs without a pause,
   * so that `link` is told of its place before anybody else can speak to it.
   * @throws SignalingError
   */
  async join(message: Register, link: Link): Promise<void> {
    const { clock, identity, store } = this.parts
    const { subject } = await inTime(clock, identity.verify(message.id_token), identitySilent)
    const room = this.#openRoom(message.room_id)
    room.entering++
    try {
      // First listen, then read: a deletion after the reading is heard, one before it is seen.
      await inTime(clock, room.subscribed, backplaneSilent)
      // The sentence of the original: its clients print it.
      const record = await inTime(clock, store.get(message.room_id), 'DynamoDB error')
      if (!record) throw new SignalingError('ROOM_NOT_FOUND')
      if (!sameSecret(message.token, record.token)) throw new SignalingError('INVALID_ROOM_TOKEN')
      if (record.expires_at * 1000 <= clock.now()) throw new SignalingError('ROOM_EXPIRED')
      // Deleted while this was waiting.
      if (room.ended) throw new SignalingError('ROOM_NOT_FOUND')
      if (link.open) this.#enter(room, record, subject, message, link)
    } finally {
      room.entering--
      this.#forgetIfUnused(room)
    }
  }

  /**
   * Relays `text`, which `message` was read from, to the peer that it is for. This is the path that every message takes:
   * nothing here waits, and nothing is made anew.
   * @throws SignalingError SENDER_MISMATCH, PEER_NOT_FOUND or DELIVERY_FAILED
   */
  signal(peer: Peer, message: Signal, text: string): void {
    if (message.sender !== undefined && message.sender !== peer.id) throw new SignalingError('SENDER_MISMATCH')
    const target = peer.room.peers.get(message.target)
    if (!target) throw new SignalingError('PEER_NOT_FOUND')
    const taken = target.link.deliver(message.sender === undefined ? nameSender(text, peer.id) : text)
    if (!taken) throw new SignalingError('DELIVERY_FAILED')
    this.parts.metrics.relayed++
  }

  /** The peer's connection has ended, or speaks for another peer now. */
  leave(peer: Peer): void {
    const { room } = peer
    // A newer connection of this peer may have taken the place.
    if (room.peers.get(peer.id) !== peer) return
    this.#remove(peer)
    room.departed.set(peer.id, { identity: peer.identity, address: peer.link.address })
    if (room.departed.size > this.parts.limits.peersPerRoom) {
      const [oldest = ''] = room.departed.keys()
      room.departed.delete(oldest)
      this.#directory.unlist(oldest, room)
    }
    this.parts.log.info({ room: room.id, peer: peer.id }, 'peer left')
  }

  /**
   * Deletes a room and all that belongs to it: its peers are disconnected, their anonymous identities are signed out.
   * The room is named by its id, or by a peer that is or was in it.
   * @returns whether there was such a room or peer
   * @throws SignalingError FORBIDDEN if `claim` gives no right to it, UNAVAILABLE if the store does not answer
   */
  async delete(named: { roomId: string } | { peerId: string }, claim: Claim): Promise<boolean> {
    const { clock, store } = this.parts
    const roomId = 'roomId' in named ? named.roomId : this.#directory.find(named.peerId, claim)?.id
    if (roomId === undefined) return false
    const room = this.#open.get(roomId)
    const record = room?.record ?? (await inTime(clock, store.get(roomId), storeSilent))
    if (!record) return false
    if (!mayDelete(record, room, claim)) throw new SignalingError('FORBIDDEN')
    await this.#delete(roomId)
    return true
  }

  /**
   * Removes one peer and signs its identity out; with its last peer the room goes, too.
   * @throws SignalingError FORBIDDEN, UNAVAILABLE
   */
  async deletePeer(peerId: string, claim: Claim): Promise<PeerDeletion> {
    const room = this.#directory.find(peerId, claim)
    if (!room) return 'unknown'
    const peer = room.peers.get(peerId)
    const departed = room.departed.get(peerId)
    if (!peer) {
      room.departed.delete(peerId)
      this.#directory.unlist(peerId, room)
      if (departed) await this.#signOut([departed.identity])
      return 'departed'
    }
    this.#remove(peer)
    this.#directory.unlist(peerId, room)
    peer.link.release(new SignalingError('PEER_REMOVED'))
    this.parts.log.info({ room: room.id, peer: peerId }, 'peer removed')
    const roomDeleted = room.peers.size === 0
    if (roomDeleted) await this.#delete(room.id)
    await this.#signOut([peer.identity])
    return { roomDeleted }
  }

  /** Rooms with somebody in them, and the peers in them by role. */
  census(): { rooms: number; peers: number; peersByRole: Map<string, number> } {
    let rooms = 0
    let peers = 0
    const peersByRole = new Map<string, number>()
    for (const room of this.#open.values()) {
      if (room.peers.size > 0) rooms++
      peers += room.peers.size
      for (const { role } of room.peers.values()) peersByRole.set(role, (peersByRole.get(role) ?? 0) + 1)
    }
    return { rooms, peers, peersByRole }
  }

  /** Forgets all rooms of this node, without a word to anybody; they stay in the store. */
  close(): void {
    for (const room of this.#open.values()) this.#forget(room)
  }

  #openRoom(roomId: string): Room {
    const open = this.#open.get(roomId)
    if (open) return open
    const room: Room = new Room(
      roomId,
      this.parts.backplane.subscribe(roomId, () => this.#end(room, new SignalingError('ROOM_DELETED'))),
    )
    this.#open.set(roomId, room)
    return room
  }

  #enter(room: Room, record: RoomRecord, identity: string, message: Register, link: Link): void {
    const { limits, log, metrics } = this.parts
    const { peer_id: id } = message
    const present = room.peers.get(id)
    const mine = present?.identity === identity
    const mostPeers = Math.min(record.max_peers ?? limits.peersPerRoom, limits.peersPerRoom)
    if (!mine && room.peers.size >= mostPeers) throw new SignalingError('ROOM_FULL')
    if (present && !mine) throw new SignalingError('PEER_ID_TAKEN')
    if (!mine && this.#directory.peersOf(identity) >= limits.peersPerIdentity) {
      throw new SignalingError('LIMIT_REACHED', `This identity already has ${limits.peersPerIdentity} peers.`)
    }

    room.record = record
    this.#planExpiry(room, record)
    const before = link.peer
    if (present) this.#remove(present)
    if (before && before !== present) this.leave(before)

    const peer = new Peer(id, room, identity, link, message.role, message.metadata, message.is_admin)
    const others = [...room.peers.values()]
    room.peers.set(id, peer)
    room.departed.delete(id)
    this.#directory.list(id, room)
    this.#directory.countIn(identity)
    if (present && present.link !== link) present.link.release(new SignalingError('PEER_REPLACED'))
    link.welcome(peer, registeredAuth(peer, record, others, message.request_id))
    metrics.registrations++
    log.info({ room: room.id, peer: id, role: peer.role, replaced: present !== undefined }, 'peer registered')
  }

  /** Plans the room's end. It may have been planned before, for another time. */
  #planExpiry(room: Room, record: RoomRecord): void {
    const { clock } = this.parts
    room.cancelExpiry()
    room.cancelExpiry = clock.after(Math.max(0, record.expires_at * 1000 - clock.now()), () => {
      // A timer may be early: clocks are set, and delays have an upper bound.
      if (record.expires_at * 1000 > clock.now()) this.#planExpiry(room, record)
      else this.#end(room, new SignalingError('ROOM_EXPIRED'))
    })
  }

  /** The room is no more; its peers are told and let go. */
  #end(room: Room, reason: SignalingError): void {
    room.ended = true
    const peers = [...room.peers.values()]
    this.#forget(room)
    for (const peer of peers) peer.link.release(reason)
    this.parts.log.info({ room: room.id, peers: peers.length, code: reason.code }, 'room ended')
  }

  async #delete(roomId: string): Promise<void> {
    const { clock, store, backplane } = this.parts
    const room = this.#open.get(roomId)
    const identities = new Set(
      [...(room?.peers.values() ?? []), ...(room?.departed.values() ?? [])].map(p => p.identity),
    )
    await inTime(clock, store.delete(roomId), storeSilent)
    await inTime(clock, backplane.publish({ type: 'room_deleted', room_id: roomId }), backplaneSilent)
    await this.#signOut([...identities])
  }

  /** The deletion that this belongs to has happened; what fails here is for the operator. */
  async #signOut(identities: readonly string[]): Promise<void> {
    const { clock, identity, log } = this.parts
    try {
      await inTime(clock, identity.signOut(identities), identitySilent)
    } catch (error) {
      log.error({ identities: identities.length, error: String(error) }, 'identities not signed out')
    }
  }

  /** Takes the peer out of its room's roster, and nothing else. */
  #remove(peer: Peer): void {
    peer.room.peers.delete(peer.id)
    this.#directory.countOut(peer.identity)
  }

  /** A room that nobody was let into need not stay open. */
  #forgetIfUnused(room: Room): void {
    if (room.entering === 0 && !room.record && !room.ended) this.#forget(room)
  }

  #forget(room: Room): void {
    room.cancelExpiry()
    for (const peer of [...room.peers.values()]) {
      this.#remove(peer)
      this.#directory.unlist(peer.id, room)
    }
    for (const id of room.departed.keys()) this.#directory.unlist(id, room)
    if (this.#open.get(room.id) === room) this.#open.delete(room.id)
    room.subscribed.then(
      unsubscribe => unsubscribe(),
      () => {}, // there is nothing to end: whoever wanted to enter was told
    )
  }
}
