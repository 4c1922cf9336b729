import { createHash } from 'node:crypto'
import { isSameName, SignalingError } from '@parley/protocol'
import type { Invite, NamedPeer, RoomRecord } from '../room-store/room-store.ts'
import { newRoomToken, sameSecret } from './secrets.ts'

/** What the owner decides of an invitation. */
export interface InviteOptions {
  /** Whether only the first peer that enters with it may do so; that one may come back. */
  readonly singleUse: boolean
  /** Seconds; undefined: it lasts as long as the room. */
  readonly ttl: number | undefined
  readonly role: string | undefined
  readonly channels: readonly string[] | undefined
}

/** Invitations that a room may have at once. */
const mostInvites = 100

/** Characters of JSON that all invitations may have, and all removed peers: they are read each time that a peer enters. */
export const mostListBytes = 65_536

const digestOf = (token: string): string => createHash('sha256').update(token).digest('hex')

/** A new invitation and its token, which is kept nowhere. @param now seconds */
export function newInvite(options: InviteOptions, now: number): { invite: Invite; token: string } {
  const token = newRoomToken()
  const digest = digestOf(token)
  const invite = {
    invite_id: digest.slice(0, 12),
    digest,
    expires_at: options.ttl === undefined ? null : now + options.ttl,
    single_use: options.singleUse,
    role: options.role ?? null,
    channels: options.channels ?? null,
    used_by: null,
  }
  return { invite, token }
}

/** @param now seconds @throws SignalingError LIMIT_REACHED */
export function withInvite(record: RoomRecord, invite: Invite, now: number): RoomRecord {
  const live = record.invites.filter(({ expires_at }) => expires_at === null || expires_at > now)
  if (live.length >= mostInvites) {
    throw new SignalingError('LIMIT_REACHED', `A room may have ${mostInvites} invitations; revoke one first.`)
  }
  // Ended ones stay while there is space, so that who comes late hears why it is not let in.
  const fits = (invites: readonly Invite[]) =>
    invites.length <= mostInvites && JSON.stringify(invites).length <= mostListBytes
  const kept = [
    [...record.invites, invite],
    [...live, invite],
  ].find(fits)
  if (kept) return { ...record, invites: kept }
  throw new SignalingError('LIMIT_REACHED', 'The invitations of the room are too long together; name fewer channels.')
}

/**
 * The invitation that `token` is; undefined if it is the room's own token.
 * @param now seconds
 * @throws SignalingError INVALID_ROOM_TOKEN if it is neither, or INVITE_EXPIRED
 */
export function invitationOf(record: RoomRecord, token: string, now: number): Invite | undefined {
  if (sameSecret(token, record.token)) return undefined
  const digest = digestOf(token)
  const invite = record.invites.find(invite => invite.digest === digest)
  if (!invite) throw new SignalingError('INVALID_ROOM_TOKEN')
  if (invite.expires_at !== null && invite.expires_at <= now) throw new SignalingError('INVITE_EXPIRED')
  return invite
}

/** Whether `peer` is the one that has entered with it. @throws SignalingError INVITE_USED if another one is */
export function isUsedBy(invite: Invite, peer: NamedPeer): boolean {
  if (!invite.used_by) return false
  const { peer_id, identity } = invite.used_by
  if (!isSameName(peer_id, peer.peer_id) || identity !== peer.identity) throw new SignalingError('INVITE_USED')
  return true
}

/** The record once `peer` has entered with its single-use invitation. @throws SignalingError INVITE_USED or INVALID_ROOM_TOKEN */
export function redeemed(record: RoomRecord, digest: string, peer: NamedPeer): RoomRecord {
  const current = record.invites.find(invite => invite.digest === digest)
  // Revoked while the peer was on its way.
  if (!current) throw new SignalingError('INVALID_ROOM_TOKEN')
  if (isUsedBy(current, peer)) return record
  const used = { ...current, used_by: peer }
  return { ...record, invites: record.invites.map(invite => (invite === current ? used : invite)) }
}
