import { metadataSize, type Register, SignalingError } from '@parley/protocol'
import type { RoomRecord } from '../room-store/room-store.ts'
import type { Directory } from './directory.ts'
import type { Room } from './room.ts'

export interface EntranceLimits {
  readonly peersPerRoom: number
  readonly peersPerIdentity: number
  /** Bytes that the metadata of all peers of a room may have together. */
  readonly roomMetadataBytes: number
}

/**
 * Whether somebody whose tokens are right may enter now: the last checks of docs/protocol.md, in its order.
 * @throws SignalingError PEER_REMOVED, ROOM_LOCKED, ROOM_FULL, PEER_ID_TAKEN or LIMIT_REACHED
 */
export function checkEntrance(
  room: Room,
  record: RoomRecord,
  identity: string,
  { peer_id: id, metadata }: Pick<Register, 'peer_id' | 'metadata'>,
  directory: Directory,
  limits: EntranceLimits,
): void {
  const present = room.peers.get(id)
  const mine = present?.identity === identity
  if (record.removed.some(removed => removed.identity === identity)) {
    throw new SignalingError('PEER_REMOVED', 'The owner of the room has removed you.')
  }
  if (record.locked && !room.knowsPeer(id, identity) && identity !== record.created_by)
    throw new SignalingError('ROOM_LOCKED')
  const mostPeers = Math.min(record.max_peers ?? limits.peersPerRoom, limits.peersPerRoom)
  if (!mine && room.peers.size >= mostPeers) throw new SignalingError('ROOM_FULL')
  if (present && !mine) throw new SignalingError('PEER_ID_TAKEN')
  if (!mine && directory.peersOf(identity) >= limits.peersPerIdentity) {
    throw new SignalingError('LIMIT_REACHED', `This identity already has ${limits.peersPerIdentity} peers.`)
  }
  checkMetadata(room.metadataSize(present) + metadataSize(metadata), limits)
}

/** @param size bytes of the metadata of all peers of a room @throws SignalingError LIMIT_REACHED */
export function checkMetadata(size: number, limits: EntranceLimits): void {
  if (size <= limits.roomMetadataBytes) return
  throw new SignalingError(
    'LIMIT_REACHED',
    `The metadata of all peers of a room may have ${limits.roomMetadataBytes} bytes together; say less of yourself.`,
  )
}
