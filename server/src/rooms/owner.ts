import { isSameName, SignalingError } from '@parley/protocol'
import { reasons } from '../log.ts'
import { withDeadline } from '../resilience/deadline.ts'
import { endOf, type RoomRecord } from '../room-store/room-store.ts'
import type { CreatedRooms } from './created-rooms.ts'
import { type InviteOptions, mostListBytes, newInvite, withInvite } from './invites.ts'
import { type RoomRegistry, type RoomRegistryParts, storeSilent } from './room-registry.ts'
import { type InviteView, inviteView, type RoomDetails, type RoomView, roomDetails, roomView } from './room-views.ts'
import { newRoomToken } from './secrets.ts'

/** What the owner of a room may change; what is undefined stays. */
export interface RoomChanges {
  /** Seconds from now to the end; null: the room does not end. */
  readonly ttl?: number | null | undefined
  readonly name?: string | null | undefined
  readonly maxPeers?: number | null | undefined
  readonly locked?: boolean | undefined
  /** Whether it gets another token, and the one that it has lets nobody new in. */
  readonly rotateToken?: boolean | undefined
}

/** Peers that a room keeps out at most. */
const mostRemoved = 1000

/**
 * What the creator of a room may do with it. Every member throws SignalingError: FORBIDDEN to everybody else,
 * ROOM_NOT_FOUND, ROOM_EXPIRED, UNAVAILABLE if the store does not answer.
 */
export class Owner {
  constructor(
    private readonly parts: RoomRegistryParts,
    private readonly registry: RoomRegistry,
    private readonly created: CreatedRooms,
    private readonly deleteRoom: (roomId: string) => Promise<void>,
  ) {}

  /** The live rooms of this identity, in order of their end. */
  async rooms(identity: string): Promise<RoomView[]> {
    const { clock, store } = this.parts
    const records = await withDeadline(clock, store.createdBy(identity, clock.now() / 1000), storeSilent)
    return records.map(record => roomView(record, this.registry.get(record.room_id)))
  }

  inspect(identity: string, roomId: string): Promise<RoomDetails> {
    return this.registry.claims.serving(roomId, async () => {
      const record = await this.#own(identity, roomId)
      return roomDetails(record, this.registry.get(roomId))
    })
  }

  async change(identity: string, roomId: string, changes: RoomChanges): Promise<RoomDetails> {
    const now = Math.floor(this.parts.clock.now() / 1000)
    const token = changes.rotateToken ? newRoomToken() : undefined
    const record = await this.#change(identity, roomId, before => ({
      ...before,
      expires_at: changes.ttl === undefined ? before.expires_at : changes.ttl === null ? null : now + changes.ttl,
      name: changes.name === undefined ? before.name : changes.name,
      max_peers: changes.maxPeers === undefined ? before.max_peers : changes.maxPeers,
      locked: changes.locked ?? before.locked,
      token: token ?? before.token,
    }))
    return roomDetails(record, this.registry.get(record.room_id))
  }

  /** Ends the room for all, also past its end, while plain peers are in it. */
  delete(identity: string, roomId: string): Promise<void> {
    return this.registry.claims.serving(roomId, async () => {
      // The store may know it no more: it has cleared it away, or has deleted it without being able to say so.
      const record = this.registry.get(roomId)?.record
      if (record) checkOwner(identity, record)
      else await this.#own(identity, roomId)
      await this.deleteRoom(roomId)
    })
  }

  /**
   * Disconnects a peer, with all others of its identity, and keeps that identity out until it is readmitted. Peers of the
   * owner itself are disconnected, but may come back.
   * @throws SignalingError PEER_NOT_FOUND if it is not and was not in the room; LIMIT_REACHED
   */
  removePeer(identity: string, roomId: string, peerId: string): Promise<void> {
    return this.registry.claims.serving(roomId, () => this.#remove(identity, roomId, peerId))
  }

  async #remove(identity: string, roomId: string, peerId: string): Promise<void> {
    await this.#own(identity, roomId)
    const room = this.registry.get(roomId)
    const peer = room?.peers.get(peerId)
    const named = peer ?? room?.departed.get(peerId)
    if (!named) throw new SignalingError('PEER_NOT_FOUND')
    if (named.identity === identity) {
      if (peer) this.registry.expel(peer)
      return
    }
    await this.#change(identity, roomId, before => {
      if (before.removed.some(removed => isSameName(removed.peer_id, peerId) && removed.identity === named.identity))
        return before
      const removed = [...before.removed, { peer_id: peerId, identity: named.identity }]
      if (removed.length > mostRemoved || JSON.stringify(removed).length > mostListBytes) {
        throw new SignalingError('LIMIT_REACHED', 'The room keeps too many peers out; lock it instead.')
      }
      return { ...before, removed }
    })
  }

  /** Lets the identity of a removed peer in again. @throws SignalingError PEER_NOT_FOUND if no such peer was removed */
  async readmit(identity: string, roomId: string, peerId: string): Promise<void> {
    await this.#change(identity, roomId, before => {
      const welcome = new Set(
        before.removed.filter(({ peer_id }) => isSameName(peer_id, peerId)).map(peer => peer.identity),
      )
      if (welcome.size === 0) throw new SignalingError('PEER_NOT_FOUND', 'No such peer was removed from the room.')
      return { ...before, removed: before.removed.filter(peer => !welcome.has(peer.identity)) }
    })
  }

  /** A join token that lets somebody in without the room's own. @throws SignalingError LIMIT_REACHED */
  async invite(identity: string, roomId: string, options: InviteOptions): Promise<InviteView & { token: string }> {
    const now = Math.floor(this.parts.clock.now() / 1000)
    const { invite, token } = newInvite(options, now)
    await this.#change(
      identity,
      roomId,
      before => withInvite(before, invite, now),
      // Nobody knows its token.
      before => ({ ...before, invites: before.invites.filter(({ invite_id }) => invite_id !== invite.invite_id) }),
    )
    return { ...inviteView(invite), token }
  }

  /** Whoever has entered with the invitation stays. @throws SignalingError INVITE_NOT_FOUND */
  async revoke(identity: string, roomId: string, inviteId: string): Promise<void> {
    await this.#change(identity, roomId, before => {
      const invites = before.invites.filter(({ invite_id }) => invite_id !== inviteId)
      if (invites.length === before.invites.length) throw new SignalingError('INVITE_NOT_FOUND')
      return { ...before, invites }
    })
  }

  async #own(identity: string, roomId: string): Promise<RoomRecord> {
    const { clock, store } = this.parts
    const record = await withDeadline(clock, store.get(roomId), storeSilent)
    if (!record) throw new SignalingError('ROOM_NOT_FOUND')
    this.#check(identity, record)
    return record
  }

  #check(identity: string, record: RoomRecord): void {
    checkOwner(identity, record)
    if (endOf(record) * 1000 <= this.parts.clock.now()) throw new SignalingError('ROOM_EXPIRED')
  }

  /**
   * Changes the record. Once the store has written it, this node acts on it, and nothing that fails then makes that an
   * error. That is so, too, where the store answers so late that the caller has been told that it does not.
   * @param undo what takes such a change back, if it is of no use to anybody
   */
  #change(
    identity: string,
    roomId: string,
    change: (before: RoomRecord) => RoomRecord,
    undo?: (before: RoomRecord) => RoomRecord,
  ): Promise<RoomRecord> {
    return this.registry.claims.serving(roomId, () => this.#write(identity, roomId, change, undo))
  }

  async #write(
    identity: string,
    roomId: string,
    change: (before: RoomRecord) => RoomRecord,
    undo: ((before: RoomRecord) => RoomRecord) | undefined,
  ): Promise<RoomRecord> {
    const { clock, store } = this.parts
    const checked = (before: RoomRecord) => {
      this.#check(identity, before)
      const after = change(before)
      this.created.expectGrowth(after)
      return after
    }
    const writing = store.update(roomId, checked).then(record => this.#written(roomId, record))
    return withDeadline(clock, writing, storeSilent).catch(error => {
      if (undo) void this.#takeBack(roomId, writing, undo)
      throw error
    })
  }

  /** @throws SignalingError ROOM_NOT_FOUND */
  #written(roomId: string, record: RoomRecord | undefined): RoomRecord {
    if (!record) throw new SignalingError('ROOM_NOT_FOUND')
    this.created.changed(record)
    const room = this.registry.get(roomId)
    if (room) this.registry.update(room, record)
    this.parts.emit({ type: 'changed', room: roomId, revision: record.revision })
    return record
  }

  /** Takes a change back, if `writing` has made it after all. */
  async #takeBack(roomId: string, writing: Promise<unknown>, undo: (before: RoomRecord) => RoomRecord): Promise<void> {
    const isWritten = await writing.then(
      () => true,
      () => false,
    )
    if (!isWritten) return
    const { store, log } = this.parts
    await store
      .update(roomId, undo)
      .then(record => record && this.#written(roomId, record))
      .catch(error => log.warn({ room: roomId, cause: reasons(error) }, 'late change not taken back'))
  }
}

function checkOwner(identity: string, { created_by }: RoomRecord): void {
  if (created_by !== identity) {
    throw new SignalingError('FORBIDDEN', 'Only the identity that created the room may do this.')
  }
}
