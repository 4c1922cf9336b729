import { expect, test } from 'bun:test'
import { now, someRoom, summaryOf } from '../../test/some-room.ts'
import type { RoomStore } from './room-store.ts'

/** What every room store must do for one who creates several rooms. */
export function creatorsContract(store: () => RoomStore): void {
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
    for (const room of all) await store().create(room, all.length, now - 1)
    await store().create(someRoom({ created_by: 'lister 2' }), 1, now)
    await store().delete(deleted.room_id)

    const listed = [first, second, third, last, endless, endlessToo].map(summaryOf)
    expect(await store().createdBy(created_by, now)).toEqual(listed)
    expect(await store().createdBy(created_by, now + 20)).toEqual(listed.slice(3))
    expect(await store().createdBy(created_by, now + 100)).toEqual(listed.slice(4))
    expect(await store().createdBy('stranger', now)).toEqual([])
  })

  test('lists and counts a room by its end as it was changed', async () => {
    const created_by = 'changer'
    const room = someRoom({ created_by, expires_at: now + 10 })
    await store().create(room, 1, now)
    const longer = await store().update(room.room_id, found => ({ ...found, expires_at: now + 100 }))
    expect(longer).toBeDefined()
    expect(await store().createdBy(created_by, now + 10)).toEqual(longer ? [summaryOf(longer)] : [])
    await expect(store().create(someRoom({ created_by }), 1, now + 10)).rejects.toThrow()
  })

  test('keeps a room without an end, which counts as live, and can be given one', async () => {
    const created_by = 'endless'
    const room = someRoom({ created_by, created_at: null, expires_at: null })
    await store().create(room, 1, now)
    expect(await store().get(room.room_id)).toEqual(room)
    const muchLater = now + 100 * 365 * 86_400
    await expect(store().create(someRoom({ created_by }), 1, muchLater)).rejects.toMatchObject({
      code: 'LIMIT_REACHED',
    })
    const changed = await store().update(room.room_id, found => ({ ...found, expires_at: now + 10 }))
    expect(changed).toEqual({ ...room, expires_at: now + 10, revision: 1 })
    expect(await store().update(room.room_id, found => ({ ...found, expires_at: null }))).toMatchObject({
      expires_at: null,
    })
    expect(await store().createdBy(created_by, muchLater)).toHaveLength(1)
  })

  test('holds an identity to its number of live rooms, also when they are created at once', async () => {
    const created_by = 'many'
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, () => store().create(someRoom({ created_by }), 3, now)),
    )
    const refused = results.filter(result => result.status === 'rejected')
    expect(refused.map(({ reason }) => reason.code)).toEqual(Array(5).fill('LIMIT_REACHED'))
    await store().create(someRoom({ created_by: 'somebody else' }), 3, now)
  })

  test('does not count rooms that have ended or were deleted', async () => {
    const created_by = 'few'
    const deleted = someRoom({ created_by })
    await store().create(someRoom({ created_by, expires_at: now + 10 }), 2, now)
    await store().create(deleted, 2, now)
    await store().delete(deleted.room_id)
    await store().create(someRoom({ created_by }), 2, now)
    await store().create(someRoom({ created_by }), 2, now + 10)
  })
}
