import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import { believedTime, type Clock } from '../../clock.ts'
import { keyedMutex } from '../../resilience/semaphore.ts'
import { endOf, type RoomRecord, tooManyRooms } from '../room-store.ts'
import { creatorKey, number, parsed, text } from './items.ts'
import type { Table } from './table.ts'

/** For so long a listed room may be missing, as another node may be about to write it. Seconds; beyond any deadline. */
const inFlight = 30

/**
 * Rooms by their id. `end` is never before the room's own, Infinity for one that does not end; `touched` is when it was
 * set. Seconds since the epoch.
 */
type Entries = Map<string, { readonly end: number; readonly touched: number }>

/**
 * Which rooms an identity has created, as the table has no index for it: an item lists them. A room is listed before it
 * is there, and taken off when it is gone, the item with the last one; its end is moved forward before the room's, and never
 * back. So after a crash in between the list says too much and never too little, and whether it does is seen in the rooms themselves.
 */
export interface Creators {
  /** Lists a new room. @throws SignalingError LIMIT_REACHED if its creator has `maxLive` others at `now` (seconds) */
  reserve(room: RoomRecord, maxLive: number, now: number, by: number): Promise<void>
  /** Lists a room until its new end. */
  extend(room: RoomRecord, by: number): Promise<void>
  /** Takes a room off the list. It does not matter if that fails. */
  forget(room: Pick<RoomRecord, 'room_id' | 'created_by'>, by: number): Promise<void>
  /** Ids of all rooms that this identity has at `now` (seconds), and maybe of others. */
  roomIds(subject: string, now: number, by: number): Promise<string[]>
}

export function creators(table: Table, clock: Clock): Creators {
  const mutex = keyedMutex()
  const seconds = () => Math.floor(clock.now() / 1000)
  const believedNow = believedTime(clock)
  /** What has ended by a clock that can be believed: what is taken off the list is not found again. */
  const isOver = (end: number) => end * 1000 <= believedNow()

  /** @param change may be called several times, also after its result was written */
  function change(subject: string, by: number, change: (entries: Entries) => unknown): Promise<void> {
    const key = creatorKey(subject)
    return mutex.run(key, async () => {
      for (;;) {
        const before = (await table.read(key, by))?.rooms
        const entries = parse(before)
        await change(entries)
        const after = format(entries)
        if (entries.size === 0) {
          // Nobody needs a list of nothing. If another node lists a room meanwhile, that is seen.
          if (!before || (await table.removeIf(key, 'rooms', before, by)) === 'written') return
          await table.giveWay()
          continue
        }
        if (after === before?.S) return
        const end = [...entries.values()].reduce((latest, { end }) => Math.max(latest, end), seconds())
        const update = {
          UpdateExpression: Number.isFinite(end)
            ? 'SET rooms = :rooms, expires_at = :end'
            : 'SET rooms = :rooms REMOVE expires_at',
          ConditionExpression: before ? 'rooms = :before' : 'attribute_not_exists(rooms)',
          ExpressionAttributeValues: {
            ':rooms': text(after),
            ...(Number.isFinite(end) && { ':end': number(end) }),
            ...(before && { ':before': before }),
          },
        }
        if ((await table.update(key, update, by)) === 'written') return
        await table.giveWay()
      }
    })
  }

  /** Takes out what is no room any more. @returns how many are left that live, or are about to */
  async function sift(entries: Entries, now: number, by: number): Promise<number> {
    const rooms = await table.readAll([...entries.keys()], by, 'room_id, expires_at')
    const ends = new Map(rooms.map(({ room_id, expires_at }) => [room_id?.S, Number(expires_at?.N ?? Infinity)]))
    let live = 0
    for (const [id, { touched }] of entries) {
      const isInFlight = touched > seconds() - inFlight
      const end = ends.get(id)
      if (end === undefined ? isInFlight : end > now) live++
      else if (!isInFlight && (end === undefined || isOver(end))) entries.delete(id)
    }
    return live
  }

  const stretch = (entries: Entries, room: RoomRecord) =>
    entries.set(room.room_id, { end: Math.max(endOf(room), entries.get(room.room_id)?.end ?? 0), touched: seconds() })

  return {
    reserve: (room, maxLive, now, by) =>
      change(room.created_by, by, async entries => {
        for (const [id, { end }] of entries) if (isOver(end)) entries.delete(id)
        // It is listed already if that was written, but the answer was lost.
        if (!entries.has(room.room_id) && entries.size >= maxLive && (await sift(entries, now, by)) >= maxLive) {
          throw tooManyRooms(maxLive)
        }
        stretch(entries, room)
      }),

    extend: (room, by) => change(room.created_by, by, entries => stretch(entries, room)),

    forget: ({ room_id, created_by }, by) => change(created_by, by, entries => entries.delete(room_id)).catch(() => {}),

    async roomIds(subject, now, by) {
      const entries = parse((await table.read(creatorKey(subject), by))?.rooms)
      return [...entries].filter(([, { end }]) => end > now).map(([id]) => id)
    },
  }
}

/** What is no list counts as none: otherwise its creator could make no room any more. */
const parse = (rooms: AttributeValue | undefined): Entries =>
  new Map((parsed(rooms, isList) ?? []).map(([id, end, touched]) => [id, { end: endOf({ expires_at: end }), touched }]))

const isList = (value: unknown): value is [string, number | null, number][] =>
  Array.isArray(value) &&
  value.every(
    entry =>
      Array.isArray(entry) &&
      typeof entry[0] === 'string' &&
      (typeof entry[1] === 'number' || entry[1] === null) &&
      typeof entry[2] === 'number',
  )

const format = (entries: Entries): string =>
  JSON.stringify([...entries].map(([id, { end, touched }]) => [id, Number.isFinite(end) ? end : null, touched]))
