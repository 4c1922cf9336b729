import type { RoomRecord } from '../room-store/room-store.ts'
import type { Departed, Peer, Room } from './room.ts'

/** Addresses of removed peers that one room remembers. */
const mostAddresses = 1000

/** Whether the owner of the room has removed this identity. */
export const isRemoved = ({ removed }: RoomRecord, identity: string | undefined): boolean =>
  identity !== undefined && removed.some(peer => peer.identity === identity)

/**
 * Has `expel` put out all peers of the identities that `record` has as removed. Where they are and were connected from gives
 * no right by address: somebody who was removed and shows no identity must not pass for a neighbour.
 */
export function enforceRemovals(room: Room, record: RoomRecord, expel: (peer: Peer) => void): void {
  const removed = new Set(record.removed.map(({ identity }) => identity))
  for (const [address, identity] of room.addressesOfRemoved) {
    if (!removed.has(identity)) room.addressesOfRemoved.delete(address)
  }
  if (removed.size === 0) return
  for (const peer of room.departed.values()) if (removed.has(peer.identity)) noteAddress(room, peer.address, peer)
  for (const peer of [...room.peers.values()]) {
    if (!removed.has(peer.identity)) continue
    noteAddress(room, peer.session.address, peer)
    expel(peer)
  }
}

function noteAddress(room: Room, address: string | undefined, { identity }: Peer | Departed): void {
  if (address === undefined) return
  const { addressesOfRemoved } = room
  addressesOfRemoved.set(address, identity)
  const [oldest = ''] = addressesOfRemoved.keys()
  if (addressesOfRemoved.size > mostAddresses) addressesOfRemoved.delete(oldest)
}
