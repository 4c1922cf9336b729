import { describe, expect, spyOn, test } from 'bun:test'
import { inWorld, nobody, peerOf, RecordingSession, type RoomKey, type World, worldLimits } from '../../test/world.ts'
import type { RoomOptions } from './creation.ts'
import type { Claim } from './rights.ts'

// What deployed programs of the Python server rely on, none of which asks for a feature.

describe('the end of a room with plain peers in it', () => {
  /** A plain worker and client, and a watcher with features, in a room of 60 s, at its end. */
  async function atTheEnd(world: World, options: RoomOptions = { ttl: 60 }) {
    const [mine, theirs] = await Promise.all([world.signIn(), world.signIn()])
    const room = await world.create(mine, options)
    const worker = await world.join(room, 'worker', mine)
    const client = await world.join(room, 'client', theirs)
    const watcher = await world.join(room, 'watcher', mine, new RecordingSession(), { features: ['presence'] })
    world.clock.advance(60_000)
    return { room, mine, theirs, worker, client, watcher }
  }
  const offer = { type: 'offer', target: 'worker' } as const

  test('releases the others, and goes on for these: a job may take longer than a room', () =>
    inWorld(async world => {
      const { rooms } = world
      const { worker, client, watcher } = await atTheEnd(world)
      expect([worker.released, client.released, watcher.released]).toEqual([[], [], ['ROOM_EXPIRED']])
      expect(watcher.heard()).toEqual([{ type: 'room_closed', reason: 'expired' }])
      rooms.handle(peerOf(client), offer, '{"type":"offer","target":"worker"}')
      expect(worker.heard()).toEqual([{ sender: 'client', ...offer }])
      expect(rooms.census()).toMatchObject({ rooms: 1, roomsPastEnd: 1, peers: 2 })
    }))

  test('lets nobody new in, but a plain peer that is or was there, also when the store has cleared the room away', () =>
    inWorld(async world => {
      const { rooms, store, join } = world
      const { room, mine, theirs, client } = await atTheEnd(world)
      const expired = { code: 'ROOM_EXPIRED' }
      await expect(join(room, 'new', mine)).rejects.toMatchObject(expired)
      await expect(join(room, 'worker', await world.signIn())).rejects.toMatchObject(expired)
      const features = { features: ['acks'] }
      await expect(join(room, 'watcher', mine, new RecordingSession(), features)).rejects.toMatchObject(expired)
      await expect(join(room, 'worker', mine, new RecordingSession(), features)).rejects.toMatchObject(expired)
      await store.delete(room.room_id)
      expect((await join(room, 'worker', mine)).replies).toHaveLength(1)
      rooms.leave(peerOf(client), 'disconnected')
      expect((await join(room, 'client', theirs)).replies).toHaveLength(1)
      await expect(join({ ...room, token: 'x' }, 'client', theirs)).rejects.toMatchObject({
        code: 'INVALID_ROOM_TOKEN',
      })
    }))

  test('ends with the last of them, as if there had been none', () =>
    inWorld(async world => {
      const { rooms, join, clock } = world
      const { room, mine, worker, client } = await atTheEnd(world)
      rooms.leave(peerOf(client), 'left')
      expect(rooms.census()).toMatchObject({ rooms: 1, peers: 1 })
      rooms.leave(peerOf(worker), 'left')
      expect(rooms.census()).toMatchObject({ rooms: 0, roomsPastEnd: 0, peers: 0 })
      await expect(join(room, 'worker', mine)).rejects.toMatchObject({ code: 'ROOM_EXPIRED' })
      clock.advance(100_000_000)
    }))

  test('is deleted with the last of them, by who belongs to it', () =>
    inWorld(async world => {
      const { rooms, store } = world
      const { room, worker, client } = await atTheEnd(world)
      const claim = { ...nobody, token: room.token }
      expect(await rooms.cleanUp.deletePeer('client', claim)).toEqual({ roomDeleted: false })
      expect(await rooms.cleanUp.deletePeer('worker', claim)).toEqual({ roomDeleted: true })
      expect([client.released, worker.released]).toEqual([['PEER_REMOVED'], ['PEER_REMOVED']])
      expect(await store.get(room.room_id)).toBeUndefined()
    }))

  test('is ended by its owner, also when the store has cleared the room away', () =>
    inWorld(async world => {
      const { rooms, store } = world
      const { room, worker, client } = await atTheEnd(world)
      await store.delete(room.room_id)
      const refused = rooms.owner.delete(peerOf(client).identity, room.room_id)
      await expect(refused).rejects.toMatchObject({ code: 'FORBIDDEN' })
      await rooms.owner.delete(peerOf(worker).identity, room.room_id)
      expect(worker.released).toEqual(['ROOM_DELETED'])
    }))

  test('ends for them at the longest life after its creation', () =>
    inWorld(async world => {
      const { worker, client } = await atTheEnd(world)
      world.clock.advance((worldLimits.maxRoomTtl - 60) * 1000 - 1)
      expect(worker.released).toEqual([])
      world.clock.advance(1)
      // The connection keeps it to itself.
      expect([worker.released, client.released]).toEqual([['ROOM_EXPIRED'], ['ROOM_EXPIRED']])
      expect(world.rooms.census()).toMatchObject({ rooms: 0, peers: 0 })
    }))

  test('has no last moment where rooms have no longest life', () =>
    inWorld(
      async world => {
        const { worker } = await atTheEnd(world)
        world.clock.advance(1_000 * 86_400_000)
        expect(worker.released).toEqual([])
      },
      { limits: { ...worldLimits, maxRoomTtl: 0 } },
    ))

  test('of the original, which does not say when it was created, counts from two hours before its end', () =>
    inWorld(async world => {
      const { store, clock, join } = world
      const now = Math.floor(clock.now() / 1000)
      const token = await world.signIn()
      const template = await world.create(token)
      const room = { ...template, room_id: 'abc12345', created_at: null, expires_at: now + 60 }
      await store.create(room, 5, now)
      const session = await join(room, 'worker', token)
      clock.advance((60 + worldLimits.maxRoomTtl - 7200) * 1000 - 1)
      expect(session.released).toEqual([])
      clock.advance(1)
      expect(session.released).toEqual(['ROOM_EXPIRED'])
    }))

  test('can be moved away by its owner before it comes', () =>
    inWorld(async world => {
      const { rooms, clock, subjectOf } = world
      const { room, mine } = await atTheEnd(world, { ttl: 61 })
      await rooms.owner.change(await subjectOf(mine), room.room_id, { ttl: 600 })
      clock.advance(599_999)
      expect(rooms.census()).toMatchObject({ roomsPastEnd: 0, peers: 3 })
      clock.advance(1)
      expect(rooms.census()).toMatchObject({ roomsPastEnd: 1, peers: 2 })
    }))
})

describe('registering again on an open connection', () => {
  const hour = 3_600_000

  test('may be with the ID token of an hour ago', () =>
    inWorld(async ({ clock, signIn, create, join }) => {
      const token = await signIn()
      const room = await create(token)
      const session = await join(room, 'worker', token)
      clock.advance(hour + 1000)
      await join(room, 'worker', token, session)
      expect(session.replies).toHaveLength(2)
      expect(session.released).toEqual([])
    }))

  test.each<[string, (again: { peerId: string; token: string; session: RecordingSession; room: RoomKey }) => object]>([
    ['on another connection', () => ({ session: new RecordingSession() })],
    ['as another peer', () => ({ peerId: 'other' })],
    ['with the token of another identity', () => ({ token: 'theirs' })],
    ['with a token that somebody has changed', ({ token }) => ({ token: `${token.slice(0, -4)}AAAA` })],
  ])('may not be so %s', (_, change) =>
    inWorld(async ({ clock, signIn, create, join }) => {
      const [mine, theirs] = await Promise.all([signIn(), signIn()])
      const room = await create(mine)
      const session = await join(room, 'worker', mine)
      clock.advance(hour + 1000)
      const as = { peerId: 'worker', token: mine, session, room }
      const again = { ...as, ...change(as) }
      const token = again.token === 'theirs' ? theirs : again.token
      await expect(join(room, again.peerId, token, again.session)).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
      expect(session.released).toEqual([])
      expect(peerOf(session).id).toBe('worker')
    }),
  )

  test('may not be so in another room', () =>
    inWorld(async ({ clock, signIn, create, join }) => {
      const token = await signIn()
      const [one, two] = [await create(token), await create(token)]
      const session = await join(one, 'worker', token)
      clock.advance(hour + 1000)
      await expect(join(two, 'worker', token, session)).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
    }))

  test('keeps the admin role, also when another connection takes over, whatever it says of it', () =>
    inWorld(async ({ signIn, create, join }) => {
      const [mine, theirs] = await Promise.all([signIn(), signIn()])
      const room = await create(mine)
      const first = await join(room, 'worker', mine, new RecordingSession(), { is_admin: true })
      await join(room, 'worker', mine, first)
      const second = await join(room, 'worker', mine)
      const other = await join(room, 'other', theirs, new RecordingSession(), { is_admin: true })
      for (const { replies } of [first, second, other]) {
        expect(replies.at(-1)).toMatchObject({ admin_peer_id: 'worker' })
      }
      expect([second.conflicts, other.conflicts]).toEqual([[], [expect.objectContaining({ current_admin: 'worker' })]])
    }))
})

const addressOf = (address: string): Claim => ({ ...nobody, address })

describe('deleting by a peer that has closed its connection first, as deployed clients do', () => {
  /** A worker, and a client that has left; who is signed out is noted. */
  async function afterwards({ rooms, identity, signIn, create, join }: World) {
    const signedOut = spyOn(identity, 'signOut')
    const [mine, theirs] = await Promise.all([signIn(), signIn()])
    const room = await create(mine)
    const worker = await join(room, 'worker', theirs, new RecordingSession('192.0.2.2'))
    const client = peerOf(await join(room, 'client', mine))
    rooms.leave(client, 'left')
    return { room, mine, theirs, worker, client, signedOut }
  }

  test('removes that peer alone while others are there, if it shows no more than its address', () =>
    inWorld(async world => {
      const { rooms, store } = world
      const { room, worker, client, signedOut } = await afterwards(world)
      const refused = { code: 'FORBIDDEN' }
      await expect(rooms.cleanUp.delete({ peerId: 'client' }, addressOf('192.0.2.9'))).rejects.toMatchObject(refused)
      expect(await rooms.cleanUp.delete({ peerId: 'client' }, addressOf('192.0.2.1'))).toBe(true)
      expect(signedOut.mock.calls).toEqual([[[client.username]]])
      expect(worker.released).toEqual([])
      expect(await store.get(room.room_id)).toBeDefined()
      expect(await rooms.cleanUp.delete({ peerId: 'client' }, addressOf('192.0.2.1'))).toBe(false)
    }))

  test('deletes the room when nobody else is there', () =>
    inWorld(async world => {
      const { rooms, store } = world
      const { room, worker } = await afterwards(world)
      rooms.leave(peerOf(worker), 'left')
      expect(await rooms.cleanUp.delete({ peerId: 'client' }, addressOf('192.0.2.1'))).toBe(true)
      expect(await store.get(room.room_id)).toBeUndefined()
    }))

  test.each(['the identity of the creator', "the room's token"])('deletes the room with %s', proof =>
    inWorld(async world => {
      const { rooms, store } = world
      const { room, worker, client } = await afterwards(world)
      const identity = proof.startsWith('the identity')
      const claim = { ...nobody, ...(identity ? { identity: client.identity } : { token: room.token }) }
      expect(await rooms.cleanUp.delete({ peerId: 'client' }, claim)).toBe(true)
      expect(worker.released).toEqual(['ROOM_DELETED'])
      expect(await store.get(room.room_id)).toBeUndefined()
    }),
  )

  test('does not sign out an identity that has another peer there', () =>
    inWorld(async world => {
      const { rooms, join } = world
      const { room, mine, signedOut } = await afterwards(world)
      await join(room, 'second', mine)
      expect(await rooms.cleanUp.delete({ peerId: 'client' }, addressOf('192.0.2.1'))).toBe(true)
      expect(signedOut).not.toHaveBeenCalled()
    }))

  test('is for the peer itself where the identity is not that of the creator', () =>
    inWorld(async world => {
      const { rooms, store, signIn, join } = world
      const { room, worker } = await afterwards(world)
      const guest = peerOf(await join(room, 'guest', await signIn(), new RecordingSession('192.0.2.3')))
      rooms.leave(guest, 'left')
      expect(await rooms.cleanUp.delete({ peerId: 'guest' }, { ...nobody, identity: guest.identity })).toBe(true)
      expect(worker.released).toEqual([])
      expect(await store.get(room.room_id)).toBeDefined()
    }))
})
