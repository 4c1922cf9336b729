import { describe, expect, test } from 'bun:test'
import { metricOf, recordingLog, startServer } from '../../test/harness.ts'
import { inWorld, nobody, peerOf, RecordingSession, type World, worldLimits } from '../../test/world.ts'
import { manualClock } from '../clock.ts'
import { createMetrics } from '../metrics.ts'
import { countEvents } from './event-counts.ts'
import { logEvents } from './event-log.ts'
import type { RoomEvent } from './room-events.ts'

type Kind = RoomEvent['type']
type Facts<Type extends Kind> = Omit<Extract<RoomEvent, { type: Type }>, 'type'>

const ids = { room: 'r', peer: 'ada' }
const remembered = { memories: 3, idleRooms: 2, bytes: 1 }

/** Of each kind the facts, the line that operators know, and the metric that goes up. */
const accounts: {
  readonly [Type in Kind]: readonly [facts: Facts<Type>, line: Record<string, unknown> | undefined, metric?: string]
} = {
  created: [{ room: 'r', expiresAt: 7 }, { level: 30, room: 'r', expires_at: 7, msg: 'room created' }, 'roomsCreated'],
  changed: [
    { room: 'r', revision: 2 },
    { level: 30, room: 'r', revision: 2, msg: 'room changed' },
  ],
  past_end: [
    { room: 'r', released: 1, stay: 2 },
    { level: 30, room: 'r', released: 1, stay: 2, msg: 'room past its end' },
  ],
  ended: [
    { room: 'r', peers: 2, code: 'ROOM_DELETED' },
    { level: 30, room: 'r', peers: 2, code: 'ROOM_DELETED', msg: 'room ended' },
  ],
  made_way: [{ room: 'r' }, { level: 30, room: 'r', msg: 'room that nobody has entered made way' }, 'roomsMadeWay'],
  moved: [
    { room: 'r', node: 'n' },
    { level: 40, room: 'r', node: 'n', msg: 'room served by another node' },
  ],
  joined: [
    { ...ids, role: 'worker', replaced: false, turnUser: 'u' },
    { level: 30, ...ids, role: 'worker', replaced: false, turn_user: 'u', msg: 'peer registered' },
    'registrations',
  ],
  away: [ids, { level: 30, ...ids, msg: 'peer away' }],
  back: [{ ...ids, missed: 3 }, { level: 30, ...ids, missed: 3, msg: 'peer back' }, 'resumptions'],
  left: [
    { ...ids, reason: 'disconnected' },
    { level: 30, ...ids, reason: 'disconnected', msg: 'peer left' },
  ],
  removed: [ids, { level: 30, ...ids, msg: 'peer removed' }],
  departed_deleted: [ids, { level: 30, ...ids, msg: 'departed peer deleted' }],
  id_token_renewed: [{ ...ids, expiresAt: 7 }, undefined],
  id_token_ended: [ids, { level: 30, ...ids, code: 'TOKEN_EXPIRED', msg: 'connection closed' }, 'errors'],
  refused: [{ ...ids, code: 'ROOM_FULL' }, undefined],
  forgotten: [
    { ...ids, address: '192.0.2.1', ...remembered },
    {
      level: 40,
      ...remembered,
      address: '192.0.2.1',
      msg: 'peers that have left are forgotten early; parley_peers_forgotten_total counts them',
    },
    'peersForgotten',
  ],
}

describe('an event', () => {
  test.each(Object.entries(accounts))(
    '%s is the line and the count that it always was',
    (type, [facts, line, metric]) => {
      const [log, metrics] = [recordingLog(), createMetrics()]
      const event = { type, ...facts } as RoomEvent
      logEvents(log, manualClock())(event)
      countEvents(metrics)(event)
      const lines = log.lines.map(({ time: _, ...rest }) => rest)
      expect(lines).toEqual(line ? [line] : [])
      const before = createMetrics()
      const changed = Object.entries(metrics).filter(
        ([name, value]) => !Bun.deepEquals(value, before[name as 'relayed']),
      )
      expect(changed.map(([name]) => name)).toEqual(metric ? [metric] : [])
    },
  )

  test('that comes in thousands is a line every ten minutes, and counted each time', () => {
    const [log, metrics, clock] = [recordingLog(), createMetrics(), manualClock()]
    const event: RoomEvent = { type: 'forgotten', ...accounts.forgotten[0] }
    const [write, count] = [logEvents(log, clock), countEvents(metrics)]
    for (let i = 0; i < 100; i++) {
      write(event)
      count(event)
    }
    expect([log.lines.length, metrics.peersForgotten]).toEqual([1, 100])
    clock.advance(600_000)
    write(event)
    expect(log.lines).toHaveLength(2)
  })
})

/** What has happened since this was asked last, without the room, which is the same each time. */
const happened = ({ events }: World) => events.splice(0).map(({ room: _, ...event }) => event)

const features = ['presence'] as const

describe('of a room and its peers is told', () => {
  test('that it was created, entered, left, and deleted', () =>
    inWorld(async world => {
      const token = await world.signIn()
      const room = await world.create(token)
      expect(world.events).toEqual([{ type: 'created', room: room.room_id, expiresAt: room.expires_at }])
      happened(world)
      const joined = { type: 'joined', role: 'peer', replaced: false, turnUser: undefined } as const
      const ada = await world.join(room, 'ada', token)
      const bob = await world.join(room, 'bob', token)
      expect(happened(world)).toEqual([
        { ...joined, peer: 'ada' },
        { ...joined, peer: 'bob' },
      ])
      await world.join(room, 'ada', token)
      world.rooms.leave(peerOf(bob), 'disconnected')
      // The place of the first ada has another one.
      expect(ada.released).toEqual(['PEER_REPLACED'])
      expect(happened(world)).toEqual([
        { ...joined, peer: 'ada', replaced: true },
        { type: 'left', peer: 'bob', reason: 'disconnected' },
      ])
      await world.rooms.owner.delete(await world.subjectOf(token), room.room_id)
      expect(happened(world)).toEqual([{ type: 'ended', peers: 1, code: 'ROOM_DELETED' }])
    }))

  test('that its owner has changed it and removed a peer', () =>
    inWorld(async world => {
      const [token, other] = [await world.signIn(), await world.signIn()]
      const room = await world.create(token)
      await world.join(room, 'ada', other)
      happened(world)
      const owner = await world.subjectOf(token)
      await world.rooms.owner.change(owner, room.room_id, { locked: true })
      await world.rooms.owner.removePeer(owner, room.room_id, 'ada')
      expect(happened(world)).toEqual([
        { type: 'changed', revision: 1 },
        { type: 'removed', peer: 'ada' },
        { type: 'changed', revision: 2 },
      ])
    }))

  test('that it goes on past its end, and that it then ends', () =>
    inWorld(async world => {
      const token = await world.signIn()
      const room = await world.create(token, { ttl: 60 })
      const plain = await world.join(room, 'plain', token)
      await world.join(room, 'modern', token, undefined, { features: [...features] })
      happened(world)
      world.clock.advance(60_000)
      expect(happened(world)).toEqual([{ type: 'past_end', released: 1, stay: 1 }])
      expect(world.rooms.census().roomsPastEnd).toBe(1)
      world.rooms.leave(peerOf(plain), 'left')
      expect(happened(world)).toEqual([
        { type: 'left', peer: 'plain', reason: 'left' },
        { type: 'ended', peers: 0, code: 'ROOM_EXPIRED' },
      ])
    }))

  test('whom it has refused and why; a room that was not found is not named', () =>
    inWorld(async world => {
      const token = await world.signIn()
      const room = await world.create(token, { maxPeers: 1 })
      await world.join(room, 'ada', token)
      world.events.splice(0)
      const refused = async (message: object) => {
        const register = { ...world.register(room, 'bob', token), ...message }
        await world.rooms.join(register, new RecordingSession()).catch(() => {})
        return world.events.splice(0)
      }
      const bob = { type: 'refused', peer: 'bob' } as const
      expect(await refused({})).toEqual([{ ...bob, room: room.room_id, code: 'ROOM_FULL' }])
      expect(await refused({ token: 'guess' })).toEqual([{ ...bob, room: room.room_id, code: 'INVALID_ROOM_TOKEN' }])
      expect(await refused({ id_token: 'guess' })).toEqual([{ ...bob, room: undefined, code: 'INVALID_TOKEN' }])
      const unknown = { room_id: 'v=0 o=- 1 IN IP4 127.0.0.1' }
      expect(await refused(unknown)).toEqual([{ ...bob, room: undefined, code: 'ROOM_NOT_FOUND' }])
    }))

  test('that what was remembered of a peer is deleted, or forgotten for newer ones', () =>
    inWorld(
      async world => {
        const token = await world.signIn()
        const room = await world.create(token)
        await world.join(room, 'stays', token)
        const passBy = async (peerId: string) =>
          world.rooms.leave(peerOf(await world.join(room, peerId, token)), 'left')
        await passBy('ada')
        happened(world)
        await world.rooms.cleanUp.deletePeer('ada', { ...nobody, identity: await world.subjectOf(token) })
        expect(happened(world)).toEqual([{ type: 'departed_deleted', peer: 'ada' }])
        for (const peerId of ['bob', 'cleo', 'dora']) await passBy(peerId)
        const forgotten = happened(world).filter(({ type }) => type === 'forgotten')
        expect(forgotten[0]).toMatchObject({ peer: 'bob', address: '192.0.2.1', memories: 2, idleRooms: 0 })
        expect(world.metrics.peersForgotten).toBe(forgotten.length)
      },
      { limits: { ...worldLimits, past: { bytes: 3000, bytesPerAddress: 3000 } } },
    ))

  test('that it made way, as nobody had entered it', () =>
    inWorld(
      async world => {
        const token = await world.signIn()
        const rooms = [await world.create(token), await world.create(token)]
        expect(world.events.filter(({ type }) => type === 'made_way')).toEqual([
          { type: 'made_way', room: rooms[0]?.room_id ?? '' },
        ])
      },
      {
        limits: {
          ...worldLimits,
          createdRooms: { unentered: 1, unenteredPerAddress: 1, bytes: 1e6, bytesPerAddress: 1e6 },
        },
      },
    ))

  test('that a peer has shown a newer ID token, or none in time', () =>
    inWorld(
      async world => {
        const token = await world.signIn()
        const room = await world.create(token, { ttl: null })
        const ada = await world.join(room, 'ada', token)
        happened(world)
        const renew = { type: 'renew', id_token: token, request_id: undefined } as const
        await world.rooms.handle(peerOf(ada), renew, JSON.stringify(renew))
        expect(happened(world)).toEqual([
          { type: 'id_token_renewed', peer: 'ada', expiresAt: world.clock.now() / 1000 + 3600 },
        ])
        world.clock.advance(3_700_000)
        expect(happened(world)).toEqual([{ type: 'id_token_ended', peer: 'ada' }])
        expect(ada.closed).toEqual(['TOKEN_EXPIRED'])
      },
      { limits: { ...worldLimits, expiredTokens: 'close' } },
    ))
})

test('events are plain values, and hold neither a token nor metadata nor what is relayed', () =>
  inWorld(async world => {
    const secrets: string[] = ['secret-metadata', 'secret-payload', 'secret-sdp', 'secret-guess']
    const token = await world.signIn()
    const room = await world.create(token, { metadata: { of: 'secret-metadata' } })
    const owner = await world.subjectOf(token)
    const invite = await world.rooms.owner.invite(owner, room.room_id, {
      ...{ singleUse: true, ttl: undefined, role: undefined, channels: undefined },
    })
    const guest = await world.signIn()
    secrets.push(token, guest, room.token, invite.token)
    const ada = await world.join(room, 'ada', token, undefined, { metadata: { of: 'secret-metadata' } })
    await world.join({ ...room, token: invite.token }, 'bob', guest)
    await world.join({ ...room, token: 'secret-guess' }, 'cleo', guest).catch(() => {})
    const messages = [
      { type: 'offer', target: 'bob', sdp: 'secret-sdp' },
      { type: 'peer_message', to_peer_id: 'bob', payload: 'secret-payload' },
    ] as const
    const before = world.events.length
    for (const message of messages) world.rooms.handle(peerOf(ada), message as never, JSON.stringify(message))
    // What is relayed is counted where it passes.
    expect([world.events.length - before, world.metrics.relayed]).toEqual([0, 2])
    const { token: rotated } = await world.rooms.owner.change(owner, room.room_id, { rotateToken: true })
    secrets.push(rotated)
    await world.rooms.owner.removePeer(owner, room.room_id, 'bob')
    await world.rooms.cleanUp.deleteRoom(room.room_id)

    const kinds = new Set<string>(world.events.map(({ type }) => type))
    expect([...kinds].sort()).toEqual(['changed', 'created', 'ended', 'joined', 'refused', 'removed'])
    for (const event of world.events) {
      for (const value of Object.values(event))
        expect(['string', 'number', 'boolean', 'undefined']).toContain(typeof value)
    }
    const told = JSON.stringify(world.events)
    for (const secret of secrets) expect(told).not.toContain(secret)
  }))

test('a peer whose connection breaks is away and then back, of which the log has no token and nothing that it missed', async () => {
  const log = recordingLog()
  await using server = await startServer({}, { log, clock: manualClock() })
  const room = await server.createRoom(await server.signIn())
  const bob = await server.join(room, 'bob', { features: ['acks'] })
  const id_token = await server.signIn()
  const ada = await server.connect()
  const { session } = await ada.ask({ type: 'register', peer_id: 'ada', ...room, id_token, features: ['resume'] })
  const { token } = session as { token: string }
  ada.socket.terminate()
  while ((await metricOf(server, 'parley_peers_away')) === 0) await new Promise(setImmediate)
  const held = { type: 'peer_message', to_peer_id: 'ada', payload: 'secret-payload', request_id: 'r' }
  expect(await bob.ask(held)).toMatchObject({ type: 'ack', status: 'held' })
  const again = await server.connect()
  const { session: next } = await again.ask({ type: 'resume', ...room, peer_id: 'ada', token, received: 0 })
  expect(await again.next()).toMatchObject({ payload: 'secret-payload' })

  const lines = log.lines.filter(({ peer }) => peer === 'ada').map(({ msg, missed }) => [msg, missed])
  expect(lines).toEqual([
    ['peer registered', undefined],
    ['peer away', undefined],
    ['peer back', 1],
  ])
  expect(await metricOf(server, 'parley_sessions_resumed_total')).toBe(1)
  const written = JSON.stringify(log.lines)
  for (const secret of [token, (next as { token: string }).token, room.token, id_token, 'secret-payload']) {
    expect(written).not.toContain(secret)
  }
})
