import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { SignalingError } from '@parley/protocol'
import { now, someInvite, someRoom } from '../../test/some-room.ts'
import { creatorsContract } from './creators.contract.ts'
import type { RoomRecord, RoomStore } from './room-store.ts'

/** The room after one more of `metadata.count`. */
const counted = (room: RoomRecord): RoomRecord => ({
  ...room,
  metadata: { ...room.metadata, count: Number(room.metadata.count) + 1 },
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
      const full = someRoom({
        max_peers: 5,
        name: 'Räume "1"\n',
        metadata: { a: [1, { b: null }], __proto: 'x' },
        locked: true,
        removed: [
          { peer_id: '', identity: `'"\\\n\u0000${'x'.repeat(200)}` },
          { peer_id: 'péer 🎈', identity: '__proto__' },
          { peer_id: 'péer 🎈', identity: '__proto__' },
        ],
        invites: [
          someInvite({ role: 'worker', channels: ['a', 'ü "b"'], expires_at: now + 60 }),
          someInvite({ single_use: true, channels: [], used_by: { peer_id: '🎈', identity: "' OR 1=1 --" } }),
          someInvite(),
        ],
        revision: 7,
      })
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

    test('changes a room, and raises its revision', async () => {
      const room = someRoom()
      await store.create(room, 1, now)
      const changed: RoomRecord = {
        ...room,
        token: 'another',
        expires_at: now + 60,
        max_peers: 2,
        name: 'Räume',
        metadata: { a: null },
        locked: true,
        removed: [{ peer_id: 'p', identity: 'i' }],
        invites: [someInvite({ channels: ['a'] })],
        revision: 1,
      }
      expect(await store.update(room.room_id, () => ({ ...changed, revision: 99 }))).toEqual(changed)
      expect(await store.get(room.room_id)).toEqual(changed)

      const back = { ...room, revision: 2 }
      expect(await store.update(room.room_id, () => room)).toEqual(back)
      expect(await store.get(room.room_id)).toEqual(back)
    })

    test('gives a change the room as it is, and leaves the other rooms alone', async () => {
      const room = someRoom({ locked: true, invites: [someInvite()], revision: 3 })
      const other = someRoom()
      await store.create(room, 1, now)
      await store.create(other, 1, now)
      await store.update(room.room_id, found => {
        expect(found).toEqual(room)
        return { ...found, locked: false }
      })
      expect(await store.get(other.room_id)).toEqual(other)
    })

    test('loses no change of many at once', async () => {
      const room = someRoom({ metadata: { count: 0 } })
      await store.create(room, 1, now)
      const written = await Promise.all(Array.from({ length: 20 }, () => store.update(room.room_id, counted)))
      expect(written.map(after => after?.revision).sort((a = 0, b = 0) => a - b)).toEqual(
        Array.from({ length: 20 }, (_, index) => index + 1),
      )
      expect(await store.get(room.room_id)).toEqual({ ...room, metadata: { count: 20 }, revision: 20 })
    })

    test('writes nothing when a change throws, and says what it threw', async () => {
      const room = someRoom()
      await store.create(room, 1, now)
      const thrown = new SignalingError('FORBIDDEN')
      const updating = store.update(room.room_id, () => {
        throw thrown
      })
      expect(await updating.catch(error => error)).toBe(thrown)
      expect(await store.get(room.room_id)).toEqual(room)
      expect(await store.update(room.room_id, found => found)).toEqual({ ...room, revision: 1 })
    })

    test('changes neither the id nor the creator of a room', async () => {
      const room = someRoom()
      const other = someRoom()
      await store.create(room, 1, now)
      await store.create(other, 1, now)
      const after = { ...room, revision: 1 }
      expect(
        await store.update(room.room_id, () => ({ ...room, room_id: other.room_id, created_by: other.created_by })),
      ).toEqual(after)
      expect(await store.get(room.room_id)).toEqual(after)
      expect(await store.get(other.room_id)).toEqual(other)
    })

    test('does not change a room that is unknown or deleted', async () => {
      const deleted = someRoom()
      await store.create(deleted, 1, now)
      await store.delete(deleted.room_id)
      for (const id of ['', 'unknown', deleted.room_id]) {
        let calls = 0
        const change = (room: RoomRecord) => {
          calls++
          return room
        }
        expect(await store.update(id, change)).toBeUndefined()
        expect(calls).toBe(0)
        expect(await store.get(id)).toBeUndefined()
      }
    })

    test('finds a room no more once it is deleted, and does not mind when it is unknown', async () => {
      const room = someRoom()
      await store.create(room, 1, now)
      await store.delete(room.room_id)
      expect(await store.get(room.room_id)).toBeUndefined()
      await store.delete(room.room_id)
    })

    describe('and the rooms of one creator', () => creatorsContract(() => store))

    test('is ready', async () => {
      await store.ready()
    })
  })
}
