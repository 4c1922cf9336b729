import { isSameName, type JsonObject, type PeerDescription, SignalingError } from '@parley/protocol'
import { reasons } from '../log.ts'
import { adapterTimeout, withDeadline } from '../resilience/deadline.ts'
import { endOf, type Invite, type RoomRecord, type RoomSummary } from '../room-store/room-store.ts'
import type { CreatedRooms } from './created-rooms.ts'
import { type InviteOptions, mostListBytes, newInvite, withInvite } from './invites.ts'
import { type OpenRooms, type OpenRoomsParts, storeSilent } from './open-rooms.ts'
import { describe } from './room.ts'
import { newRoomToken } from './secrets.ts'

/** A room as its owner sees it. */
export interface RoomView {
  readonly room_id: string
  readonly token: string
  /** Seconds since the epoch; null: the room does not end. */
  readonly expires_at: number | null
  readonly name: string | null
  readonly max_peers: number | null
  readonly locked: boolean
  readonly metadata: JsonObject
  /** Peers that are in it now. */
  readonly peer_count: number
}

export interface RoomDetails extends RoomView {
  readonly peers: readonly (PeerDescription & { readonly channels: readonly string[] })[]
  readonly admin_peer_id: string | null
  /** Those that may not come back, by id. */
  readonly removed: readonly string[]
  readonly invites: readonly InviteView[]
}

/** An invitation without what would let anybody in. */
export interface InviteView extends Omit<Invite, 'digest' | 'used_by'> {
  /** Who has entered with it, by id. */
  readonly used_by: string | null
}

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
    private readonly parts: OpenRoomsParts,
    private readonly open: OpenRooms,
    private readonly created: CreatedRooms,
    private readonly deleteRoom: (roomId: string) => Promise<void>,
  ) {}

  /** The live rooms of this identity, in order of their end. */
  async rooms(identity: string): Promise<RoomView[]> {
    const { clock, store } = this.parts
    const records = await withDeadline(clock, store.createdBy(identity, clock.now() / 1000), storeSilent)
    return records.map(record => this.#view(record))
  }

  async inspect(identity: string, roomId: string): Promise<RoomDetails> {
    return this.#details(await this.#own(identity, roomId))
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
    return this.#details(record)
  }

  /** Ends the room for all, also past its end, while plain peers are in it. */
  async delete(identity: string, roomId: string): Promise<void> {
    // The store may know it no more: it has cleared it away, or has deleted it without being able to say so.
    const record = this.open.get(roomId)?.record
    if (record) checkOwner(identity, record)
    else await this.#own(identity, roomId)
    await this.deleteRoom(roomId)
  }

  /**
   * Disconnects a peer, with all others of its identity, and keeps that identity out until it is readmitted. Peers of the
   * owner itself are disconnected, but may come back.
   * @throws SignalingError PEER_NOT_FOUND if it is not and was not in the room; LIMIT_REACHED
   */
  async removePeer(identity: string, roomId: string, peerId: string): Promise<void> {
    await this.#own(identity, roomId)
    const room = this.open.get(roomId)
    const peer = room?.peers.get(peerId)
    const named = peer ?? room?.departed.get(peerId)
    if (!named) throw new SignalingError('PEER_NOT_FOUND')
    if (named.identity === identity) {
      if (peer) this.open.expel(peer)
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
  async #change(
    identity: string,
    roomId: string,
    change: (before: RoomRecord) => RoomRecord,
    undo?: (before: RoomRecord) => RoomRecord,
  ): Promise<RoomRecord> {
    const { clock, store, log } = this.parts
    const by = clock.uptime() + adapterTimeout
    const checked = (before: RoomRecord) => {
      this.#check(identity, before)
      const after = change(before)
      this.created.expectGrowth(after)
      return after
    }
    const writing = store.update(roomId, checked).then(record => this.#written(roomId, record, by))
    const { record, told } = await withDeadline(clock, writing, storeSilent, by).catch(error => {
      if (undo) void this.#takeBack(roomId, writing, undo)
      throw error
    })
    await told
    log.info({ room: roomId, revision: record.revision }, 'room changed')
    return record
  }

  /** @throws SignalingError ROOM_NOT_FOUND */
  #written(roomId: string, record: RoomRecord | undefined, by: number) {
    if (!record) throw new SignalingError('ROOM_NOT_FOUND')
    this.created.changed(record)
    const room = this.open.get(roomId)
    if (room) this.open.update(room, record)
    return { record, told: this.open.tell({ type: 'room_changed', room_id: roomId }, by) }
  }

  /** Takes a change back, if `writing` has made it after all. */
  async #takeBack(roomId: string, writing: Promise<unknown>, undo: (before: RoomRecord) => RoomRecord): Promise<void> {
    const isWritten = await writing.then(
      () => true,
      () => false,
    )
    if (!isWritten) return
    const { clock, store, log } = this.parts
    await store
      .update(roomId, undo)
      .then(record => record && this.#written(roomId, record, clock.uptime() + adapterTimeout).told)
      .catch(error => log.warn({ room: roomId, cause: reasons(error) }, 'late change not taken back'))
  }

  #view({ room_id, token, expires_at, name, max_peers, locked, metadata }: RoomSummary): RoomView {
    const peer_count = this.open.get(room_id)?.peers.size ?? 0
    return { room_id, token, expires_at, name, max_peers, locked, metadata, peer_count }
  }

  #details(record: RoomRecord): RoomDetails {
    const room = this.open.get(record.room_id)
    return {
      ...this.#view(record),
      peers: [...(room?.peers.values() ?? [])].map(peer => ({ ...describe(peer), channels: [...peer.channels] })),
      admin_peer_id: room?.admin?.id ?? null,
      removed: record.removed.map(({ peer_id }) => peer_id),
      invites: record.invites.map(inviteView),
    }
  }
}

function checkOwner(identity: string, { created_by }: RoomRecord): void {
  if (created_by !== identity) {
    throw new SignalingError('FORBIDDEN', 'Only the identity that created the room may do this.')
  }
}

const inviteView = ({ digest: _, used_by, ...invite }: Invite): InviteView => ({
  ...invite,
  used_by: used_by?.peer_id ?? null,
})
