import { type Feature, features, type Register, SignalingError, toSignalingError } from '@parley/protocol'
import { type Identified, type Identity, identitySilent } from '../identity/identity.ts'
import { adapterTimeout, withDeadline } from '../resilience/deadline.ts'
import { endOf, type Invite, type RoomRecord } from '../room-store/room-store.ts'
import type { CreatedRooms } from './created-rooms.ts'
import { askSilentPeers, checkEntrance, type EntranceLimits } from './entrance.ts'
import { invitationIn } from './former-tokens.ts'
import { type IdTokenLimits, planIdTokenEnd } from './id-token-end.ts'
import { isUsedBy, redeemed } from './invites.ts'
import type { Entrant } from './peer-session.ts'
import { registeredAuth } from './registered-auth.ts'
import { issueIceServers, type RequestParts } from './requests.ts'
import { Peer, type Room } from './room.ts'
import { type RoomRegistry, type RoomRegistryParts, storeSilent } from './room-registry.ts'
import { ServedElsewhere } from './served-elsewhere.ts'

export interface AdmissionLimits extends EntranceLimits, IdTokenLimits {
  /** Seconds that a peer with `resume` has to come back; 0: none can. */
  readonly resumeTtl: number
}

export interface AdmissionParts extends RoomRegistryParts, RequestParts {
  readonly identity: Identity
  readonly limits: RoomRegistryParts['limits'] & AdmissionLimits
  /** What the TURN servers call an identity, if they tell identities apart. */
  turnUser(subject: string): string | undefined
}

/** Lets peers into rooms, or says why not. */
export class Admission {
  readonly #featureSets = new Map<string, ReadonlySet<Feature>>()

  constructor(
    private readonly parts: AdmissionParts,
    private readonly registry: RoomRegistry,
    private readonly created: CreatedRooms,
  ) {}

  /** See `Rooms.join`. @throws SignalingError */
  async admit(message: Register, entrant: Entrant): Promise<void> {
    const by = this.parts.clock.uptime() + adapterTimeout
    let found: Room | undefined
    try {
      const identified = await this.#identify(message, entrant, by)
      const room = this.registry.open(message.room_id)
      room.entering++
      try {
        const record = await this.#find(room, by)
        found = room
        await this.#letIn(room, record, identified, message, entrant, by)
      } finally {
        room.entering--
        this.registry.forgetIfUnused(room)
      }
    } catch (error) {
      if (error instanceof ServedElsewhere) throw error
      const { code } = toSignalingError(error)
      this.parts.emit({ type: 'refused', room: found?.id, peer: message.peer_id, code })
      throw error
    }
  }

  async #identify(message: Register, entrant: Entrant, by: number): Promise<Identified> {
    const { budget, clock, identity, slices } = this.parts
    const verified = identity.verify(message.id_token, provenBefore(entrant.peer, message))
    const identified = await withDeadline(clock, verified, identitySilent, by)
    await budget.turn({ identity: identified.subject, address: entrant.address }, entrant.peer === undefined)
    // One after the other, so that relayed messages need not wait for all who enter at once.
    await slices.nextTurn()
    return identified
  }

  /** @throws SignalingError ROOM_NOT_FOUND or UNAVAILABLE */
  async #find(room: Room, by: number): Promise<RoomRecord> {
    const { clock, store } = this.parts
    // First claim, then read: a deletion after the reading is done here, one before it is seen.
    await this.registry.claims.expectHere(room.claimed, by)
    // The sentence of the original: its clients print it.
    const stored = await withDeadline(clock, store.get(room.id), 'DynamoDB error', by)
    const record = stored ?? this.#recordNotInStore(room)
    if (!record) throw new SignalingError('ROOM_NOT_FOUND')
    return record
  }

  /**
   * The record of a room that the store does not have: a store may have cleared away a room that has ended, while plain
   * peers are still in it. Before its end it was deleted, by one who could not say so here.
   */
  #recordNotInStore(room: Room): RoomRecord | undefined {
    const { record } = room
    if (!record) return undefined
    if (room.state === 'past_end' || endOf(record) * 1000 <= this.parts.clock.now())
      return room.hasPlainPeers ? record : undefined
    this.registry.end(room, new SignalingError('ROOM_DELETED'))
    return undefined
  }

  async #letIn(
    room: Room,
    record: RoomRecord,
    identified: Identified,
    message: Register,
    entrant: Entrant,
    by: number,
  ): Promise<void> {
    const { clock, limits } = this.parts
    const { subject } = identified
    const invite = invitationIn(message, subject, room, record, clock.now() / 1000)
    if (endOf(record) * 1000 <= clock.now() && !mayEnterPastEnd(room, subject, message)) {
      throw new SignalingError('ROOM_EXPIRED')
    }
    const { directory } = this.registry
    await askSilentPeers(clock, by, room, record, subject, message, directory, limits, clock.uptime())
    const isFirstUse = invite?.single_use && !isUsedBy(invite, { peer_id: message.peer_id, identity: subject })
    const admitted = isFirstUse ? await this.#redeem(room, record, invite, subject, message, by) : record
    // Deleted while this was waiting.
    if (room.state === 'ended') throw new SignalingError('ROOM_NOT_FOUND')
    if (entrant.open) this.#enter(room, this.registry.update(room, admitted), identified, message, invite, entrant)
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
    checkEntrance(room, record, identity, message, this.registry.directory, limits, clock.uptime())
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
    const { clock, emit, limits } = this.parts
    const { peer_id: id } = message
    checkEntrance(room, record, subject, message, this.registry.directory, limits, clock.uptime())

    const present = room.peers.get(id)
    const wasAdmin = present !== undefined && room.admin === present
    const before = entrant.peer
    if (present) this.registry.remove(present, 'replaced')
    if (before && before !== present) this.registry.leave(before, 'left')

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
    this.created.entered(room.id)
    this.registry.place(peer)
    if (present && present !== before) present.session.release(new SignalingError('PEER_REPLACED'))
    const reply = registeredAuth(peer, record, message, invite, issueIceServers(peer, this.parts), session.grant)
    if (message.is_admin && admin) {
      entrant.welcome(peer, reply, { type: 'admin_conflict', room_id: room.id, current_admin: admin.id })
    } else {
      entrant.welcome(peer, reply)
    }
    planIdTokenEnd(peer, expiresAt, this.parts)
    const replaced = present !== undefined
    const turnUser = this.parts.turnUser(subject)
    emit({ type: 'joined', room: room.id, peer: id, role: peer.role, replaced, turnUser })
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
const mayEnterPastEnd = (room: Room, identity: string, { peer_id, features }: Register): boolean =>
  features.length === 0 && room.hasPlainPeers && room.knowsPeer(peer_id, identity)
