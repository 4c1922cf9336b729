import { describe, expect, test } from 'bun:test'
import { recordingLog } from '../../test/harness.ts'
import { inWorld, nobody, peerOf, RecordingSession, type RoomKey, type World, worldLimits } from '../../test/world.ts'
import { alone } from '../cluster/alone.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { Rooms } from './rooms.ts'

/** Small ones: some ten peers with a room of their own, a quarter of them for one address. */
const past = { bytes: 48_000, bytesPerAddress: 12_000 }
const limits = { ...worldLimits, roomsPerIdentity: 1000, peersPerIdentity: 1000, past }

/** A peer of `address` enters a room of its own and leaves it. */
async function passBy({ rooms, create, signIn, join }: World, peerId: string, address: string, metadata = {}) {
  const idToken = await signIn()
  const room = await create(idToken, { metadata })
  rooms.leave(peerOf(await join(room, peerId, idToken, new RecordingSession(address))), 'left')
  return room
}

/** Whether the clean-up that a deployed client asks for would still find its peer. */
const isKnown = async ({ rooms }: World, peerId: string, address: string) =>
  (await rooms.cleanUp.deletePeer(peerId, { ...nobody, address })) === 'departed'

const someAddress = (i: number) => `198.51.100.${i}`

describe('peers that have left', () => {
  test('are remembered up to a bound in all, the oldest forgotten first, with their rooms', () => {
    const claims = new Set<string>()
    const single = alone()
    const counting: Cluster = {
      ...single,
      claim(roomId, end) {
        claims.add(roomId)
        return single.claim(roomId, end)
      },
      release: roomId => void claims.delete(roomId),
    }
    const log = recordingLog()
    return inWorld(
      async world => {
        for (let i = 0; i < 100; i++) await passBy(world, `p${i}`, someAddress(i))
        const { past, rooms } = world.rooms.census()
        expect(rooms).toBe(0)
        expect(past.bytes).toBeLessThanOrEqual(limits.past.bytes)
        expect(past.memories).toBeWithin(5, 20)
        expect(past.idleRooms).toBe(past.memories)
        // Its claim and its plans end with a room.
        expect(claims.size).toBe(past.idleRooms)
        expect(world.metrics.peersForgotten).toBe(100 - past.memories)
        expect(log.lines.filter(({ msg }) => String(msg).startsWith('peers that have left'))).toHaveLength(1)

        const known = await Promise.all(Array.from({ length: 100 }, (_, i) => isKnown(world, `p${i}`, someAddress(i))))
        expect(known.indexOf(true)).toBe(100 - past.memories)
        expect(known.lastIndexOf(false)).toBe(99 - past.memories)
        expect(world.rooms.census().past).toMatchObject({ memories: 0, idleRooms: 0, bytes: 0 })
      },
      { limits, cluster: counting, log },
    )
  })

  test('of one address do not have those of others forgotten', () =>
    inWorld(
      async world => {
        await passBy(world, 'mine', someAddress(1))
        for (let i = 0; i < 100; i++) await passBy(world, `p${i}`, '203.0.113.9')
        expect(world.rooms.census().past.bytes).toBeLessThan(2 * past.bytesPerAddress)
        expect(await isKnown(world, 'mine', someAddress(1))).toBe(true)
        expect(await isKnown(world, 'p99', '203.0.113.9')).toBe(true)
        expect(await isKnown(world, 'p0', '203.0.113.9')).toBe(false)
      },
      { limits },
    ))

  test('are weighed with what their rooms are kept for, also where that grows later', () =>
    inWorld(
      async world => {
        const { rooms, subjectOf, signIn, create, join } = world
        for (let i = 0; i < 10; i++) await passBy(world, `big${i}`, someAddress(i), { text: 'x'.repeat(5_000) })
        expect(rooms.census().past.memories).toBeLessThan(5)
        expect(rooms.census().past.bytes).toBeLessThanOrEqual(past.bytes)

        const owner = await signIn()
        const room = await create(owner)
        rooms.leave(peerOf(await join(room, 'a', owner)), 'left')
        const before = rooms.census().past.bytes
        const options = { singleUse: true, ttl: undefined, role: undefined, channels: undefined }
        await rooms.owner.invite(await subjectOf(owner), room.room_id, { ...options, channels: ['c'.repeat(64)] })
        expect(rooms.census().past.bytes).toBeGreaterThan(before + 300)
        await join(room, 'a', owner)
        expect(rooms.census().past.bytes).toBeLessThan(before)
      },
      { limits },
    ))

  test('come back where others are, and nothing of them is counted twice', () =>
    inWorld(async world => {
      const { rooms, signIn, create, join } = world
      const idToken = await signIn()
      const room = await create(idToken)
      for (let i = 0; i < 50; i++) rooms.leave(peerOf(await join(room, 'a', idToken)), 'left')
      const once = rooms.census().past
      expect(once).toMatchObject({ memories: 1, idleRooms: 1 })
      for (let i = 0; i < 50; i++) rooms.leave(peerOf(await join(room, 'a', await signIn())), 'left')
      // The users behind it are to be signed out with the room.
      expect(rooms.census().past).toMatchObject({ memories: 51, idleRooms: 1 })
      await rooms.cleanUp.delete({ roomId: room.room_id }, { ...nobody, token: room.token })
      expect(rooms.census().past).toEqual({ memories: 0, idleRooms: 0, bytes: 0 })
    }))

  test('leave nothing in memory once the last of them is deleted, nor when their room ends', () =>
    inWorld(async world => {
      const { rooms, clock } = world
      await passBy(world, 'a', someAddress(1))
      await passBy(world, 'b', someAddress(2))
      expect(await isKnown(world, 'a', someAddress(1))).toBe(true)
      expect(rooms.census().past).toMatchObject({ memories: 1, idleRooms: 1 })
      clock.advance(7200_000)
      expect(rooms.census().past).toEqual({ memories: 0, idleRooms: 0, bytes: 0 })
    }))

  test('are signed out with the room, and those who are still in it, though they came long before', async () => {
    const signedOut: string[] = []
    await inWorld(
      async ({ identity, ...rest }) => {
        const signOut = async (names: readonly string[]) => void signedOut.push(...names)
        const rooms = new Rooms({ ...rest, identity: { ...identity, signOut } })
        const join = async (room: RoomKey, peerId: string, idToken: string, session = new RecordingSession()) => {
          await rooms.join(rest.register(room, peerId, idToken), session)
          return session
        }
        const world = { ...rest, identity, rooms, join }
        const [owner, worker] = await Promise.all([rest.signIn(), rest.signIn()])
        const room = await rest.create(owner)
        await join(room, 'worker', worker, new RecordingSession(someAddress(7)))
        for (let i = 0; i < 50; i++) await passBy(world, `p${i}`, someAddress(100 + i))
        rooms.leave(peerOf(await join(room, 'a', owner)), 'left')
        await rooms.cleanUp.delete({ roomId: room.room_id }, { ...nobody, token: room.token })
        expect(signedOut.sort()).toEqual((await Promise.all([owner, worker].map(rest.subjectOf))).sort())
      },
      { limits },
    )
  })
})

describe('a clock that is set', () => {
  test.each([48, -48])('by %d hours neither ends a room for those who are in it nor prolongs it', hours =>
    inWorld(async ({ rooms, clock, signIn, subjectOf, create, join }) => {
      const token = await signIn()
      const owner = await subjectOf(token)
      const room = await create(token, { ttl: 7200 })
      const features = { features: ['presence' as const] }
      const [a, b] = [
        await join(room, 'a', token, new RecordingSession(), features),
        await join(room, 'b', token, new RecordingSession(), features),
      ]
      clock.advance(3600_000)
      const right = clock.now()
      clock.set(right + hours * 3600_000)
      rooms.leave(peerOf(b), 'left')
      clock.advance(60_000)
      expect(a.released).toEqual([])
      clock.set(right + 60_000)
      expect((await join(room, 'b', token, b, features)).replies).toHaveLength(2)
      clock.set(right + hours * 3600_000)
      a.heard()
      // Ahead of its end, its owner may change nothing.
      if (hours < 0) await rooms.owner.change(owner, room.room_id, { name: 'another one' })
      clock.advance(3600_000 - 60_000 - 300_000)
      expect(a.heard()).toMatchObject([{ type: 'room_expiring' }])
      clock.advance(240_000)
      expect(a.heard()).toMatchObject([{ type: 'room_expiring' }])
      clock.advance(59_999)
      expect(a.released).toEqual([])
      clock.advance(1)
      expect(a.released).toEqual(['ROOM_EXPIRED'])
    }),
  )

  test('by two days for one request costs no room', () =>
    inWorld(async ({ clock, signIn, create, join }) => {
      const token = await signIn()
      const room = await create(token)
      clock.advance(1800_000)
      await create(token)
      clock.set(clock.now() + 48 * 3600_000)
      await create(await signIn())
      clock.set(clock.now() - 48 * 3600_000)
      await join(room, 'a', token)
    }))
})
