import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { SignalingError } from '@parley/protocol'
import type { Invite, RoomRecord, RoomStore, RoomSummary } from './room-store.ts'

const now = 1_700_000_000

let rooms = 0
export const someRoom = (members: Partial<RoomRecord> = {}): RoomRecord => ({
  room_id: `room-${++rooms}`,
  created_by: `creator-${rooms}`,
  token: 'xyz789',
  created_at: now,
  expires_at: now + 7200,
  max_peers: null,
  name: null,
  metadata: {},
  locked: false,
  removed: [],
  invites: [],
  revision: 0,
  ...members,
})

const someInvite = (members: Partial<Invite> = {}): Invite => ({
  invite_id: 'invite-1',
  digest: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  expires_at: null,
  single_use: false,
  role: null,
  channels: null,
  used_by: null,
  ...members,
})

/** The room after one more of `metadata.count`. */
const counted = (room: RoomRecord): RoomRecord => ({
  ...room,
  metadata: { ...room.metadata, count: Number(room.metadata.count) + 1 },
})

/** What `createdBy` gives of a room. */
export const summaryOf = ({ removed: _, invites: __, ...summary }: RoomRecord): RoomSummary => summary

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

    test('lists the live rooms of one creator, in order of their end, then of their id', async () => {
      const created_by = 'lister'
      const mine = (room_id: string, expires_at: number | null) => someRoom({ room_id, created_by, expires_at })
      const first = mine('list-z', now + 5)
      const second = mine('list-a', now + 20)
      const third = mine('list-b', now + 20)
      const last = mine('list-0', now + 100)
      const endless = mine('list-', null)
      const endlessToo = mine('list-3', null)
      const deleted = mine('list-1', now + 100)
      const ended = mine('list-2', now)
      const all = [endlessToo, third, last, deleted, first, endless, ended, second]
      for (const room of all) await store.create(room, all.length, now - 1)
      await store.create(someRoom({ created_by: 'lister 2' }), 1, now)
      await store.delete(deleted.room_id)

      const listed = [first, second, third, last, endless, endlessToo].map(summaryOf)
      expect(await store.createdBy(created_by, now)).toEqual(listed)
      expect(await store.createdBy(created_by, now + 20)).toEqual(listed.slice(3))
      expect(await store.createdBy(created_by, now + 100)).toEqual(listed.slice(4))
      expect(await store.createdBy('stranger', now)).toEqual([])
    })

    test('lists and counts a room by its end as it was changed', async () => {
      const created_by = 'changer'
      const room = someRoom({ created_by, expires_at: now + 10 })
      await store.create(room, 1, now)
      const longer = await store.update(room.room_id, found => ({ ...found, expires_at: now + 100 }))
      expect(longer).toBeDefined()
      expect(await store.createdBy(created_by, now + 10)).toEqual(longer ? [summaryOf(longer)] : [])
      await expect(store.create(someRoom({ created_by }), 1, now + 10)).rejects.toThrow()
    })

    test('keeps a room without an end, which counts as live, and can be given one', async () => {
      const created_by = 'endless'
      const room = someRoom({ created_by, created_at: null, expires_at: null })
      await store.create(room, 1, now)
      expect(await store.get(room.room_id)).toEqual(room)
      const muchLater = now + 100 * 365 * 86_400
      await expect(store.create(someRoom({ created_by }), 1, muchLater)).rejects.toMatchObject({
        code: 'LIMIT_REACHED',
      })
      const changed = await store.update(room.room_id, found => ({ ...found, expires_at: now + 10 }))
      expect(changed).toEqual({ ...room, expires_at: now + 10, revision: 1 })
      expect(await store.update(room.room_id, found => ({ ...found, expires_at: null }))).toMatchObject({
        expires_at: null,
      })
      expect(await store.createdBy(created_by, muchLater)).toHaveLength(1)
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

    test('is ready', async () => {
      await store.ready()
    })
  })
}
