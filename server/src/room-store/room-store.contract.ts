import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { RoomRecord, RoomStore } from './room-store.ts'

const now = 1_700_000_000

let rooms = 0
export const someRoom = (members: Partial<RoomRecord> = {}): RoomRecord => ({
  room_id: `room-${++rooms}`,
  created_by: `creator-${rooms}`,
  token: 'xyz789',
  expires_at: now + 7200,
  max_peers: null,
  name: null,
  metadata: {},
  ...members,
})

/** What every room store must do. `open` gives an empty one. */
export function roomStoreContract(name: string, open: () => Promise<RoomStore>): void {
  describe(`room store: ${name}`, () => {
    let store: RoomStore
    beforeAll(async () => {
      store = await open()
    })
    afterAll(() => store.close())

    test('finds a room as it was created', async () => {
      const full = someRoom({ max_peers: 5, name: 'Räume "1"\n', metadata: { a: [1, { b: null }], __proto: 'x' } })
      const bare = someRoom()
      await store.create(full, 1, now)
      await store.create(bare, 1, now)
      expect(await store.get(full.room_id)).toEqual(full)
      expect(await store.get(bare.room_id)).toEqual(bare)
    })

    test('finds nothing under an unknown id', async () => {
      for (const id of ['', 'unknown', "' OR 1=1 --", '\u0000', 'x'.repeat(2000)]) {
        expect(await store.get(id)).toBeUndefined()
      }
    })

    test('never overwrites a room', async () => {
      const room = someRoom()
      await store.create(room, 1, now)
      await expect(store.create({ ...room, token: 'other', created_by: 'other' }, 1, now)).rejects.toThrow()
      expect((await store.get(room.room_id))?.token).toBe(room.token)
    })

    test('finds a room no more once it is deleted, and does not mind when it is unknown', async () => {
      const room = someRoom()
      await store.create(room, 1, now)
      await store.delete(room.room_id)
      expect(await store.get(room.room_id)).toBeUndefined()
      await store.delete(room.room_id)
    })

    test('holds an identity to its number of live rooms, also when they are created at once', async () => {
      const created_by = 'many'
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, () => store.create(someRoom({ created_by }), 3, now)),
      )
      const refused = results.filter(result => result.status === 'rejected')
      expect(refused.map(({ reason }) => reason.code)).toEqual(Array(5).fill('LIMIT_REACHED'))
      await store.create(someRoom({ created_by: 'somebody else' }), 3, now)
    })

    test('does not count rooms that have ended or were deleted', async () => {
      const created_by = 'few'
      const deleted = someRoom({ created_by })
      await store.create(someRoom({ created_by, expires_at: now + 10 }), 2, now)
      await store.create(deleted, 2, now)
      await store.delete(deleted.room_id)
      await store.create(someRoom({ created_by }), 2, now)
      await store.create(someRoom({ created_by }), 2, now + 10)
    })

    test('still finds a room an hour after its end', async () => {
      const room = someRoom({ expires_at: now + 10 })
      await store.create(room, 1, now)
      await store.create(someRoom(), 1, now + 3610)
      expect(await store.get(room.room_id)).toEqual(room)
    })

    test('is ready', async () => {
      await store.ready()
    })
  })
}
