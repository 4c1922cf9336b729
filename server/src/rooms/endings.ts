import { atUptime, type Clock } from '../clock.ts'
import { endOf, type RoomRecord } from '../room-store/room-store.ts'
import type { Room } from './room.ts'

/** Seconds before its end at which a room is said to end soon. */
const warnings = [300, 60]

/** Seconds that a room of the original lasts, which does not say when it was created. */
const originalTtl = 7200

export interface EndingsParts {
  readonly clock: Clock
  /** Seconds after its creation that a room can last at most; 0: it has no such bound. */
  readonly maxRoomTtl: number
  /** The room ends soon. */
  warn(room: Room, expiresAt: number): void
  /** The room's time is over. @returns whether it goes on for those in it */
  expire(room: Room): boolean
  /** It can go on no longer. */
  end(room: Room): void
}

/**
 * When the open rooms end. The time of day counts when an end is planned; from then on a room has the time that was left,
 * so that a clock that is set, forward or back, neither ends the rooms of those who are in them nor prolongs them.
 */
export class Endings {
  constructor(private readonly parts: EndingsParts) {}

  /** Plans what comes next for the room: a warning, or its end. It may have been planned before, for another time. */
  plan(room: Room, record: RoomRecord): void {
    const { clock } = this.parts
    room.state = 'open'
    if (record.expires_at === null) room.cancelExpiry()
    else this.#plan(room, record, record.expires_at, clock.uptime() + record.expires_at * 1000 - clock.now())
  }

  /** @param end the uptime of the end */
  #plan(room: Room, record: RoomRecord, expiresAt: number, end: number): void {
    const now = this.parts.clock.uptime()
    const next = Math.min(...warnings.map(seconds => end - seconds * 1000).filter(time => time > now), end)
    this.#at(room, next, () => {
      if (next < end) {
        this.parts.warn(room, expiresAt)
        this.#plan(room, record, expiresAt, end)
        return
      }
      room.state = 'past_end'
      if (!this.parts.expire(room)) return
      const longer = (lastMoment(record, this.parts.maxRoomTtl) - endOf(record)) * 1000
      if (Number.isFinite(longer)) this.#at(room, end + longer, () => this.parts.end(room))
    })
  }

  /** Does `act` at that uptime, instead of what was planned for the room before. */
  #at(room: Room, time: number, act: () => void): void {
    room.cancelExpiry()
    room.cancelExpiry = atUptime(this.parts.clock, time, act)
  }
}

/** Seconds since the epoch until which plain peers can be in the room; Infinity where `maxTtl` is 0, which is no bound. */
function lastMoment(record: RoomRecord, maxTtl: number): number {
  if (maxTtl === 0) return Number.POSITIVE_INFINITY
  const created = record.created_at ?? endOf(record) - originalTtl
  return Math.max(endOf(record), created + maxTtl)
}
