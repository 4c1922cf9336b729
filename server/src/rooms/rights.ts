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
 * Whether `claim` gives a right to the room: the identity of its creator or of one of its peers; its token; or, for
 * deployed clients that send neither, the address of one of its peers. Peers that have just left count: deployed
 * clients close their connection before they ask for the clean-up. Who was let in by an invitation is a guest and may
 * not.
 */
export function mayDelete(record: RoomRecord, room: Room | undefined, claim: Claim): boolean {
  if (claim.identity === record.created_by) return true
  if (claim.token !== undefined && sameSecret(claim.token, record.token)) return true
  for (const peer of room?.peers.values() ?? []) {
    if (peer.invited) continue
    if (peer.identity === claim.identity || peer.link.address === claim.address) return true
  }
  for (const peer of room?.departed.values() ?? []) {
    if (peer.invited) continue
    if (peer.identity === claim.identity || peer.address === claim.address) return true
  }
  return false
}
