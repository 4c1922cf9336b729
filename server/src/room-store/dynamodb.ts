import { SignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'
import { keyedMutex } from '../resilience/semaphore.ts'
import { creators } from './dynamodb/creators.ts'
import { changeTo, isRoomId, itemOf, roomOf } from './dynamodb/items.ts'
import { openTable } from './dynamodb/table.ts'
import { byEnd, endOf, type RoomRecord, type RoomStore } from './room-store.ts'

/**
 * What is left of the time of a deletion, should the room be gone and its creator's list not answer, and of that of a
 * creation, to take back what may have been written. Milliseconds.
 */
const reserve = 500

/**
 * Rooms in the original's DynamoDB table: key `room_id`, no index, TTL attribute `expires_at`. A room is the original's
 * item (`room_id`, `created_by`, `token`, `expires_at`) and attributes of our own beside it, which are absent at their
 * default. A room without `expires_at` does not end, as with newer versions of the original. Whatever else is in an item stays. The rooms of one creator are listed under `creator#<subject>`; those that
 * the original created are not.
 *
 * The endpoint and the credentials are where the AWS SDK looks for them. What they must allow, on the table alone:
 * `dynamodb:GetItem`, `dynamodb:BatchGetItem`, `dynamodb:PutItem`, `dynamodb:UpdateItem`, `dynamodb:DeleteItem`.
 *
 * A call takes 4 s at most, other nodes and tries again included.
 */
export function dynamodb(options: { readonly region: string; readonly table: string }, clock: Clock): RoomStore {
  const table = openTable(options.region, options.table, clock)
  const lists = creators(table, clock)
  const mutex = keyedMutex()

  async function create(room: RoomRecord, maxLive: number, now: number, by: number): Promise<void> {
    await lists.reserve(room, maxLive, now, by)
    const writeId = crypto.randomUUID()
    const outcome = await table.insert(itemOf(room, writeId), by - reserve).catch(async error => {
      // Otherwise it may be written yet, and is better listed.
      if (error instanceof SignalingError) await lists.forget(room, by)
      // It may be there already, where nobody knows its token. If this fails, it stays until its end.
      else await table.removeIf(room.room_id, 'write_id', { S: writeId }, by).catch(() => {})
      throw error
    })
    if (outcome === 'written') return
    const there = await table.read(room.room_id, by)
    if (there?.write_id?.S === writeId) return
    if (there?.created_by?.S !== room.created_by) await lists.forget(room, by)
    throw table.failure('has another room of the same id')
  }

  async function update(roomId: string, change: (room: RoomRecord) => RoomRecord, by: number) {
    for (;;) {
      const item = await table.read(roomId, by)
      const room = roomOf(item)
      if (!room) return
      const { room_id, created_by, created_at, revision } = room
      const written: RoomRecord = { ...change(room), room_id, created_by, created_at, revision: revision + 1 }
      if (endOf(written) > endOf(room)) await lists.extend(written, by)
      const writeId = crypto.randomUUID()
      const outcome = await table.update(roomId, changeTo(written, item, writeId), by)
      if (outcome === 'written') return written
      if (outcome === 'unsure') {
        const there = await table.read(roomId, by)
        if (there?.write_id?.S === writeId) return written
        if (Number(there?.revision?.N) > written.revision) {
          throw table.failure('did not say whether it has made a change, and others have made some since')
        }
      }
      await table.giveWay()
    }
  }

  return {
    create: (room, maxLive, now) => table.withDeadline(by => create(room, maxLive, now, by)),

    get: roomId =>
      table.withDeadline(async by => (isRoomId(roomId) ? roomOf(await table.read(roomId, by)) : undefined)),

    update: (roomId, change) =>
      table.withDeadline(async by =>
        isRoomId(roomId) ? mutex.run(roomId, () => update(roomId, change, by)) : undefined,
      ),

    createdBy: (identity, now) =>
      table.withDeadline(async by => {
        const items = await table.readAll(await lists.roomIds(identity, now, by), by)
        return items
          .flatMap(item => roomOf(item) ?? [])
          .filter(room => room.created_by === identity && endOf(room) > now)
          .sort(byEnd)
          .map(({ removed: _, invites: __, ...summary }) => summary)
      }),

    delete: roomId =>
      table.withDeadline(async by => {
        const created_by = isRoomId(roomId) ? (await table.remove(roomId, by))?.created_by?.S : undefined
        if (created_by !== undefined) await lists.forget({ room_id: roomId, created_by }, by - reserve)
      }),

    // The key of nothing: whether it can be read is all.
    async ready() {
      await table.withDeadline(by => table.read('#', by)).catch(cause => Promise.reject(table.unavailable(cause)))
    },

    close: async () => table.close(),
  }
}
