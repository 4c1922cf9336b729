import type { Clock } from '../clock.ts'
import { type Redis, type Script, script } from '../redis/redis.ts'
import { adapterTimeout, TimedOut, withTimeout } from '../resilience/deadline.ts'
import { keyedMutex } from '../resilience/semaphore.ts'
import { memoizeFor } from '../resilience/throttle.ts'
import deleteText from './redis/delete.lua' with { type: 'text' }
import { creatorKey, fieldsOf, roomKey, roomOf, summaryOf } from './redis/fields.ts'
import siftText from './redis/sift.lua' with { type: 'text' }
import writeText from './redis/write.lua' with { type: 'text' }
import {
  byEnd,
  endOf,
  keepExpired,
  RoomIdInUse,
  type RoomRecord,
  type RoomStore,
  type RoomSummary,
  readyFor,
  StoreFull,
  tooManyRooms,
} from './room-store.ts'

const writeScript = script(writeText)
const deleteScript = script(deleteText)
const siftScript = script(siftText)

/** A call may take so long, whatever it has to ask. Milliseconds; who waits for it waits a little longer, and hears why it failed. */
const callWithin = adapterTimeout - 500

/** Rooms of a list that are read at once. With all that they may have, they are parsed in some milliseconds. */
const atOnce = 10

/** Redis, for one call: once that has taken too long, nothing more is asked. */
type Ask = Pick<Redis, 'send' | 'run'>

/**
 * Rooms in Redis or Valkey: a hash for each room, and for each creator a sorted set that lists its rooms by their end. Both
 * are written in one step, and expire a day after the end by the clock of Redis. Without a connection every call fails at once.
 * @param connection stays open when the store is closed: others use it, too
 */
export function redis(connection: Redis, clock: Clock): RoomStore {
  const mutex = keyedMutex()

  const inTime = <T>(work: (ask: Ask) => Promise<T>): Promise<T> =>
    withTimeout(clock, callWithin, undefined, signal => work(asking(connection, signal))).catch(error => {
      throw error instanceof TimedOut ? unavailable(error) : error
    })

  async function create(ask: Ask, room: RoomRecord, maxLive: number, now: number): Promise<void> {
    const creation = crypto.randomUUID()
    const args = [...written('', room), String(now), String(maxLive), creation]
    const write = () => ask.run(writeScript, keysOf(room), args)
    let answer: unknown
    try {
      answer = await write()
      if (answer === 'too many' && (await sift(ask, room.created_by, now)) > 0) answer = await write()
    } catch (error) {
      const { cause } = error as Error
      if (cause instanceof Error && /^OOM\b/.test(cause.message))
        throw new StoreFull('Redis has all the memory that it may have.', { cause })
      // It may be there, or be there soon, where nobody knows its token. What is asked later is done later. If it is not done,
      // the room stays until its end.
      connection.run(deleteScript, keysOf(room), [room.room_id, creation]).catch(() => {})
      throw error
    }
    if (answer === 'too many') throw tooManyRooms(maxLive)
    if (answer !== 'written') throw new RoomIdInUse(`The id of the room is ${answer}.`)
  }

  async function update(ask: Ask, roomId: string, change: (room: RoomRecord) => RoomRecord) {
    for (;;) {
      const room = await read(ask, roomId)
      if (!room) return
      const { room_id, created_by, created_at, revision } = room
      const next: RoomRecord = { ...change(room), room_id, created_by, created_at, revision: revision + 1 }
      const answer = await ask.run(writeScript, keysOf(room), written(String(revision), next))
      if (answer === 'written') return next
    }
  }

  return {
    create: (room, maxLive, now) => inTime(ask => create(ask, room, maxLive, now)),
    get: roomId => inTime(ask => read(ask, roomId)),
    update: (roomId, change) => inTime(ask => mutex.run(roomId, () => update(ask, roomId, change))),
    createdBy: (identity, now) =>
      inTime(async ask => {
        const rooms: RoomSummary[] = []
        const ids = await listed(ask, identity, now)
        for (let i = 0; i < ids.length; i += atOnce) {
          const some = ids.slice(i, i + atOnce).map(id => ask.send('HMGET', roomKey(id), 'revision', 'summary'))
          for (const answer of await Promise.all(some)) {
            const room = summaryOf(answer)
            if (room) rooms.push(room)
          }
        }
        return rooms.filter(room => endOf(room) > now).sort(byEnd)
      }),
    delete: roomId =>
      inTime(async ask => {
        const room = await read(ask, roomId)
        if (room) await ask.run(deleteScript, keysOf(room), [roomId, ''])
      }),
    // A write that a full Redis does, too: those rooms that are there can be used. One that may only read does not.
    ready: memoizeFor(clock, readyFor, () => inTime(async ask => void (await ask.send('DEL', 'parley:nothing')))),
    async close() {},
  }
}

function asking(redis: Redis, signal: AbortSignal): Ask {
  const inTime = async (ask: () => Promise<unknown>) => {
    signal.throwIfAborted()
    const answer = await ask().catch(cause => Promise.reject(unavailable(cause)))
    signal.throwIfAborted()
    return answer
  }
  return {
    send: (command, ...args) => inTime(() => redis.send(command, ...args)),
    run: (script: Script, keys, args) => inTime(() => redis.run(script, keys, args)),
  }
}

const unavailable = (cause: Error) => new Error(`The rooms in Redis cannot be used: ${cause.message}`, { cause })

const read = async (ask: Ask, roomId: string): Promise<RoomRecord | undefined> =>
  roomOf(await ask.send('HMGET', roomKey(roomId), 'revision', 'summary', 'lists'))

/** Ids of the rooms that this identity has at `now`, and maybe of some that are gone. */
const listed = async (ask: Ask, identity: string, now: number): Promise<string[]> =>
  (await ask.send('ZRANGEBYSCORE', creatorKey(identity), `(${now}`, '+inf')) as string[]

/** Takes off the list what has vanished without being deleted. @returns how many rooms that were */
async function sift(ask: Ask, identity: string, now: number): Promise<number> {
  const ids = await listed(ask, identity, now)
  return (await ask.run(siftScript, [creatorKey(identity), ...ids.map(roomKey)], ids)) as number
}

const keysOf = ({ room_id, created_by }: RoomRecord) => [roomKey(room_id), creatorKey(created_by)]

/** What the script is given to write `room`. @param was the revision that is there */
function written(was: string, room: RoomRecord): string[] {
  const end = endOf(room)
  const { revision, summary, lists } = fieldsOf(room)
  const score = Number.isFinite(end) ? String(Math.ceil(end)) : 'inf'
  return [was, room.room_id, score, String(keepExpired), revision, summary, lists]
}
