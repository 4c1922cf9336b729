import { type LeaveReason, SignalingError } from '@parley/protocol'
import type { Backplane } from '../backplane/backplane.ts'
import { type Clock, inTime } from '../clock.ts'
import { type Log, logFailure } from '../log.ts'
import { endOf, type RoomRecord, type RoomStore } from '../room-store/room-store.ts'
import { Directory } from './directory.ts'
import { rememberToken } from './former-tokens.ts'
import { Presence, presenceWindow } from './presence.ts'
import { enforceRemovals } from './removals.ts'
import { knows, type Peer, Room } from './room.ts'

export interface OpenRoomsParts {
  readonly store: RoomStore
  readonly backplane: Backplane
  readonly clock: Clock
  readonly log: Log
  readonly limits: {
    readonly peersPerRoom: number
    /** Seconds after its creation that a room can last at most; 0: it has no such bound. */
    readonly maxRoomTtl: number
  }
}

export const storeSilent = 'The room store does not answer.'
export const backplaneSilent = 'The other nodes cannot be reached.'

/** Identities that one room remembers, so that it can sign them out: what is beyond stays with the provider. */
const mostUsernames = 10_000

/** Seconds before its end at which a room is said to end soon. */
const warnings = [300, 60]

/** Seconds that a room of the original lasts, which does not say when it was created. */
const originalTtl = 7200

/** The rooms that are open on this node, who is in them, and how long they last. */
export class OpenRooms {
  readonly directory = new Directory()
  readonly #rooms = new Map<string, Room>()

  constructor(private readonly parts: OpenRoomsParts) {}

  get(roomId: string): Room | undefined {
    return this.#rooms.get(roomId)
  }

  values(): Iterable<Room> {
    return this.#rooms.values()
  }

  /** The room, which from now on hears what other nodes say of it. */
  open(roomId: string): Room {
    const open = this.#rooms.get(roomId)
    if (open) return open
    const { backplane, clock } = this.parts
    const room: Room = new Room(
      roomId,
      new Presence(clock),
      backplane.subscribe(roomId, ({ type }) => {
        if (type === 'room_deleted') this.end(room, new SignalingError('ROOM_DELETED'))
        else void this.#refresh(room)
      }),
    )
    this.#rooms.set(roomId, room)
    return room
  }

  /** Puts the peer into its room's roster and tells the others. */
  place(peer: Peer): void {
    const { room } = peer
    room.peers.set(peer.id, peer)
    room.departed.delete(peer.id)
    this.#remember(room, peer.username)
    this.directory.list(peer.id, room)
    this.directory.countIn(peer.identity)
    room.presence.announce({ kind: 'joined', peer }, knows(peer))
    room.presence.add(peer)
  }

  /** Takes the peer out of its room's roster, tells the others, and nothing else. */
  remove(peer: Peer, reason: LeaveReason): void {
    const { room } = peer
    peer.cancelRefresh()
    room.peers.delete(peer.id)
    if (room.admin === peer) room.admin = undefined
    this.directory.countOut(peer.identity)
    room.presence.remove(peer)
    room.presence.announce({ kind: 'left', peer, reason }, knows(peer))
  }

  /** The same for a peer that may still ask for the clean-up, and come back into a locked room. */
  leave(peer: Peer, reason: LeaveReason): void {
    const { room } = peer
    // A newer connection of this peer may have taken the place.
    if (room.peers.get(peer.id) !== peer) return
    this.remove(peer, reason)
    room.departed.set(peer.id, {
      id: peer.id,
      identity: peer.identity,
      username: peer.username,
      address: peer.link.address,
      invited: peer.invited !== undefined,
    })
    if (room.departed.size > this.parts.limits.peersPerRoom) {
      const [oldest = ''] = room.departed.keys()
      this.forgetDeparted(room, oldest)
    }
    this.parts.log.info({ room: room.id, peer: peer.id, reason }, 'peer left')
    this.forgetIfUnused(room)
  }

  forgetDeparted(room: Room, peerId: string): void {
    room.departed.delete(peerId)
    this.directory.unlist(peerId, room)
  }

  /** Disconnects a peer that may not stay. */
  expel(peer: Peer): void {
    this.remove(peer, 'removed')
    this.directory.unlist(peer.id, peer.room)
    peer.link.release(new SignalingError('PEER_REMOVED'))
    this.parts.log.info({ room: peer.room.id, peer: peer.id }, 'peer removed')
    this.forgetIfUnused(peer.room)
  }

  /** Takes `record` for what the room is, unless a later one is known; gives the one that counts. */
  update(room: Room, record: RoomRecord): RoomRecord {
    if (room.record && room.record.revision >= record.revision) return room.record
    rememberToken(room, room.record?.token, record.token)
    room.record = record
    this.#planEnd(room, record)
    enforceRemovals(room, record, peer => this.expel(peer))
    return record
  }

  /** The room is no more; its peers are told and let go. */
  end(room: Room, reason: SignalingError): void {
    if (room.ended) return
    room.ended = true
    const peers = [...room.peers.values()]
    this.#announceEnd(room, peers, reason)
    this.#forget(room)
    for (const peer of peers) peer.link.release(reason)
    this.parts.log.info({ room: room.id, peers: peers.length, code: reason.code }, 'room ended')
  }

  #announceEnd(room: Room, leaving: readonly Peer[], reason: SignalingError): void {
    // In a larger room that would be the square of its peers in messages, and `room_closed` says as much.
    if (leaving.length ** 2 <= presenceWindow.messages) {
      for (const peer of leaving) room.presence.announce({ kind: 'left', peer, reason: 'room_closed' }, knows(peer))
    }
    room.presence.proclaim({ type: 'room_closed', reason: reason.code === 'ROOM_EXPIRED' ? 'expired' : 'deleted' })
  }

  /** Lets go of a room that nobody was let into, and ends one past its end that has no plain peer any more. */
  forgetIfUnused(room: Room): void {
    if (room.entering > 0 || room.ended) return
    if (!room.record) this.#forget(room)
    else if (endOf(room.record) * 1000 <= this.parts.clock.now() && !room.hasPlainPeers) {
      this.end(room, new SignalingError('ROOM_EXPIRED'))
    }
  }

  /** Says no more of who comes and goes: all are about to go. */
  hush(): void {
    for (const { presence } of this.#rooms.values()) presence.close()
  }

  /** Forgets all rooms, without a word to anybody; they stay in the store. */
  close(): void {
    for (const room of this.#rooms.values()) this.#forget(room)
  }

  /** Clients of old sign in anew each time, under one and the same peer id. */
  #remember(room: Room, username: string): void {
    room.usernames.add(username)
    if (room.usernames.size <= mostUsernames) return
    const [oldest = ''] = room.usernames
    room.usernames.delete(oldest)
  }

  /** Another node has changed the room. */
  async #refresh(room: Room): Promise<void> {
    const { clock, store, log } = this.parts
    try {
      const record = await inTime(clock, store.get(room.id), storeSilent)
      if (record && !room.ended) this.update(room, record)
    } catch (error) {
      // The next who enters reads it again.
      logFailure(log, new SignalingError('UNAVAILABLE', undefined, { cause: error }), { room: room.id })
    }
  }

  /** Plans what comes next: a warning, or the end. It may have been planned before, for another time. */
  #planEnd(room: Room, record: RoomRecord): void {
    const { clock } = this.parts
    const { expires_at } = record
    if (expires_at === null) {
      room.cancelExpiry()
      return
    }
    const end = expires_at * 1000
    const next = Math.min(...warnings.map(seconds => end - seconds * 1000).filter(time => time > clock.now()), end)
    this.#at(room, next, () => {
      if (next === end) {
        this.#expire(room, record)
        return
      }
      room.presence.proclaim({ type: 'room_expiring', expires_at })
      this.#planEnd(room, record)
    })
  }

  /** Does `act` at that time (milliseconds since the epoch), instead of what was planned for the room before. */
  #at(room: Room, time: number, act: () => void): void {
    const { clock } = this.parts
    room.cancelExpiry()
    room.cancelExpiry = clock.after(Math.max(0, time - clock.now()), () => {
      // A timer may be early: clocks are set, and delays have an upper bound.
      if (clock.now() < time) this.#at(room, time, act)
      else act()
    })
  }

  /**
   * The room's time is over. Plain peers stay: the original never ended a room for those inside, and they may be in the
   * middle of a job. So it goes on for them, until the last has left or a room can last no longer.
   */
  #expire(room: Room, record: RoomRecord): void {
    const over = new SignalingError('ROOM_EXPIRED')
    if (!room.hasPlainPeers) {
      this.end(room, over)
      return
    }
    const leaving = [...room.peers.values()].filter(peer => !peer.isPlain)
    this.#announceEnd(room, leaving, over)
    // Plain peers have none.
    room.presence.close()
    for (const peer of leaving) {
      this.remove(peer, 'room_closed')
      this.directory.unlist(peer.id, room)
      peer.link.release(over)
    }
    this.parts.log.info({ room: room.id, released: leaving.length, stay: room.peers.size }, 'room past its end')
    const last = lastMoment(record, this.parts.limits.maxRoomTtl) * 1000
    if (Number.isFinite(last)) this.#at(room, last, () => this.end(room, over))
  }

  #forget(room: Room): void {
    room.cancelExpiry()
    room.presence.close()
    for (const peer of [...room.peers.values()]) {
      this.remove(peer, 'room_closed')
      this.directory.unlist(peer.id, room)
    }
    for (const id of room.departed.keys()) this.directory.unlist(id, room)
    if (this.#rooms.get(room.id) === room) this.#rooms.delete(room.id)
    room.subscribed.then(
      unsubscribe => unsubscribe(),
      () => {}, // there is nothing to end: whoever wanted to enter was told
    )
  }
}

/** Seconds since the epoch until which plain peers can be in the room; Infinity where `maxTtl` is 0, which is no bound. */
function lastMoment(record: RoomRecord, maxTtl: number): number {
  if (maxTtl === 0) return Number.POSITIVE_INFINITY
  const created = record.created_at ?? endOf(record) - originalTtl
  return Math.max(endOf(record), created + maxTtl)
}
