import { describe, expect, test } from 'bun:test'
import { silentLog } from '../../test/harness.ts'
import { inWorld, nobody, peerOf, RecordingSession } from '../../test/world.ts'
import { manualClock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { RoomStore } from '../room-store/room-store.ts'
import type { Claim } from './rights.ts'
import { Rooms } from './rooms.ts'

describe('entering a room', () => {
  test('lists the peers that are there, with their metadata, and not the one that enters', () =>
    inWorld(async ({ rooms, signIn, create, register, join }) => {
      const token = await signIn()
      const room = await create(token)
      await join(room, 'a', token)
      const session = new RecordingSession()
      await rooms.join({ ...register(room, '__proto__', token), metadata: { gpu: 1 }, is_admin: true }, session)
      const last = await join(room, 'c', token)
      expect(last.replies[0]).toMatchObject({ peer_list: ['a', '__proto__'], admin_peer_id: '__proto__' })
      expect(JSON.stringify(last.replies[0]?.peer_metadata)).toBe('{"a":{},"__proto__":{"gpu":1}}')
    }))

  test('a connection that has ended meanwhile does not enter', () =>
    inWorld(async ({ rooms, signIn, create, register }) => {
      const token = await signIn()
      const room = await create(token)
      const session = new RecordingSession()
      const joining = rooms.join(register(room, 'a', token), session)
      session.open = false
      await joining
      expect(session.replies).toEqual([])
      expect(rooms.census().peers).toBe(0)
    }))

  test('a full room takes no further peer, and takes one again when somebody has left', () =>
    inWorld(async ({ rooms, signIn, create, join }) => {
      const token = await signIn()
      const room = await create(token, { maxPeers: 2 })
      const first = await join(room, 'a', token)
      await join(room, 'b', token)
      await expect(join(room, 'c', token)).rejects.toThrow('The room is full.')
      await join(room, 'b', token)
      rooms.leave(peerOf(first), 'left')
      await join(room, 'c', token)
    }))

  test('checks the token before the end of the room, and the space before the peer id', () =>
    inWorld(async ({ clock, signIn, create, join }) => {
      const [mine, theirs] = await Promise.all([signIn(), signIn()])
      const full = await create(mine, { maxPeers: 1, ttl: 60 })
      await join(full, 'a', mine, new RecordingSession(), { features: ['acks'] })
      await expect(join(full, 'a', theirs)).rejects.toMatchObject({ code: 'ROOM_FULL' })
      clock.advance(60_000)
      await expect(join({ ...full, token: 'wrong' }, 'a', mine)).rejects.toMatchObject({ code: 'INVALID_ROOM_TOKEN' })
      await expect(join(full, 'a', mine)).rejects.toMatchObject({ code: 'ROOM_EXPIRED' })
      await expect(join({ ...full, token: 'wrong' }, 'a', 'wrong')).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
    }))

  test('an identity is held to its number of peers, over all rooms', () =>
    inWorld(async ({ rooms, signIn, create, join }) => {
      const token = await signIn()
      const one = await create(token)
      const two = await create(token)
      const first = await join(one, 'a', token)
      for (const id of ['b', 'c']) await join(one, id, token)
      await join(two, 'a', token)
      await expect(join(two, 'b', token)).rejects.toThrow('This identity already has 4 peers.')
      await join(two, 'b', await signIn())
      rooms.leave(peerOf(first), 'left')
      await join(two, 'c', token)
    }))

  test('the same identity takes over its peer; another one cannot', () =>
    inWorld(async ({ rooms, signIn, create, join }) => {
      const token = await signIn()
      const room = await create(token)
      const old = await join(room, 'a', token)
      await expect(join(room, 'a', await signIn())).rejects.toThrow('Another identity')
      expect(old.released).toEqual([])
      const oldPeer = peerOf(old)
      const now = await join(room, 'a', token)
      expect(old.released).toEqual(['PEER_REPLACED'])
      rooms.leave(oldPeer, 'left')
      expect(rooms.census().peers).toBe(1)
      expect(now.released).toEqual([])
    }))

  test('a connection that registers again leaves where it was', () =>
    inWorld(async ({ rooms, signIn, create, join }) => {
      const token = await signIn()
      const one = await create(token)
      const two = await create(token)
      const session = await join(one, 'a', token)
      await join(one, 'a', token, session)
      await join(one, 'b', token, session)
      await join(two, 'b', token, session)
      expect(session.released).toEqual([])
      expect(rooms.census()).toMatchObject({ rooms: 1, peers: 1 })
      expect((await join(one, 'c', token)).replies[0]?.peer_list).toEqual([])
    }))

  test('a refused registration changes nothing for the peer that the connection has', () =>
    inWorld(async ({ rooms, signIn, create, join }) => {
      const token = await signIn()
      const room = await create(token)
      const session = await join(room, 'a', token)
      await expect(join({ ...room, token: 'wrong' }, 'b', token, session)).rejects.toThrow('Invalid token')
      expect(peerOf(session).id).toBe('a')
      expect(rooms.census().peers).toBe(1)
    }))

  test('rooms that nobody was let into are forgotten', () =>
    inWorld(async ({ rooms, signIn, join }) => {
      const token = await signIn()
      for (let i = 0; i < 3; i++) {
        await expect(join({ room_id: `r${i}`, token: 'x' }, 'a', token)).rejects.toThrow('Room not found')
      }
      expect(await rooms.cleanUp.delete({ roomId: 'r1' }, nobody)).toBe(false)
    }))
})

/** A store whose readings wait until they are let go. */
function held(store: RoomStore) {
  const { promise: gate, resolve: letGo } = Promise.withResolvers<void>()
  const { promise: read, resolve: hasRead } = Promise.withResolvers<void>()
  const slow: RoomStore = {
    ...store,
    async get(id) {
      const record = await store.get(id)
      hasRead()
      await gate
      return record
    },
  }
  return { store: slow, letGo, read }
}

test('a room that is deleted while somebody enters is not entered', () =>
  inWorld(async ({ store, clock, ...rest }) => {
    const slow = held(store)
    const rooms = new Rooms({ ...rest, clock, store: slow.store })
    const idToken = await rest.signIn()
    const room = await rooms.create(await rest.subjectOf(idToken), {}, '192.0.2.1')
    const session = new RecordingSession()
    const entering = rooms.join(rest.register(room, 'a', idToken), session)
    await slow.read
    await rooms.cleanUp.deleteRoom(room.room_id)
    slow.letGo()
    await expect(entering).rejects.toThrow('Room not found')
    expect(session.replies).toEqual([])
  }))

test('a store that hangs is an error after 4.5 s to the one who waits for it', () =>
  inWorld(async ({ store, clock, ...rest }) => {
    const hung = held(store)
    const rooms = new Rooms({ ...rest, clock, store: hung.store })
    const idToken = await rest.signIn()
    const room = await rooms.create(await rest.subjectOf(idToken), {}, '192.0.2.1')
    const entering = rooms.join(rest.register(room, 'a', idToken), new RecordingSession())
    await hung.read
    clock.advance(4_500)
    await expect(entering).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'DynamoDB error' })
    hung.letGo()
  }))

test('an identity provider and a store that are both slow have no more time than one that hangs', () =>
  inWorld(async ({ identity, store, clock, ...rest }) => {
    const asked = Promise.withResolvers<void>()
    const slow = {
      ...identity,
      async verify(idToken: string) {
        asked.resolve()
        await new Promise<void>(resume => clock.after(4_000, resume))
        return identity.verify(idToken)
      },
    }
    const hung = held(store)
    const rooms = new Rooms({ ...rest, clock, identity: slow, store: hung.store })
    const idToken = await rest.signIn()
    const room = await rooms.create(await rest.subjectOf(idToken), {}, '192.0.2.1')
    const entering = rooms.join(rest.register(room, 'a', idToken), new RecordingSession())
    await asked.promise
    clock.advance(4_000)
    await hung.read
    clock.advance(500)
    await expect(entering).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'DynamoDB error' })
    hung.letGo()
  }))

describe('the end of a room', () => {
  test('releases the peers with features that are in it', () =>
    inWorld(async ({ rooms, clock, signIn, create, join }) => {
      const token = await signIn()
      const room = await create(token, { ttl: 60 })
      const other = await create(token, { ttl: 61 })
      const session = await join(room, 'a', token, new RecordingSession(), { features: ['acks'] })
      const elsewhere = await join(other, 'a', token)
      clock.advance(59_999)
      expect(session.released).toEqual([])
      clock.advance(1)
      expect(session.released).toEqual(['ROOM_EXPIRED'])
      expect(elsewhere.released).toEqual([])
      await expect(join(room, 'a', token)).rejects.toThrow('Room expired')
      expect(rooms.census()).toMatchObject({ rooms: 1, peers: 1 })
    }))

  test('comes two hours after the creation if nobody said otherwise, also for a room that was empty meanwhile', () =>
    inWorld(async ({ rooms, clock, signIn, subjectOf, create, join, identity }) => {
      const token = await signIn()
      const room = await create(token)
      rooms.leave(peerOf(await join(room, 'a', token)), 'left')
      clock.advance(7_199_000)
      const { idToken } = await identity.signIn()
      expect(await subjectOf(idToken)).toBeString()
      await join(room, 'b', idToken, new RecordingSession(), { features: ['acks'] })
      clock.advance(1_000)
      expect(rooms.census()).toMatchObject({ rooms: 0, peers: 0 })
      expect(await rooms.cleanUp.deletePeer('b', nobody)).toBe('unknown')
    }))

  test('never comes to a room without one, until its owner gives it one', () =>
    inWorld(async ({ rooms, clock, signIn, subjectOf, create, join }) => {
      const token = await signIn()
      const room = await create(token, { ttl: null })
      expect(room.expires_at).toBeNull()
      const session = await join(room, 'a', token, new RecordingSession(), { features: ['presence'] })
      expect(session.replies).toMatchObject([{ expires_at: null }])
      clock.advance(3_000_000)
      expect(session.released).toEqual([])
      await rooms.owner.change(await subjectOf(token), room.room_id, { ttl: 60 })
      clock.advance(60_000)
      expect(session.released).toEqual(['ROOM_EXPIRED'])
    }))
})

test('a timer that is early does not end a room', async () => {
  const clock = manualClock()
  const early = { ...clock, after: (ms: number, act: () => void) => clock.after(Math.min(ms, 1000), act) }
  await inWorld(
    async ({ identity, rooms, register }) => {
      const { idToken } = await identity.signIn()
      const room = await rooms.create((await identity.verify(idToken)).subject, { ttl: 10 }, '192.0.2.1')
      const session = new RecordingSession()
      await rooms.join(register(room, 'a', idToken, { features: ['acks'] }), session)
      clock.advance(9_999)
      expect(session.released).toEqual([])
      clock.advance(1)
      expect(session.released).toEqual(['ROOM_EXPIRED'])
    },
    { clock: early },
  )
})

describe('deleting', () => {
  const addressOf = (address: string): Claim => ({ ...nobody, address })

  test('needs the identity of the creator or of a peer, the token, or the address of a peer', () =>
    inWorld(async ({ rooms, signIn, subjectOf, create, join }) => {
      const [creator, peer, stranger] = await Promise.all([signIn(), signIn(), signIn()])
      const claims: [Claim, boolean][] = [
        [nobody, false],
        [{ ...nobody, identity: await subjectOf(stranger) }, false],
        [{ ...nobody, token: 'wrong' }, false],
        [addressOf('192.0.2.9'), false],
        [{ ...nobody, identity: await subjectOf(creator) }, true],
        [{ ...nobody, identity: await subjectOf(peer) }, true],
        [addressOf('192.0.2.1'), true],
      ]
      for (const [claim, allowed] of claims) {
        const room = await create(creator)
        const session = await join(room, 'a', peer)
        for (const named of [{ roomId: room.room_id }, { peerId: 'a' }]) {
          if (!allowed) await expect(rooms.cleanUp.delete(named, claim)).rejects.toMatchObject({ code: 'FORBIDDEN' })
        }
        expect(session.released).toEqual([])
        expect(
          await rooms.cleanUp.delete({ roomId: room.room_id }, allowed ? claim : { ...nobody, token: room.token }),
        ).toBe(true)
        expect(session.released).toEqual(['ROOM_DELETED'])
      }
    }))

  test('is no right of a guest, who came by an invitation, while it is there or afterwards', () =>
    inWorld(async ({ rooms, signIn, subjectOf, create, join }) => {
      const [owner, guest] = await Promise.all([signIn(), signIn()])
      const room = await create(owner)
      const options = { singleUse: true, ttl: undefined, role: undefined, channels: undefined }
      const { token } = await rooms.owner.invite(await subjectOf(owner), room.room_id, options)
      const session = await join({ ...room, token }, 'guest', guest, new RecordingSession('192.0.2.9'))
      const claims = [{ ...nobody, identity: await subjectOf(guest) }, addressOf('192.0.2.9'), { ...nobody, token }]
      const refused = { code: 'FORBIDDEN' }
      for (const claim of claims) {
        await expect(rooms.cleanUp.delete({ roomId: room.room_id }, claim)).rejects.toMatchObject(refused)
      }
      rooms.leave(peerOf(session), 'left')
      for (const claim of claims)
        await expect(rooms.cleanUp.delete({ peerId: 'guest' }, claim)).rejects.toMatchObject(refused)
    }))

  test('finds a room that nobody has entered since the start', () =>
    inWorld(async ({ rooms, signIn, subjectOf, create }) => {
      const token = await signIn()
      const { room_id: roomId } = await create(token)
      await expect(rooms.cleanUp.delete({ roomId }, nobody)).rejects.toMatchObject({ code: 'FORBIDDEN' })
      expect(await rooms.cleanUp.delete({ roomId }, { ...nobody, identity: await subjectOf(token) })).toBe(true)
      expect(await rooms.cleanUp.delete({ roomId }, nobody)).toBe(false)
    }))

  test('by a peer_id that several rooms know deletes the latest that the claim gives a right to, and no other', () =>
    inWorld(async ({ rooms, signIn, subjectOf, create, join }) => {
      const [mine, theirs] = await Promise.all([signIn(), signIn()])
      const first = await join(await create(mine), 'worker', mine)
      const second = await join(await create(mine), 'worker', mine)
      const foreign = await join(await create(theirs), 'worker', theirs, new RecordingSession('192.0.2.9'))
      const claim = { ...nobody, identity: await subjectOf(mine) }
      expect(await rooms.cleanUp.delete({ peerId: 'worker' }, claim)).toBe(true)
      expect([first.released, second.released]).toEqual([[], ['ROOM_DELETED']])
      expect(await rooms.cleanUp.delete({ peerId: 'worker' }, claim)).toBe(true)
      expect(first.released).toEqual(['ROOM_DELETED'])
      await expect(rooms.cleanUp.delete({ peerId: 'worker' }, claim)).rejects.toMatchObject({ code: 'FORBIDDEN' })
      expect(foreign.released).toEqual([])
    }))

  test('one peer leaves the others alone; with the last one the room goes', () =>
    inWorld(async ({ rooms, store, signIn, create, join }) => {
      const token = await signIn()
      const room = await create(token)
      const claim = { ...nobody, token: room.token }
      const [a, b, c] = [await join(room, 'a', token), await join(room, 'b', token), await join(room, 'c', token)]
      expect(await rooms.cleanUp.deletePeer('unknown', claim)).toBe('unknown')
      await expect(rooms.cleanUp.deletePeer('a', nobody)).rejects.toMatchObject({ code: 'FORBIDDEN' })
      expect(await rooms.cleanUp.deletePeer('a', claim)).toEqual({ roomDeleted: false })
      expect(await rooms.cleanUp.deletePeer('a', claim)).toBe('unknown')
      expect([a.released, b.released]).toEqual([['PEER_REMOVED'], []])
      rooms.leave(peerOf(c), 'left')
      expect(await rooms.cleanUp.deletePeer('c', claim)).toBe('departed')
      expect(await rooms.cleanUp.deletePeer('b', claim)).toEqual({ roomDeleted: true })
      expect(await store.get(room.room_id)).toBeUndefined()
    }))

  test('signs out the identities of all peers that are or were there', async () => {
    const signedOut: string[] = []
    await inWorld(async ({ identity, ...rest }) => {
      const watched = { ...identity, signOut: async (subjects: readonly string[]) => void signedOut.push(...subjects) }
      const rooms = new Rooms({ ...rest, identity: watched })
      const [one, two] = await Promise.all([rest.signIn(), rest.signIn()])
      const room = await rest.create(one)
      const session = new RecordingSession()
      await rooms.join(rest.register(room, 'a', one), session)
      rooms.leave(peerOf(session), 'left')
      await rooms.join(rest.register(room, 'b', two), new RecordingSession())
      await rooms.cleanUp.delete({ peerId: 'a' }, { ...nobody, token: room.token })
      expect(signedOut.sort()).toEqual([await rest.subjectOf(one), await rest.subjectOf(two)].sort())
    })
  })

  test('asks the identity provider once when the last peer is deleted, also for those who had left', async () => {
    const signedOut: (readonly string[])[] = []
    await inWorld(async ({ identity, ...rest }) => {
      const rooms = new Rooms({ ...rest, identity: { ...identity, signOut: async s => void signedOut.push(s) } })
      const [one, two] = await Promise.all([rest.signIn(), rest.signIn()])
      const room = await rest.create(one)
      const session = new RecordingSession()
      await rooms.join(rest.register(room, 'a', one), session)
      rooms.leave(peerOf(session), 'left')
      await rooms.join(rest.register(room, 'b', two), new RecordingSession())
      expect(await rooms.cleanUp.deletePeer('b', { ...nobody, token: room.token })).toEqual({ roomDeleted: true })
      expect(signedOut).toEqual([[await rest.subjectOf(one), await rest.subjectOf(two)]])
    })
  })

  test('signs out also those whose place another identity has taken, as clients do that sign in anew each time', async () => {
    const signedOut: string[] = []
    await inWorld(async ({ identity, ...rest }) => {
      const rooms = new Rooms({ ...rest, identity: { ...identity, signOut: async s => void signedOut.push(...s) } })
      const tokens = await Promise.all([rest.signIn(), rest.signIn(), rest.signIn()])
      const room = await rest.create(tokens[0])
      for (const token of tokens) {
        const session = new RecordingSession()
        await rooms.join(rest.register(room, 'worker', token), session)
        rooms.leave(peerOf(session), 'left')
      }
      await rooms.cleanUp.delete({ roomId: room.room_id }, { ...nobody, token: room.token })
      expect(signedOut.sort()).toEqual((await Promise.all(tokens.map(rest.subjectOf))).sort())
    })
  })

  test('is told to the operator with the reason for which identities were not signed out', async () => {
    const logged: unknown[] = []
    const log = { ...silentLog, error: (...line: unknown[]) => void logged.push(line) } as Log
    await inWorld(async ({ identity, ...rest }) => {
      const signOut = () => Promise.reject(new Error('1 of 1 users were not deleted: Cognito refuses AdminDeleteUser'))
      const rooms = new Rooms({ ...rest, log, identity: { ...identity, signOut } })
      const token = await rest.signIn()
      const room = await rest.create(token)
      await rooms.join(rest.register(room, 'worker', token), new RecordingSession())
      expect(await rooms.cleanUp.delete({ roomId: room.room_id }, { ...nobody, token: room.token })).toBe(true)
    })
    const error = 'Error: 1 of 1 users were not deleted: Cognito refuses AdminDeleteUser'
    expect(logged).toEqual([[{ identities: 1, error }, 'identities not signed out']])
  })

  test('remembers no more departed peers than a room may have, the latest ones', () =>
    inWorld(async ({ rooms, signIn, create, join }) => {
      const token = await signIn()
      const room = await create(token)
      for (const id of ['a', 'b', 'c', 'd']) rooms.leave(peerOf(await join(room, id, token)), 'left')
      const claim = { ...nobody, token: room.token }
      expect(await rooms.cleanUp.deletePeer('a', claim)).toBe('unknown')
      expect(await rooms.cleanUp.deletePeer('d', claim)).toBe('departed')
    }))
})

describe('the owner', () => {
  test('has a change take effect at once', () =>
    inWorld(async ({ rooms, signIn, subjectOf, create, join }) => {
      const [owner, peer] = await Promise.all([signIn(), signIn()])
      const room = await create(owner)
      const session = await join(room, 'a', peer)
      await rooms.owner.removePeer(await subjectOf(owner), room.room_id, 'a')
      expect(session.released).toEqual(['PEER_REMOVED'])
      await expect(join(room, 'b', peer)).rejects.toMatchObject({ code: 'PEER_REMOVED' })
    }))

  test('readmits an identity, under whatever names it was removed', () =>
    inWorld(async ({ rooms, signIn, subjectOf, create, join }) => {
      const [owner, peer] = await Promise.all([signIn(), signIn()])
      const room = await create(owner)
      const subject = await subjectOf(owner)
      for (const name of ['a', 'b']) rooms.leave(peerOf(await join(room, name, peer)), 'left')
      for (const name of ['a', 'b', 'b']) await rooms.owner.removePeer(subject, room.room_id, name)
      expect((await rooms.owner.inspect(subject, room.room_id)).removed).toEqual(['a', 'b'])
      await rooms.owner.readmit(subject, room.room_id, 'b')
      expect((await rooms.owner.inspect(subject, room.room_id)).removed).toEqual([])
      await join(room, 'a', peer)
    }))
})

test('room ids and tokens are long, and have no letters that look alike', () =>
  inWorld(async ({ signIn, create }) => {
    const { room_id, token } = await create(await signIn())
    expect(room_id).toMatch(/^[abcdefghjkmnpqrstvwxyz2-9]{13}$/)
    expect(token).toMatch(/^[A-Za-z0-9_-]{32}$/)
  }))
