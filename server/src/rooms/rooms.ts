import { type Feature, features, type LeaveReason, type Register, SignalingError } from '@parley/protocol'
import { type Identified, identitySilent } from '../identity/identity.ts'
import { adapterTimeout, withDeadline } from '../resilience/deadline.ts'
import { endOf, type Invite, type RoomRecord } from '../room-store/room-store.ts'
import { type Census, census } from './census.ts'
import { CleanUp, type CleanUpParts } from './clean-up.ts'
import { CreatedRooms, type CreatedRoomsLimits, createdRoomsLimits } from './created-rooms.ts'
import { Creation, type RoomOptions } from './creation.ts'
import { checkEntrance, clearAway, type EntranceLimits } from './entrance.ts'
import { invitationIn } from './former-tokens.ts'
import { type IdTokenLimits, planIdTokenEnd } from './id-token-end.ts'
import { isUsedBy, redeemed } from './invites.ts'
import { backplaneSilent, OpenRooms, storeSilent } from './open-rooms.ts'
import { Owner } from './owner.ts'
import type { PastSize } from './past-budget.ts'
import type { Entrant } from './peer-session.ts'
import { registeredAuth } from './registered-auth.ts'
import { handleRequest, issueIceServers, type Outcome, type PeerRequest, type RequestParts } from './requests.ts'
import { Peer, type Room } from './room.ts'

export interface RoomLimits extends EntranceLimits, IdTokenLimits {
  /** Seconds that a room lives if its creator does not say. */
  readonly roomTtl: number
  /** Seconds that a room can last at most; 0: it has no such bound. */
  readonly maxRoomTtl: number
  readonly roomsPerIdentity: number
  /** Seconds that a peer with `resume` has to come back; 0: none can. */
  readonly resumeTtl: number
  /** Undefined: those that follow from `roomsPerIdentity`. */
  readonly createdRooms?: CreatedRoomsLimits
}

export interface RoomsParts extends CleanUpParts, RequestParts {
  readonly limits: RoomLimits
  /** What the TURN servers call an identity, if they tell identities apart. */
  turnUser(subject: string): string | undefined
}

/** The rooms that this node serves: who is in them, and what passes between. */
export class Rooms {
  /** What the creators of rooms may do with them. */
  readonly owner: Owner
  readonly cleanUp: CleanUp
  readonly #creation: Creation
  readonly #created: CreatedRooms
  readonly #open: OpenRooms
  readonly #requestParts: RequestParts
  readonly #featureSets = new Map<string, ReadonlySet<Feature>>()

  constructor(private readonly parts: RoomsParts) {
    this.#open = new OpenRooms(parts)
    const { clock, limits } = parts
    this.#created = new CreatedRooms(clock, limits.createdRooms ?? createdRoomsLimits(limits.roomsPerIdentity))
    this.cleanUp = new CleanUp(parts, this.#open, this.#created)
    this.owner = new Owner(parts, this.#open, this.#created, roomId => this.cleanUp.deleteRoom(roomId))
    this.#creation = new Creation(parts, this.#open, this.#created, roomId => this.cleanUp.deleteRoom(roomId))
    this.#requestParts = parts
  }

  /** @param address that the request comes from @throws SignalingError LIMIT_REACHED or UNAVAILABLE */
  create(creator: string, options: RoomOptions, address: string | undefined): Promise<RoomRecord> {
    return this.#creation.create(creator, options, address)
  }

  /**
   * Lets a peer in, or says why not: the checks of docs/protocol.md, in its order. The last part runs without a pause,
   * so that `entrant` is told of its place before anybody else can speak to it. All services together have one deadline.
   * @throws SignalingError
   */
  async join(message: Register, entrant: Entrant): Promise<void> {
    const { budget, clock, identity, slices, store } = this.parts
    const by = clock.uptime() + adapterTimeout
    const verified = identity.verify(message.id_token, provenBefore(entrant.peer, message))
    const identified = await withDeadline(clock, verified, identitySilent, by)
    const { subject } = identified
    await budget.turn({ identity: subject, address: entrant.address }, entrant.peer === undefined)
    // One after the other, so that relayed messages need not wait for all who enter at once.
    await slices.turn()
    const room = this.#open.open(message.room_id)
    room.entering++
    try {
      // First listen, then read: a deletion after the reading is heard, one before it is seen.
      await withDeadline(clock, room.subscribed, backplaneSilent, by)
      // The sentence of the original: its clients print it.
      const stored = await withDeadline(clock, store.get(message.room_id), 'DynamoDB error', by)
      const record = stored ?? this.#beyondStore(room)
      if (!record) throw new SignalingError('ROOM_NOT_FOUND')
      const invite = invitationIn(message, subject, room, record, clock.now() / 1000)
      if (endOf(record) * 1000 <= clock.now() && !staysBeyondEnd(room, subject, message)) {
        throw new SignalingError('ROOM_EXPIRED')
      }
      await clearAway(
        clock,
        by,
        room,
        record,
        subject,
        message,
        this.#open.directory,
        this.parts.limits,
        clock.uptime(),
      )
      const isFirstUse = invite?.single_use && !isUsedBy(invite, { peer_id: message.peer_id, identity: subject })
      const admitted = isFirstUse ? await this.#redeem(room, record, invite, subject, message, by) : record
      // Deleted while this was waiting.
      if (room.ended) throw new SignalingError('ROOM_NOT_FOUND')
      if (entrant.open) this.#enter(room, this.#open.update(room, admitted), identified, message, invite, entrant)
    } finally {
      room.entering--
      this.#open.forgetIfUnused(room)
    }
  }

  /**
   * Does what a registered peer asks for with `message`, which was read from `text`. It never waits for anything outside.
   * @returns a promise where the message is not handled at once: what the peer sends meanwhile has to wait
   * @throws SignalingError saying why it cannot be done
   */
  handle(peer: Peer, message: PeerRequest, text: string): Outcome | Promise<Outcome> {
    return handleRequest(peer, message, text, this.#requestParts)
  }

  /** The peer of this name in a room that this node has open, if there is one. */
  peer(roomId: string, peerId: string): Peer | undefined {
    return this.#open.get(roomId)?.peers.get(peerId)
  }

  /** The peer's connection has ended, or speaks for another peer now. */
  leave(peer: Peer, reason: LeaveReason): void {
    this.#open.leave(peer, reason)
  }

  /** Who is in the rooms of this node, and what is kept for those that are not. */
  census(): Census & { readonly past: PastSize; readonly created: CreatedRooms['size'] } {
    return { ...census(this.#open.values()), past: this.#open.past.size, created: this.#created.size }
  }

  /** Says no more of who comes and goes: all are about to go. */
  hush(): void {
    this.#open.hush()
  }

  /** Forgets all rooms of this node, without a word to anybody; they stay in the store. */
  close(): void {
    this.#open.close()
  }

  /**
   * The record of a room that the store does not have: a store may have cleared away a room that has ended, while plain
   * peers are still in it. Before its end it was deleted, by one who could not say so here.
   */
  #beyondStore(room: Room): RoomRecord | undefined {
    const { record } = room
    if (!record) return undefined
    if (room.isPastEnd || endOf(record) * 1000 <= this.parts.clock.now()) return room.hasPlainPeers ? record : undefined
    this.#open.end(room, new SignalingError('ROOM_DELETED'))
    return undefined
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
    checkEntrance(room, record, identity, message, this.#open.directory, limits, clock.uptime())
    const holder = { peer_id: message.peer_id, identity }
    const change = (current: RoomRecord) => redeemed(current, invite.digest, holder)
    const updated = await withDeadline(clock, store.update(record.room_id, change), storeSilent, by)
    if (!updated) throw new SignalingError('ROOM_NOT_FOUND')
    return updated
  }

  #enter(
    room: Room,
    record: RoomRecord,
    { subject, username, expiresAt }: Identified,
    message: Register,
    invite: Invite | undefined,
    entrant: Entrant,
  ): void {
    const { clock, limits, log, metrics } = this.parts
    const { peer_id: id } = message
    checkEntrance(room, record, subject, message, this.#open.directory, limits, clock.uptime())

    const present = room.peers.get(id)
    const wasAdmin = present !== undefined && room.admin === present
    const before = entrant.peer
    if (present) this.#open.remove(present, 'replaced')
    if (before && before !== present) this.#open.leave(before, 'left')

    const granted = this.#featureSet(features.filter(feature => this.#grants(feature, message)))
    const session = entrant.openSession(granted)
    const peer = new Peer(
      id,
      room,
      subject,
      username,
      session,
      invite?.role ?? message.role,
      message.metadata,
      granted,
      message.features.length === 0,
      invite?.channels ?? message.channels,
      clock.now(),
      invite && { channelsFixed: invite.channels !== null },
    )
    const { admin } = room
    if (message.is_admin || wasAdmin) room.admin ??= peer
    this.#created.entered(room.id)
    this.#open.place(peer)
    if (present && present !== before) present.session.release(new SignalingError('PEER_REPLACED'))
    const reply = registeredAuth(
      peer,
      record,
      message,
      invite,
      issueIceServers(peer, this.#requestParts),
      session.grant,
    )
    if (message.is_admin && admin) {
      entrant.welcome(peer, reply, { type: 'admin_conflict', room_id: room.id, current_admin: admin.id })
    } else {
      entrant.welcome(peer, reply)
    }
    planIdTokenEnd(peer, expiresAt, this.parts)
    metrics.registrations++
    const turn_user = this.parts.turnUser(subject)
    const replaced = present !== undefined
    log.info({ room: room.id, peer: id, role: peer.role, replaced, turn_user }, 'peer registered')
  }

  #grants(feature: Feature, { features: asked }: Register): boolean {
    return asked.includes(feature) && (feature !== 'resume' || this.parts.limits.resumeTtl > 0)
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
