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
import { type Identified, identitySilent } from '../identity/identity.ts'
import { endOf, type Invite, type RoomRecord } from '../room-store/room-store.ts'
import { CleanUp, type CleanUpParts } from './clean-up.ts'
import { checkEntrance, clearAway } from './entrance.ts'
import { invitationIn } from './former-tokens.ts'
import { isUsedBy, redeemed } from './invites.ts'
import { backplaneSilent, OpenRooms, storeSilent } from './open-rooms.ts'
import { Owner } from './owner.ts'
import { registeredAuth } from './registered-auth.ts'
import { fulfil, issueIceServers, type RequestLimits, type RequestParts } from './requests.ts'
import { type Link, Peer, type Room } from './room.ts'
import { newRoomId, newRoomToken } from './secrets.ts'

export interface RoomLimits extends RequestLimits {
  /** Seconds that a room lives if its creator does not say. */
  readonly roomTtl: number
  /** Seconds that a room can last at most; 0: it has no such bound. */
  readonly maxRoomTtl: number
  readonly roomsPerIdentity: number
}

export interface RoomsParts extends CleanUpParts, RequestParts {
  readonly limits: RoomLimits
  /** What the TURN servers call an identity, if they tell identities apart. */
  turnUser(subject: string): string | undefined
}

/** What the creator of a room may decide. */
export interface RoomOptions {
  /** Seconds; null: the room does not end. */
  readonly ttl?: number | null | undefined
  readonly maxPeers?: number | undefined
  readonly name?: string | undefined
  readonly metadata?: JsonObject | undefined
}

/** The rooms that this node serves: who is in them, and what passes between. */
export class Rooms {
  /** What the creators of rooms may do with them. */
  readonly owner: Owner
  readonly cleanUp: CleanUp
  readonly #open: OpenRooms
  readonly #requestParts: RequestParts
  readonly #featureSets = new Map<string, ReadonlySet<Feature>>()

  constructor(private readonly parts: RoomsParts) {
    this.#open = new OpenRooms(parts)
    this.cleanUp = new CleanUp(parts, this.#open)
    this.owner = new Owner(parts, this.#open, roomId => this.cleanUp.deleteRoom(roomId))
    this.#requestParts = parts
  }

  /** @throws SignalingError LIMIT_REACHED or UNAVAILABLE */
  async create(creator: string, options: RoomOptions): Promise<RoomRecord> {
    const { clock, store, limits, log, metrics } = this.parts
    const now = Math.floor(clock.now() / 1000)
    const record: RoomRecord = {
      room_id: newRoomId(),
      created_by: creator,
      token: newRoomToken(),
      created_at: now,
      expires_at: options.ttl === null ? null : now + (options.ttl ?? limits.roomTtl),
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
    const verified = identity.verify(message.id_token, provenBefore(link.peer, message))
    const identified = await inTime(clock, verified, identitySilent, by)
    const { subject } = identified
    const room = this.#open.open(message.room_id)
    room.entering++
    try {
      // First listen, then read: a deletion after the reading is heard, one before it is seen.
      await inTime(clock, room.subscribed, backplaneSilent, by)
      // The sentence of the original: its clients print it.
      const stored = await inTime(clock, store.get(message.room_id), 'DynamoDB error', by)
      // A store may have cleared away a room that has ended, while plain peers are still in it.
      const record = stored ?? (room.hasPlainPeers ? room.record : undefined)
      if (!record) throw new SignalingError('ROOM_NOT_FOUND')
      const invite = invitationIn(message, subject, room, record, clock.now() / 1000)
      if (endOf(record) * 1000 <= clock.now() && !staysBeyondEnd(room, subject, message)) {
        throw new SignalingError('ROOM_EXPIRED')
      }
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

  /** Rooms with somebody in them, how many of them are past their end, and the peers in them by role. */
  census(): { rooms: number; roomsPastEnd: number; peers: number; peersByRole: Map<string, number> } {
    const now = this.parts.clock.now()
    let rooms = 0
    let roomsPastEnd = 0
    let peers = 0
    const peersByRole = new Map<string, number>()
    for (const room of this.#open.values()) {
      if (room.peers.size > 0) {
        rooms++
        if (room.record && endOf(room.record) * 1000 <= now) roomsPastEnd++
      }
      peers += room.peers.size
      for (const { role } of room.peers.values()) peersByRole.set(role, (peersByRole.get(role) ?? 0) + 1)
    }
    return { rooms, roomsPastEnd, peers, peersByRole }
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
    const wasAdmin = present !== undefined && room.admin === present
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
      message.features.length === 0,
      invite?.channels ?? message.channels,
      clock.now(),
      invite && { channelsFixed: invite.channels !== null },
    )
    const { admin } = room
    if (message.is_admin || wasAdmin) room.admin ??= peer
    this.#open.place(peer)
    if (present && present.link !== link) present.link.release(new SignalingError('PEER_REPLACED'))
    const reply = registeredAuth(peer, record, message, invite, issueIceServers(peer, this.#requestParts))
    if (message.is_admin && admin) {
      link.welcome(peer, reply, { type: 'admin_conflict', room_id: room.id, current_admin: admin.id })
    } else {
      link.welcome(peer, reply)
    }
    metrics.registrations++
    const turn_user = this.parts.turnUser(subject)
    const replaced = present !== undefined
    log.info({ room: room.id, peer: id, role: peer.role, replaced, turn_user }, 'peer registered')
  }

  /** One set for the same features, as ten thousand peers have few different ones. */
  #featureSet(granted: readonly Feature[]): ReadonlySet<Feature> {
    const key = granted.join()
    const set = this.#featureSets.get(key) ?? new Set(granted)
    this.#featureSets.set(key, set)
    return set
  }
}

/** The identity that the connection has shown already, if it registers its own peer again: its token may have ended. */
function provenBefore(peer: Peer | undefined, { peer_id, room_id }: Register): string | undefined {
  return peer?.id === peer_id && peer.room.id === room_id ? peer.identity : undefined
}

/** Whether a room past its end lets this peer in: a plain one that is or was in it, while it goes on for others. */
const staysBeyondEnd = (room: Room, identity: string, { peer_id, features }: Register): boolean =>
  features.length === 0 && room.hasPlainPeers && room.knowsPeer(peer_id, identity)
