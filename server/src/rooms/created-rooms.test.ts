import { describe, expect, test } from 'bun:test'
import { recordingLog, startServer } from '../../test/harness.ts'
import { inWorld, RecordingSession, type RoomKey, type World, worldLimits } from '../../test/world.ts'
import { manualClock } from '../clock.ts'
import { alone } from '../cluster/alone.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { sqlite } from '../room-store/sqlite.ts'

const kib = 1024
const createdRooms = { unentered: 20, unenteredPerAddress: 5, bytes: 100 * 8 * kib, bytesPerAddress: 12 * 8 * kib }
const limits = { ...worldLimits, roomsPerIdentity: 1000, peersPerIdentity: 1000, createdRooms }

const create = async ({ rooms, subjectOf }: World, idToken: string, address: string, options = {}) =>
  rooms.create(await subjectOf(idToken), options, address)

const someAddress = (i: number) => `198.51.100.${i}`

/** Which of the rooms the store still has, by their place in the list. */
async function left({ store }: World, rooms: readonly RoomKey[]): Promise<number[]> {
  const found = await Promise.all(rooms.map(({ room_id }) => store.get(room_id)))
  return found.flatMap((record, index) => (record ? [index] : []))
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe('rooms that nobody has entered', () => {
  test('make way for newer ones of the same address, the oldest first; those that were entered do not', () =>
    inWorld(
      async world => {
        const token = await world.signIn()
        const rooms = []
        for (let i = 0; i < 4; i++) {
          rooms.push(await create(world, token, '192.0.2.1'))
          if (i === 1) await world.join(rooms[1] as RoomKey, 'a', token)
        }
        const others = await create(world, token, '192.0.2.2')
        for (let i = 4; i < 10; i++) rooms.push(await create(world, token, '192.0.2.1'))
        expect(await left(world, rooms)).toEqual([1, 5, 6, 7, 8, 9])
        expect(await left(world, [others])).toEqual([0])
        expect(world.metrics.roomsMadeWay).toBe(4)
        expect(world.rooms.census().created).toMatchObject({ rooms: 7, unentered: 6 })
      },
      { limits },
    ))

  test('make way for newer ones of others, the oldest of all first', () =>
    inWorld(
      async world => {
        const token = await world.signIn()
        const rooms = []
        for (let i = 0; i < 30; i++) rooms.push(await create(world, token, someAddress(i)))
        expect(await left(world, rooms)).toEqual(range(10, 30))
      },
      { limits },
    ))

  test('stay while somebody is about to enter', () => {
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const single = alone()
    let entered: string | undefined
    const cluster: Cluster = {
      ...single,
      async claim(roomId, end) {
        if (roomId === entered) {
          reached.resolve()
          await gate.promise
        }
        return single.claim(roomId, end)
      },
    }
    return inWorld(
      async world => {
        const token = await world.signIn()
        const first = await create(world, token, '192.0.2.1')
        entered = first.room_id
        const session = new RecordingSession()
        const entering = world.rooms.join(world.register(first, 'a', token), session)
        await reached.promise
        for (let i = 0; i < 10; i++) await create(world, token, '192.0.2.1')
        gate.resolve()
        await entering
        expect(session.replies).toHaveLength(1)
      },
      { limits, cluster },
    )
  })
})

describe('rooms that somebody has entered', () => {
  test('have a share of the store for each address, and never make way', () =>
    inWorld(
      async world => {
        const token = await world.signIn()
        const rooms: RoomKey[] = []
        const fill = async () => {
          for (;;) {
            const room = await create(world, token, '192.0.2.1')
            rooms.push(room)
            const session = await world.join(room, 'a', token)
            if (session.peer) world.rooms.leave(session.peer, 'left')
          }
        }
        await expect(fill()).rejects.toMatchObject({ code: 'LIMIT_REACHED' })
        expect(rooms).toHaveLength(12)
        expect(await left(world, rooms)).toEqual(range(0, 12))
        await create(world, token, '192.0.2.2')
        // A deleted one makes room, and so does one that ends.
        await world.rooms.owner.delete(await world.subjectOf(token), rooms[0]?.room_id ?? '')
        await create(world, token, '192.0.2.1')
        await expect(create(world, token, '192.0.2.1', { ttl: 60 }).then(() => fill())).rejects.toThrow()
        world.clock.advance(7200_000)
        const later = await world.signIn()
        expect(world.rooms.census().created.rooms).toBeGreaterThan(10)
        await create(world, later, '192.0.2.1')
        expect(world.rooms.census().created).toMatchObject({ rooms: 1 })
      },
      { limits },
    ))

  test('weigh what their owners have put into them, later too', () =>
    inWorld(
      async world => {
        const { rooms, signIn, subjectOf } = world
        const token = await signIn()
        const owner = await subjectOf(token)
        const room = await create(world, token, '192.0.2.1', { metadata: { text: 'x'.repeat(16_000) } })
        expect(rooms.census().created.bytes).toBeGreaterThan(32_000)
        const invite = () =>
          rooms.owner.invite(owner, room.room_id, {
            ...{ singleUse: true, ttl: undefined, role: undefined },
            channels: Array.from({ length: 32 }, (_, i) => `${i}${'c'.repeat(60)}`),
          })
        const fill = async () => {
          for (;;) await invite()
        }
        await expect(fill()).rejects.toMatchObject({ code: 'LIMIT_REACHED' })
        expect(rooms.census().created.bytes).toBeLessThanOrEqual(createdRooms.bytesPerAddress)
        const { invites } = await rooms.owner.inspect(owner, room.room_id)
        expect(invites.length).toBeGreaterThan(5)
        // What makes it smaller is not refused.
        await rooms.owner.revoke(owner, room.room_id, invites[0]?.invite_id ?? '')
      },
      { limits },
    ))

  test('of very many addresses leave no space in the end, which is said', () =>
    inWorld(
      async world => {
        const token = await world.signIn()
        const fill = async () => {
          for (let i = 0; ; i++) await world.join(await create(world, token, `10.0.${i}.1`), `p${i}`, token)
        }
        await expect(fill()).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('as many') })
        expect(world.rooms.census().created.rooms).toBe(100)
      },
      { limits },
    ))
})

test('a store that is full has rooms make way that nobody has entered, and keeps the others', async () => {
  const clock = manualClock()
  const log = recordingLog()
  const store = sqlite(':memory:', clock, 500_000)
  const settings = { PARLEY_MAX_ROOMS_PER_IDENTITY: '1000', PARLEY_SIGN_INS_PER_MINUTE: '1000' }
  await using server = await startServer(settings, { clock, log, store })
  const idToken = await server.signIn()
  const used = await server.createRoom(idToken)
  using _peer = await server.join(used, 'a')
  const metadata = { text: 'x'.repeat(16_000) }
  const headers = { Authorization: `Bearer ${idToken}` }
  for (let i = 0; i < 50; i++) {
    expect((await server.post('/create-room', { metadata }, headers)).status).toBe(200)
  }
  using _other = await server.join(used, 'b')
  const text = await (await fetch(`${server.http}/metrics`)).text()
  expect(Number(/^parley_rooms_made_way_total (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(15)

  // With each of them entered, nothing makes way any more.
  for (;;) {
    const response = await server.post('/create-room', { metadata }, headers)
    if (response.status === 200) {
      using peer = await server.join((await response.json()) as RoomKey, 'a')
      peer.socket.close()
      continue
    }
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({
      code: 'UNAVAILABLE',
      detail: expect.stringContaining('as many rooms'),
    })
    break
  }
  expect(log.lines.findLast(({ level }) => level === 40)?.cause).toContain('500000 bytes')
  using _third = await server.join(used, 'c')
})

test('the metrics name a hundred roles at most, as peers choose them', async () => {
  await using server = await startServer({ PARLEY_MAX_PEERS_PER_ROOM: '200', PARLEY_SIGN_INS_PER_MINUTE: '1000' })
  const room = await server.createRoom(await server.signIn())
  await Promise.all(Array.from({ length: 110 }, (_, i) => server.join(room, `p${i}`, { role: `role ${i}` })))
  const response = await fetch(`${server.http}/metrics`, { headers: { Accept: 'application/json' } })
  const { peers_by_role } = (await response.json()) as { peers_by_role: Record<string, number> }
  expect(Object.keys(peers_by_role)).toHaveLength(101)
  expect(peers_by_role['other roles']).toBe(10)
})
