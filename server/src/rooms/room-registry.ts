import { type LeaveReason, SignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'
import type { Cluster, Placement } from '../cluster/cluster.ts'
import type { Log } from '../log.ts'
import type { RoomRecord, RoomStore } from '../room-store/room-store.ts'
import type { TimeSlices } from '../time-slices.ts'
import type { WorkBudget } from '../work-budget.ts'
import { Claims, claimFor } from './claims.ts'
import { Directory } from './directory.ts'
import { Endings } from './endings.ts'
import { rememberToken } from './former-tokens.ts'
import { Past } from './past.ts'
import type { PastLimits } from './past-budget.ts'
import { Presence, presenceWindow } from './presence.ts'
import { enforceRemovals } from './removals.ts'
import { type Peer, Room } from './room.ts'
import type { Emit } from './room-events.ts'

export interface RoomRegistryParts {
  readonly store: RoomStore
  readonly cluster: Cluster
  readonly clock: Clock
  readonly log: Log
  readonly emit: Emit
  readonly budget: WorkBudget
  readonly slices: TimeSlices
  readonly limits: {
    readonly peersPerRoom: number
    /** Seconds after its creation that a room can last at most; 0: it has no such bound. */
    readonly maxRoomTtl: number
    readonly past?: PastLimits
  }
}

const moved = () => new SignalingError('SHUTTING_DOWN', 'The room has moved to another node.', { retryAfter: 1 })

export const storeSilent = 'The room store does not answer.'

/** The rooms that are open on this node, who is in them, and how long they last. */
export class RoomRegistry {
  readonly directory: Directory
  readonly #rooms = new Map<string, Room>()
  /** Which rooms this node serves. */
  readonly claims: Claims
  /** What is remembered of peers that have left. */
  readonly past: Past
  readonly #endings: Endings

  constructor(private readonly parts: RoomRegistryParts) {
    const { clock, limits } = parts
    const over = new SignalingError('ROOM_EXPIRED')
    this.directory = new Directory(parts)
    this.claims = new Claims(parts, this.#rooms)
    this.past = new Past(parts, this.directory, room => this.forgetIfUnused(room))
    this.#endings = new Endings({
      clock,
      maxRoomTtl: limits.maxRoomTtl,
      warn: (room, expires_at) => room.presence.proclaim({ type: 'room_expiring', expires_at }),
      expire: room => this.#expire(room, over),
      end: room => this.end(room, over),
    })
  }

  get(roomId: string): Room | undefined {
    return this.#rooms.get(roomId)
  }

  values(): Iterable<Room> {
    return this.#rooms.values()
  }

  /** The room, which this node claims. */
  open(roomId: string): Room {
    const open = this.#rooms.get(roomId)
    if (open) return open
    const { clock, cluster, slices } = this.parts
    const room = new Room(roomId, new Presence(clock, slices), cluster.claim(roomId, claimFor))
    // Those that wait for it are told.
    room.claimed.catch(() => {})
    this.#rooms.set(roomId, room)
    return room
  }

  /** Puts the peer into its room's roster and tells the others. */
  place(peer: Peer): void {
    const { room } = peer
    room.peers.set(peer.id, peer)
    room.weigh(peer, 1)
    this.past.welcome(peer)
    this.directory.list(peer.id, room)
    this.directory.countIn(peer.identity)
    room.presence.joined(peer)
    room.presence.add(peer)
    // The room has gone to another node while this one entered.
    if (this.#rooms.get(room.id) !== room) queueMicrotask(() => peer.session.close(moved()))
  }

  /** Takes the peer out of its room's roster, tells the others, and nothing else. */
  remove(peer: Peer, reason: LeaveReason): void {
    const { room } = peer
    peer.cancelRefresh()
    peer.cancelTokenEnd()
    room.peers.delete(peer.id)
    room.weigh(peer, -1)
    if (room.admin === peer) room.admin = undefined
    this.directory.countOut(peer.identity)
    room.presence.remove(peer)
    room.presence.left(peer, reason)
  }

  /** The same for a peer that may still ask for the clean-up, and come back into a locked room. */
  leave(peer: Peer, reason: LeaveReason): void {
    const { room } = peer
    // Registered again, it may have taken its own place.
    if (room.peers.get(peer.id) !== peer) return
    this.remove(peer, reason)
    this.past.rememberPeer(peer)
    this.parts.emit({ type: 'left', room: room.id, peer: peer.id, reason })
    this.forgetIfUnused(room)
  }

  /** Disconnects a peer that may not stay. */
  expel(peer: Peer): void {
    const { room } = peer
    this.remove(peer, 'removed')
    this.directory.unlist(peer.id, room)
    peer.session.release(new SignalingError('PEER_REMOVED'))
    this.parts.emit({ type: 'removed', room: room.id, peer: peer.id })
    this.past.rememberUser(peer)
    this.forgetIfUnused(room)
  }

  /** Takes `record` for what the room is, unless a later one is known; gives the one that counts. */
  update(room: Room, record: RoomRecord): RoomRecord {
    if (room.record && room.record.revision >= record.revision) return room.record
    const isPlanned = room.record?.expires_at === record.expires_at
    rememberToken(room, room.record?.token, record.token)
    room.record = record
    this.past.weighAgain(room, record)
    if (!isPlanned) this.#endings.plan(room, record)
    enforceRemovals(room, record, peer => this.expel(peer))
    return record
  }

  /** The room is no more; its peers are told and let go. */
  end(room: Room, reason: SignalingError): void {
    if (room.state === 'ended') return
    room.state = 'ended'
    const peers = [...room.peers.values()]
    this.#announceEnd(room, peers, reason)
    this.#forget(room)
    for (const peer of peers) peer.session.release(reason)
    this.parts.emit({ type: 'ended', room: room.id, peers: peers.length, code: reason.code })
  }

  #announceEnd(room: Room, leaving: readonly Peer[], reason: SignalingError): void {
    // In a larger room that would be the square of its peers in messages, and `room_closed` says as much.
    if (leaving.length ** 2 <= presenceWindow.messages) {
      for (const peer of leaving) room.presence.left(peer, 'room_closed')
    }
    room.presence.proclaim({ type: 'room_closed', reason: reason.code === 'ROOM_EXPIRED' ? 'expired' : 'deleted' })
  }

  /** Lets go of a room in which nobody is and that remembers nobody; ends one past its end without plain peers. */
  forgetIfUnused(room: Room): void {
    if (room.entering > 0) return
    switch (room.state) {
      case 'open':
        if (room.peers.size + room.departed.size + room.users.size === 0) this.#forget(room)
        return
      case 'past_end':
        if (!room.hasPlainPeers) this.end(room, new SignalingError('ROOM_EXPIRED'))
        return
      case 'ended':
        return
      default:
        room.state satisfies never
    }
  }

  /** Another node serves the room now. Its peers come back, and are let in there. */
  lost(roomId: string, to: Placement): void {
    const room = this.#rooms.get(roomId)
    if (!room) return
    room.claimed = Promise.resolve(to)
    room.presence.close()
    for (const { session } of [...room.peers.values()]) session.close(moved())
    // What is remembered of those that have left counts no more, and must not keep the next one from asking who serves it.
    this.#forget(room)
    this.parts.emit({ type: 'moved', room: roomId, node: to.node })
  }

  /** The record of a room that is open and this node's. */
  recordOf(roomId: string): RoomRecord | undefined {
    const room = this.#rooms.get(roomId)
    return room?.state === 'open' ? room.record : undefined
  }

  /** Says no more of who comes and goes: all are about to go. */
  stopPresence(): void {
    for (const { presence } of this.#rooms.values()) presence.close()
  }

  /** Forgets all rooms, without a word to anybody; they stay in the store. */
  close(): void {
    for (const room of this.#rooms.values()) {
      // Those that have a connection have left with it.
      for (const { session } of [...room.peers.values()]) session.close(new SignalingError('SHUTTING_DOWN'))
      this.#forget(room)
    }
  }

  /**
   * The room's time is over. Plain peers stay: the original never ended a room for those inside, and they may be in the
   * middle of a job. So it goes on for them, until the last has left or a room can last no longer.
   */
  #expire(room: Room, over: SignalingError): boolean {
    if (!room.hasPlainPeers) {
      this.end(room, over)
      return false
    }
    const leaving = [...room.peers.values()].filter(peer => !peer.isPlain)
    this.#announceEnd(room, leaving, over)
    // Plain peers have none.
    room.presence.close()
    for (const peer of leaving) {
      this.remove(peer, 'room_closed')
      this.directory.unlist(peer.id, room)
      this.past.rememberUser(peer)
      peer.session.release(over)
    }
    this.parts.emit({ type: 'past_end', room: room.id, released: leaving.length, stay: room.peers.size })
    return true
  }

  #forget(room: Room): void {
    room.cancelExpiry()
    room.presence.close()
    for (const peer of [...room.peers.values()]) {
      this.remove(peer, 'room_closed')
      this.directory.unlist(peer.id, room)
    }
    this.past.forget(room)
    if (this.#rooms.get(room.id) === room) {
      this.#rooms.delete(room.id)
      this.parts.cluster.release(room.id)
    }
  }
}
