import type { RoomRecord } from '../room-store/room-store.ts'
import type { Room } from './room.ts'
import { sameSecret } from './secrets.ts'

/** What somebody shows who wants a room or a peer deleted. */
export interface Claim {
  /** Subject of a verified ID token. */
  readonly identity: string | undefined
  /** The room's token. */
  readonly token: string | undefined
  /** The network address that the request comes from; undefined where addresses prove nothing. */
  readonly address: string | undefined
}

/**
 * Whether `claim` proves a right to the whole room: the identity of its creator or of a peer that is in it, or its token.
 * A peer that was let in by an invitation is a guest, and has none.
 */
export function provesRight(record: RoomRecord, room: Room | undefined, claim: Claim): boolean {
  if (claim.identity === record.created_by) return true
  if (claim.token !== undefined && sameSecret(claim.token, record.token)) return true
  for (const peer of room?.peers.values() ?? []) if (!peer.invited && peer.identity === claim.identity) return true
  return false
}

/**
 * Whether `claim` gives any right to the room: a proof; or, for deployed clients that send none, the address of one of
 * its peers. Peers that have just left count: deployed clients close their connection before they ask for the clean-up.
 */
export function mayDelete(record: RoomRecord, room: Room | undefined, claim: Claim): boolean {
  if (provesRight(record, room, claim)) return true
  for (const peer of room?.peers.values() ?? []) {
    if (!peer.invited && peer.link.address === claim.address) return true
  }
  for (const peer of room?.departed.values() ?? []) {
    if (peer.invited) continue
    if (peer.identity === claim.identity || peer.address === claim.address) return true
  }
  return false
}
