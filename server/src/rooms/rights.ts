import type { RoomRecord } from '../room-store/room-store.ts'
import type { Payer } from '../work-budget.ts'
import { isRemoved } from './removals.ts'
import type { Room } from './room.ts'
import { sameSecret } from './secrets.ts'

/** What somebody shows who wants a room or a peer deleted. */
export interface Claim {
  /** Subject of a verified ID token. */
  readonly identity: string | undefined
  /** The room's token. */
  readonly token: string | undefined
  /** The network address that the request comes from; undefined where it is not known, or proves nothing. */
  readonly address: string | undefined
  /** Who is charged for looking what that is worth; undefined: nobody. */
  readonly payer?: Payer
}

/**
 * Whether `claim` proves a right to the whole room: the identity of its creator or of a peer that is in it, or its token.
 * A peer that was let in by an invitation is a guest, and has none. Nor has an identity that the owner has removed, whatever
 * else it shows.
 */
export function provesRight(record: RoomRecord, room: Room | undefined, claim: Claim): boolean {
  if (claim.identity === record.created_by) return true
  if (isRemoved(record, claim.identity)) return false
  if (claim.token !== undefined && sameSecret(claim.token, record.token)) return true
  for (const peer of room?.peers.values() ?? []) if (!peer.invited && peer.identity === claim.identity) return true
  return false
}

/**
 * Whether `claim` gives any right to the room: a proof; or, for deployed clients that send none, the address of one of
 * its peers. Peers that have just left count: deployed clients close their connection before they ask for the clean-up. But
 * while others are there, the address of one that has left is no right to name another one. The address of a peer that was
 * removed is no right at all.
 * @param peerId the peer by which the room is named, if it is
 */
export function mayDelete(record: RoomRecord, room: Room | undefined, claim: Claim, peerId?: string): boolean {
  if (provesRight(record, room, claim)) return true
  if (room === undefined || isRemoved(record, claim.identity)) return false
  const address = room.addressesOfRemoved.has(claim.address ?? '') ? undefined : claim.address
  const isAt = (other: string | undefined) => address !== undefined && other === address
  for (const peer of room.peers.values()) if (!peer.invited && isAt(peer.session.address)) return true
  const meansAnyOrAll = peerId === undefined || room.peers.size === 0
  const named = meansAnyOrAll ? undefined : room.departed.get(peerId)
  for (const peer of room.departed.values()) {
    if (peer.invited) continue
    if (peer.identity === claim.identity) return true
    if (isAt(peer.address) && (meansAnyOrAll || peer === named)) return true
  }
  return false
}
