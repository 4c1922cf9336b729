import type { Register } from '@parley/protocol'
import type { Invite, RoomRecord } from '../room-store/room-store.ts'
import { invitationOf } from './invites.ts'
import type { Room } from './room.ts'
import { sameSecret } from './secrets.ts'

/** Former tokens that one room remembers. */
const mostFormerTokens = 16

/** Notes that the room's token is another one now. What it was is not in the store, where it would only wait to leak. */
export function rememberToken({ formerTokens }: Room, before: string | undefined, now: string): void {
  if (before === undefined || before === now) return
  formerTokens.push(before)
  if (formerTokens.length > mostFormerTokens) formerTokens.shift()
}

/**
 * The invitation that the token in `register` is; undefined if it is the room's own, or a former one of a peer that is or
 * was in the room: that one was told no other, and must be able to come back. A guest was not told the room's token.
 * @param now seconds
 * @throws SignalingError INVALID_ROOM_TOKEN if it is none of these, or INVITE_EXPIRED
 */
export function invitationIn(
  { peer_id, token }: Pick<Register, 'peer_id' | 'token'>,
  identity: string,
  room: Room,
  record: RoomRecord,
  now: number,
): Invite | undefined {
  const known = room.peers.get(peer_id) ?? room.departed.get(peer_id)
  const mayComeBack = known?.identity === identity && !known.invited
  if (mayComeBack && room.formerTokens.some(former => sameSecret(former, token))) return undefined
  return invitationOf(record, token, now)
}
