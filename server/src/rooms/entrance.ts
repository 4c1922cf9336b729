import { metadataSize, type Register, SignalingError, toSignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'
import { withDeadline } from '../resilience/deadline.ts'
import type { RoomRecord } from '../room-store/room-store.ts'
import type { Directory } from './directory.ts'
import { isRemoved } from './removals.ts'
import type { Peer, Room } from './room.ts'
import { entryBytes, mostEntriesBytes, namesBytes } from './roster-size.ts'

export interface EntranceLimits {
  readonly peersPerRoom: number
  readonly peersPerIdentity: number
  /** Bytes that the metadata of all peers of a room may have together. */
  readonly roomMetadataBytes: number
  /** Bytes of one message. */
  readonly messageBytes: number
}

/**
 * Whether somebody whose tokens are right may enter now: the last checks of docs/protocol.md, in its order.
 * @param uptime the present one
 * @throws SignalingError PEER_REMOVED, ROOM_LOCKED, ROOM_FULL, PEER_ID_TAKEN or LIMIT_REACHED
 */
export function checkEntrance(
  room: Room,
  record: RoomRecord,
  identity: string,
  { peer_id: id, role, metadata }: Pick<Register, 'peer_id' | 'role' | 'metadata'>,
  directory: Directory,
  limits: EntranceLimits,
  uptime: number,
): void {
  const present = room.peers.get(id)
  const mine = present?.identity === identity
  if (isRemoved(record, identity)) {
    throw new SignalingError('PEER_REMOVED', 'The owner of the room has removed you.')
  }
  if (record.locked && !room.knowsPeer(id, identity) && identity !== record.created_by)
    throw new SignalingError('ROOM_LOCKED')
  const mostPeers = Math.min(record.max_peers ?? limits.peersPerRoom, limits.peersPerRoom)
  if (!mine && room.peers.size >= mostPeers) throw occupied('ROOM_FULL', room.peers.values(), uptime)
  if (present && !mine) throw occupied('PEER_ID_TAKEN', [present], uptime)
  if (!mine && directory.peersOf(identity) >= limits.peersPerIdentity) {
    throw new SignalingError('LIMIT_REACHED', `This identity already has ${limits.peersPerIdentity} peers.`)
  }
  checkSizes(room, present, { id, role, metadata }, limits)
}

/** The refusal because of `peers`; where one of them is away, it says when that one leaves if it does not come back. */
function occupied(code: 'ROOM_FULL' | 'PEER_ID_TAKEN', peers: Iterable<Peer>, uptime: number): SignalingError {
  let first = Number.POSITIVE_INFINITY
  for (const { session } of peers) first = Math.min(first, session.awayUntil ?? first)
  const retryAfter = Number.isFinite(first) ? Math.max(1, Math.ceil((first - uptime) / 1000)) : undefined
  return new SignalingError(code, undefined, { retryAfter })
}

/**
 * Has those that keep this peer out, and have long been silent, say whether they are still there. Those that are not leave
 * the room, or are away.
 * @param by when the wait ends at the latest
 */
export async function askSilentPeers(clock: Clock, by: number, ...entrance: Parameters<typeof checkEntrance>) {
  const silent = inTheWay(...entrance).flatMap(({ session: { life } }) => (life?.isSilent ? [life] : []))
  if (silent.length === 0) return
  // Where this takes too long, the refusal says who is in the way.
  await withDeadline(clock, Promise.all(silent.map(life => life.answers())), '', by).catch(() => {})
}

/** The peers that keep this one out, if nothing else does: the one with its id, or all of a room that is full. */
function inTheWay(...entrance: Parameters<typeof checkEntrance>): Peer[] {
  const [room, , , { peer_id }] = entrance
  try {
    checkEntrance(...entrance)
    return []
  } catch (error) {
    const { code } = toSignalingError(error)
    if (code === 'ROOM_FULL') return [...room.peers.values()]
    const present = room.peers.get(peer_id)
    return code === 'PEER_ID_TAKEN' && present ? [present] : []
  }
}

/**
 * Whether the room can bear `entry` instead of the peer `before`, so that who enters can be told of all.
 * @throws SignalingError LIMIT_REACHED
 */
export function checkSizes(
  room: Room,
  before: Peer | undefined,
  entry: Pick<Peer, 'id' | 'role' | 'metadata'>,
  limits: EntranceLimits,
): void {
  const { metadata, entries } = room.sizes(before)
  const own = metadataSize(entry.metadata)
  if (metadata + own > limits.roomMetadataBytes) {
    throw new SignalingError(
      'LIMIT_REACHED',
      `The metadata of all peers of a room may have ${limits.roomMetadataBytes} bytes together; say less of yourself.`,
    )
  }
  if (entries + entryBytes(namesBytes(entry.id, entry.role), own) <= mostEntriesBytes(limits.messageBytes)) return
  throw new SignalingError(
    'LIMIT_REACHED',
    'The peer ids, roles and metadata of all peers of the room would not fit into one message; use shorter ones.',
  )
}
