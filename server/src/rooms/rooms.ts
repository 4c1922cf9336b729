import {
  type Feature,
  features,
  type JsonObject,
  type LeaveReason,
  type PeerMessage,
  type Register,
  type Reply,
  SignalingError,
} from '@parley/protocol'
import { inTime, outsideDeadline } from '../clock.ts'
import type { IceServers } from '../ice/ice-servers.ts'
import type { Identified, Identity } from '../identity/identity.ts'
import type { Metrics } from '../metrics.ts'
import type { Invite, RoomRecord } from '../room-store/room-store.ts'
import { checkEntrance, clearAway } from './entrance.ts'
import { invitationOf, isUsedBy, redeemed } from './invites.ts'
import { backplaneSilent, OpenRooms, type OpenRoomsParts, storeSilent } from './open-rooms.ts'
import { Owner } from './owner.ts'
import { registeredAuth } from './registered-auth.ts'
import { fulfil, issueIceServers, type RequestLimits, type RequestParts } from './requests.ts'
import { type Claim, mayDelete } from './rights.ts'
import { type Link, Peer, type Room } from './room.ts'
import { newRoomId, newRoomToken } from './secrets.ts'

export interface RoomLimits extends RequestLimits {
  /** Seconds that a room lives if its creator does not say. */
  readonly roomTtl: number
  readonly roomsPerIdentity: number
}

export interface RoomsParts extends OpenRoomsParts {
  readonly identity: Identity
  readonly metrics: Metrics
  readonly limits: RoomLimits
  /** ICE servers with credentials for a holder: a peer_id or a subject. */
  iceServers(holder: string): IceServers
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

const identitySilent = 'The identity provider does not answer.'

/** The rooms that this node serves: who is in them, and what passes between. */
export class Rooms {
  /** What the creators of rooms may do with them. */
  readonly owner: Owner
  readonly #open: OpenRooms
  readonly #requestParts: RequestParts
  readonly #featureSets = new Map<string, ReadonlySet<Feature>>()

  constructor(private readonly parts: RoomsParts) {
    this.#open = new OpenRooms(parts)
    this.owner = new Owner(parts, this.#open, roomId => this.#delete(roomId))
    this.#requestParts = { ...parts, isAnywhere: peerId => this.#open.directory.isAnywhere(peerId) }
  }

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
      locked: false,
      removed: [],
      invites: [],
      revision: 0,
    }
    await inTime(clock, store.create(record, limits.roomsPerIdentity, now), storeSilent)
    metrics.roomsCreated++
    log.info({ room: record.room_id, expires_at: record.expires_at }, 'room created')
    return record
  }

  /**
   * Lets a peer in, or says why not: the checks of docs/protocol.md, in its order. The last part runs without a pause,
   * so that `link` is told of its place before anybody else can speak to it. All services together have one deadline.
   * @throws SignalingError
   */
  async join(message: Register, link: Link): Promise<void> {
    const { clock, identity, store } = this.parts
    const by = clock.now() + outsideDeadline
    const identified = await inTime(clock, identity.verify(message.id_token), identitySilent, by)
    const { subject } = identified
    const room = this.#open.open(message.room_id)
    room.entering++
    try {
      // First listen, then read: a deletion after the reading is heard, one before it is seen.
      await inTime(clock, room.subscribed, backplaneSilent, by)
      // The sentence of the original: its clients print it.
      const record = await inTime(clock, store.get(message.room_id), 'DynamoDB error', by)
      if (!record) throw new SignalingError('ROOM_NOT_FOUND')
      const invite = invitationOf(record, message.token, clock.now() / 1000)
      if (record.expires_at * 1000 <= clock.now()) throw new SignalingError('ROOM_EXPIRED')
      await clearAway(clock, by, room, record, subject, message, this.#open.directory, this.parts.limits)
      const isFirstUse = invite?.single_use && !isUsedBy(invite, { peer_id: message.peer_id, identity: subject })
      const admitted = isFirstUse ? await this.#redeem(room, record, invite, subject, message, by) : record
      // Deleted while this was waiting.
      if (room.ended) throw new SignalingError('ROOM_NOT_FOUND')
      if (link.open) this.#enter(room, this.#open.update(room, admitted), identified, message, invite, link)
    } finally {
      room.entering--
      this.#open.forgetIfUnused(room)
    }
  }

  /**
   * Does what a registered peer asks for with `message`, which was read from `text`. It never waits.
   * @returns the reply, where the message has one
   * @throws SignalingError saying why it cannot be done
   */
  handle(peer: Peer, message: Exclude<PeerMessage, Register>, text: string): Reply | undefined {
    return fulfil(peer, message, text, this.#requestParts)
  }

  /** The peer's connection has ended, or speaks for another peer now. */
  leave(peer: Peer, reason: LeaveReason): void {
    this.#open.leave(peer, reason)
  }

  /**
   * Deletes a room and all that belongs to it: its peers are disconnected, their anonymous identities are signed out.
   * The room is named by its id, or by a peer that is or was in it.
   * @returns whether there was such a room or peer
   * @throws SignalingError FORBIDDEN if `claim` gives no right to it, UNAVAILABLE if the store does not answer
   */
  async delete(named: { roomId: string } | { peerId: string }, claim: Claim): Promise<boolean> {
    const { clock, store } = this.parts
    const roomId = 'roomId' in named ? named.roomId : this.#open.directory.find(named.peerId, claim)?.id
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
    const room = this.#open.directory.find(peerId, claim)
    if (!room) return 'unknown'
    const peer = room.peers.get(peerId)
    const departed = room.departed.get(peerId)
    if (!peer) {
      this.#open.forgetDeparted(room, peerId)
      if (departed) await this.#signOut([departed.username])
      return 'departed'
    }
    this.#open.expel(peer)
    const roomDeleted = room.peers.size === 0
    if (roomDeleted) await this.#delete(room.id)
    else await this.#signOut([peer.username])
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

  /** Says no more of who comes and goes: all are about to go. */
  hush(): void {
    this.#open.hush()
  }

  /** Forgets all rooms of this node, without a word to anybody; they stay in the store. */
  close(): void {
    this.#open.close()
  }

  /** Uses up an invitation that is for one peer, unless that could not enter now for another reason. */
  async #redeem(
    room: Room,
    record: RoomRecord,
    invite: Invite,
    identity: string,
    message: Register,
    by: number,
  ): Promise<RoomRecord> {
    const { clock, store, limits } = this.parts
    checkEntrance(room, record, identity, message, this.#open.directory, limits)
    const holder = { peer_id: message.peer_id, identity }
    const change = (current: RoomRecord) => redeemed(current, invite.digest, holder)
    const updated = await inTime(clock, store.update(record.room_id, change), storeSilent, by)
    if (!updated) throw new SignalingError('ROOM_NOT_FOUND')
    return updated
  }

  #enter(
    room: Room,
    record: RoomRecord,
    { subject, username }: Identified,
    message: Register,
    invite: Invite | undefined,
    link: Link,
  ): void {
    const { clock, limits, log, metrics } = this.parts
    const { peer_id: id } = message
    checkEntrance(room, record, subject, message, this.#open.directory, limits)

    const present = room.peers.get(id)
    const before = link.peer
    if (present) this.#open.remove(present, 'replaced')
    if (before && before !== present) this.#open.leave(before, 'left')

    const granted = features.filter(feature => message.features.includes(feature))
    const peer = new Peer(
      id,
      room,
      subject,
      username,
      link,
      invite?.role ?? message.role,
      message.metadata,
      this.#featureSet(granted),
      invite?.channels ?? message.channels,
      clock.now(),
      invite && { channelsFixed: invite.channels !== null },
    )
    const { admin } = room
    if (message.is_admin) room.admin ??= peer
    this.#open.place(peer)
    if (present && present.link !== link) present.link.release(new SignalingError('PEER_REPLACED'))
    const reply = registeredAuth(peer, record, message, invite, issueIceServers(peer, this.#requestParts))
    if (message.is_admin && admin) {
      link.welcome(peer, reply, { type: 'admin_conflict', room_id: room.id, current_admin: admin.id })
    } else {
      link.welcome(peer, reply)
    }
    metrics.registrations++
    log.info({ room: room.id, peer: id, role: peer.role, replaced: present !== undefined }, 'peer registered')
  }

  /** One set for the same features, as ten thousand peers have few different ones. */
  #featureSet(granted: readonly Feature[]): ReadonlySet<Feature> {
    const key = granted.join()
    const set = this.#featureSets.get(key) ?? new Set(granted)
    this.#featureSets.set(key, set)
    return set
  }

  async #delete(roomId: string): Promise<void> {
    const { clock, store, backplane } = this.parts
    const room = this.#open.get(roomId)
    const usernames = [...(room?.usernames ?? [])]
    await inTime(clock, store.delete(roomId), storeSilent)
    await inTime(clock, backplane.publish({ type: 'room_deleted', room_id: roomId }), backplaneSilent)
    await this.#signOut(usernames)
  }

  /** The deletion that this belongs to has happened; what fails here is for the operator. */
  async #signOut(usernames: readonly string[]): Promise<void> {
    const { clock, identity, log } = this.parts
    try {
      await inTime(clock, identity.signOut(usernames), identitySilent)
    } catch (error) {
      // Not that it is unavailable, but why, and how many are left.
      const { cause = error } = error as Error
      log.error({ identities: usernames.length, error: String(cause) }, 'identities not signed out')
    }
  }
}
