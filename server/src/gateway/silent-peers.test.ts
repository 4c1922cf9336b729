import { describe, expect, test } from 'bun:test'
import { startServer, type TestServer } from '../../test/harness.ts'
import { clientFrame, rawConnection } from '../../test/raw-connection.ts'
import { manualClock } from '../clock.ts'

/** Beyond a round of the heartbeat, which pings those who are silent for longer. */
const longSilence = 12_000

const pings = (bytes: Buffer) => bytes.toString('latin1').split('\x89\x00').length - 1

/** A plain peer that reads and answers nothing but what it is told to: with `pong`, one ping. */
async function mutePeer(server: TestServer, room: { room_id: string; token: string }, peerId: string) {
  const raw = await rawConnection(server.ws)
  const register = { type: 'register', peer_id: peerId, ...room, id_token: await server.signIn() }
  raw.write(clientFrame(1, Buffer.from(JSON.stringify(register))))
  let seen = 0
  await raw.until(bytes => bytes.includes('registered_auth'))
  return {
    ...raw,
    pong: () => raw.write(clientFrame(10, new Uint8Array())),
    /** Resolves at the first ping since this was asked last. */
    pinged: () =>
      raw.until(bytes => {
        const isNew = pings(bytes) > seen
        if (isNew) seen = pings(bytes)
        return isNew
      }),
    /** Pings since `pinged` was asked last. */
    pings: async () => {
      await raw.until(() => true)
      return seen
    },
  }
}

/** A server on a clock of its own with a room. */
async function world(settings: Record<string, string> = {}, options: object = {}) {
  const clock = manualClock()
  const server = await startServer(settings, { clock })
  const { room_id, token } = await server.createRoom(await server.signIn(), options)
  const room = { room_id, token }
  /** Asks for a place under an identity of its own; the answer comes when it comes. */
  const enter = async (peerId: string, members: object = {}) => {
    const peer = await server.connect()
    peer.send({ type: 'register', peer_id: peerId, ...room, id_token: await server.signIn(), ...members })
    return { peer, answer: peer.next() }
  }
  return { clock, server, room, enter }
}

describe('a register for a place whose holder has long been silent', () => {
  test('is answered after one ping to it: a dead one is gone, and the first of many gets the place', async () => {
    const { clock, server, room, enter } = await world()
    await using _ = server
    using witness = await server.join(room, 'witness', { features: ['presence'] })
    const dead = await mutePeer(server, room, 'worker')
    await witness.next()
    clock.advance(longSilence)
    // That of the heartbeat.
    await dead.pinged()
    const first = await enter('worker')
    await dead.pinged()
    const others = await Promise.all(Array.from({ length: 20 }, () => enter('worker')))
    // Nobody else waits for it.
    expect(await witness.ask({ type: 'query', request_id: 'q' })).toMatchObject({ peers: ['worker'] })
    clock.advance(4_000)
    expect(await first.answer).toMatchObject({ type: 'registered_auth' })
    const answers = await Promise.all(others.map(({ answer }) => answer))
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(['PEER_ID_TAKEN']))
    expect(pings(await dead.closed)).toBe(2)
    expect(await witness.rest()).toMatchObject([
      { type: 'peer_left', peer_id: 'worker', reason: 'disconnected' },
      { type: 'peer_joined', peer: { peer_id: 'worker' } },
    ])
    for (const { peer } of [first, ...others]) peer[Symbol.dispose]()
  })

  test('is refused at once when the holder answers, which keeps its place', async () => {
    const { clock, server, room, enter } = await world()
    await using _ = server
    const holder = await mutePeer(server, room, 'worker')
    clock.advance(longSilence)
    await holder.pinged()
    const stranger = await enter('worker')
    await holder.pinged()
    holder.pong()
    expect(await stranger.answer).toMatchObject({ code: 'PEER_ID_TAKEN' })
    clock.advance(2_500)
    // It has shown that it is there, so nobody else makes it do so again.
    const next = await enter('worker')
    expect(await next.answer).toMatchObject({ code: 'PEER_ID_TAKEN' })
    expect(await holder.pings()).toBe(2)
    holder.end()
    for (const { peer } of [stranger, next]) peer[Symbol.dispose]()
  })

  test('is refused when the holder says anything in time, though it answers no ping', async () => {
    const { clock, server, room, enter } = await world()
    await using _ = server
    using witness = await server.join(room, 'witness')
    const holder = await mutePeer(server, room, 'worker')
    clock.advance(longSilence)
    await holder.pinged()
    const stranger = await enter('worker')
    await holder.pinged()
    holder.write(clientFrame(1, Buffer.from(JSON.stringify({ type: 'offer', target: 'witness' }))))
    expect(await witness.next()).toMatchObject({ type: 'offer', sender: 'worker' })
    clock.advance(4_000)
    expect(await stranger.answer).toMatchObject({ code: 'PEER_ID_TAKEN' })
    holder.end()
    stranger.peer[Symbol.dispose]()
  })

  test('asks after 3 s of silence, long before the heartbeat does', async () => {
    const { clock, server, room, enter } = await world()
    await using _ = server
    const dead = await mutePeer(server, room, 'worker')
    clock.advance(3_000)
    expect(await dead.pings()).toBe(0)
    const newcomer = await enter('worker')
    await dead.pinged()
    clock.advance(4_000)
    expect(await newcomer.answer).toMatchObject({ type: 'registered_auth' })
    newcomer.peer[Symbol.dispose]()
  })

  test('is refused without a ping while the holder has been heard of lately', async () => {
    const { clock, server, room, enter } = await world()
    await using _ = server
    const holder = await mutePeer(server, room, 'worker')
    clock.advance(2_500)
    const stranger = await enter('worker')
    expect(await stranger.answer).toMatchObject({ code: 'PEER_ID_TAKEN' })
    expect(await holder.pings()).toBe(0)
    holder.end()
    stranger.peer[Symbol.dispose]()
  })

  test('holds up what is sent behind it, in order', async () => {
    const { clock, server, room, enter } = await world()
    await using _ = server
    // Two spellings of one name.
    const dead = await mutePeer(server, room, 'Zoe\u0308')
    clock.advance(longSilence)
    await dead.pinged()
    using worker = await server.join(room, 'worker')
    const { peer, answer } = await enter('Zoë')
    for (const n of [1, 2, 3]) peer.send({ type: 'candidate', target: 'worker', n })
    await dead.pinged()
    clock.advance(4_000)
    expect(await answer).toMatchObject({ type: 'registered_auth' })
    for (const n of [1, 2, 3]) expect(await worker.next()).toMatchObject({ type: 'candidate', sender: 'Zoë', n })
    peer[Symbol.dispose]()
  })

  test('is told so each time: who has the tokens guesses nothing', async () => {
    const { server, room, enter } = await world({ PARLEY_FAILED_REGISTRATIONS_PER_MINUTE: '2' })
    await using _ = server
    using holder = await server.join(room, 'worker')
    const codes: unknown[] = []
    for (let i = 0; i < 3; i++) {
      const { peer, answer } = await enter('worker')
      codes.push((await answer).code)
      peer[Symbol.dispose]()
    }
    expect(codes).toEqual(['PEER_ID_TAKEN', 'PEER_ID_TAKEN', 'PEER_ID_TAKEN'])
    expect(await holder.rest()).toEqual([])
  })
})

test('a register into a full room asks those in it that have long been silent, and the dead ones make room', async () => {
  const { clock, server, room, enter } = await world({}, { max_peers: 3 })
  await using _ = server
  using speaking = await server.join(room, 'speaking')
  const [dead, quiet] = [await mutePeer(server, room, 'dead'), await mutePeer(server, room, 'quiet')]
  clock.advance(longSilence)
  expect(await speaking.rest()).toEqual([])
  await Promise.all([dead.pinged(), quiet.pinged()])
  const newcomer = await enter('newcomer')
  await Promise.all([dead.pinged(), quiet.pinged()])
  quiet.pong()
  const speakUp = async () => {
    quiet.write(clientFrame(1, Buffer.from(JSON.stringify({ type: 'offer', target: 'speaking' }))))
    expect(await speaking.next()).toMatchObject({ sender: 'quiet' })
    await speaking.rest()
  }
  // So it has been heard before the clock goes on.
  await speakUp()
  clock.advance(4_000)
  expect(await newcomer.answer).toMatchObject({ type: 'registered_auth', peer_list: ['speaking', 'quiet'] })
  await speakUp()
  const late = await enter('late')
  expect(await late.answer).toMatchObject({ code: 'ROOM_FULL' })
  quiet.end()
  for (const { peer } of [newcomer, late]) peer[Symbol.dispose]()
})
