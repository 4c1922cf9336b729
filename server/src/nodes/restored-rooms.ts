import { SignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'
import { type Log, reasons } from '../log.ts'
import type { Redis } from '../redis/redis.ts'
import { withDeadline } from '../resilience/deadline.ts'
import { RoomIdInUse, type RoomRecord, type RoomStore } from '../room-store/room-store.ts'

/** The rooms that are open on this node: it alone changes them, so it knows what they are. */
export interface OpenRooms {
  recordOf(roomId: string): RoomRecord | undefined
  records(): readonly RoomRecord[]
}

/** A room that is open here is read for so long; then what is known of it counts. Milliseconds. */
const readWithin = 1_000
/** Between two attempts to write rooms back. Milliseconds. */
const pause = 1_000
/** Rooms that are written back at once. */
const atOnce = 50

export interface RestoredRooms extends RoomStore {
  /** From now on, whenever there is a new connection, what the store lacks of these is written back before it is asked for anything. */
  keep(open: OpenRooms): void
}

/** Rooms in a Redis that may lose its memory, and be away. */
export function restoredRooms(store: RoomStore, redis: Redis, clock: Clock, log: Log): RestoredRooms {
  let open: OpenRooms | undefined
  /** Of the last connection. */
  let restored = Promise.resolve()

  const restore = async (rooms: OpenRooms) => {
    const records = [...rooms.records()]
    const work = async () => {
      // One that has ended meanwhile must not come back.
      for (let next = records.pop(); next; next = records.pop())
        if (rooms.recordOf(next.room_id)) await writeBack(rooms.recordOf(next.room_id) ?? next)
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }
  /** Nothing happens to a room that is there. Where Redis fails, it is tried at the next connection, or in a second. */
  const writeBack = async (room: RoomRecord) => {
    try {
      await store.create(room, Number.MAX_SAFE_INTEGER, room.created_at ?? 0)
      log.warn({ room: room.room_id }, 'room written back')
    } catch (error) {
      if (error instanceof RoomIdInUse) return
      log.info({ room: room.room_id, cause: reasons(error) }, 'room not written back')
      if (redis.isConnected) clock.after(pause, () => open?.recordOf(room.room_id) && void writeBack(room))
    }
  }
  const after = async <T>(ask: () => Promise<T>): Promise<T> => {
    await restored
    return ask()
  }

  return {
    keep(rooms) {
      open = rooms
      redis.onConnected(() => {
        restored = restore(rooms)
      })
    },
    create: (...given) => after(() => store.create(...given)),
    async get(roomId) {
      const asked = after(() => store.get(roomId))
      const known = open?.recordOf(roomId)
      if (!known) return asked
      return withDeadline(clock, asked, '', clock.uptime() + readWithin).catch(error => {
        const still = open?.recordOf(roomId)
        if (still && error instanceof SignalingError && error.code === 'UNAVAILABLE') return still
        throw error
      })
    },
    update: (...given) => after(() => store.update(...given)),
    createdBy: (...given) => after(() => store.createdBy(...given)),
    delete: roomId => after(() => store.delete(roomId)),
    ready: () => store.ready(),
    close: () => store.close(),
  }
}
