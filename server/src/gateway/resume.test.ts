import { describe, expect, test } from 'bun:test'
import type { SessionGrant } from '@parley/protocol'
import { inTemporaryFolder, metricOf, startServer, type TestPeer, type TestServer } from '../../test/harness.ts'
import { clientFrame, rawConnection } from '../../test/raw-connection.ts'
import { manualClock, systemClock } from '../clock.ts'
import type { Identity } from '../identity/identity.ts'
import { local } from '../identity/local.ts'

type Message = { type?: string; [key: string]: unknown }
type Room = { room_id: string; token: string }

const features = ['acks', 'presence', 'resume']
const ttl = 30

/** A peer that can resume, its identity, and its session. */
async function enter(server: TestServer, room: Room, peerId: string, members: object = { features }) {
  const id_token = await server.signIn()
  const peer = await server.connect()
  const register = { type: 'register', peer_id: peerId, room_id: room.room_id, token: room.token, id_token, ...members }
  const auth = await peer.ask(register)
  expect(auth.type).toBe('registered_auth')
  return { peer, register, session: auth.session as SessionGrant, auth }
}

/** A new connection, and what `resume` on it is answered with. */
async function comeBack(server: TestServer, room: Room, peer_id: string, token: string, received: number) {
  const peer = await server.connect()
  const reply = await peer.ask({ type: 'resume', room_id: room.room_id, peer_id, token, received })
  return { peer, reply, session: reply.session as SessionGrant }
}

/** Two peers in a room, of which ada can resume, on a server whose time stands still. */
async function meeting(settings: Record<string, string> = {}) {
  const clock = manualClock()
  const server = await startServer(settings, { clock })
  const room = await server.createRoom(await server.signIn())
  const bob = await enter(server, room, 'bob', { features: ['acks', 'presence'] })
  const ada = await enter(server, room, 'ada')
  expect(await bob.peer.next()).toMatchObject({ type: 'peer_joined' })
  /** Breaks a connection, and resolves when the server knows. */
  const cut = async (peer: TestPeer) => {
    const before = await metricOf(server, 'parley_peers_away')
    peer.socket.terminate()
    while ((await metricOf(server, 'parley_peers_away')) === before) await new Promise(setImmediate)
  }
  return { clock, server, room, ada, bob, cut }
}

/** Resolves when the server has counted so far. */
async function metricReaches(server: TestServer, name: string, value: number) {
  while ((await metricOf(server, name)) < value) await new Promise(setImmediate)
}

const frame = (message: object) => clientFrame(1, Buffer.from(JSON.stringify(message)))

/** ada on a connection without a library, and the token of her session. */
async function rawPeer(server: TestServer, room: Room) {
  const raw = await rawConnection(server.ws)
  const id_token = await server.signIn()
  raw.write(frame({ type: 'register', peer_id: 'ada', ...room, id_token, features }))
  let token = ''
  await raw.until(bytes => {
    token = /"session":\{"token":"([\w-]+)"/.exec(bytes.toString())?.[1] ?? ''
    return token !== ''
  })
  return { ...raw, token }
}

const said = (n: number) => ({ type: 'peer_message', to_peer_id: 'ada', payload: { n }, request_id: `r${n}` })
const heard = (n: number) => ({ type: 'peer_message', from_peer_id: 'bob', to_peer_id: 'ada', payload: { n } })

describe('a session', () => {
  test('is granted to those alone that ask for it, and not where it lasts no time', async () => {
    await using server = await startServer()
    await using without = await startServer({ PARLEY_RESUME_TTL_SECONDS: '0' })
    const auths: Message[] = []
    for (const each of [server, without]) {
      const room = await each.createRoom(await each.signIn())
      auths.push((await enter(each, room, 'ada')).auth, (await enter(each, room, 'bob', {})).auth)
    }
    expect(auths.map(({ features, session }) => [features, session])).toEqual([
      [features, { token: expect.stringMatching(/^[\w-]{22}$/), ttl_seconds: ttl }],
      [[], undefined],
      [['acks', 'presence'], undefined],
      [[], undefined],
    ])
  })

  test('goes on over a new connection: what was missed comes byte for byte, and nobody notices', async () => {
    const { server, room, ada, bob, cut } = await meeting()
    await using _ = server
    expect(await bob.peer.ask(said(1))).toMatchObject({ type: 'ack', status: 'delivered' })
    expect(await ada.peer.next()).toEqual(heard(1))
    await cut(ada.peer)
    expect(await bob.peer.ask(said(2))).toEqual({ type: 'ack', request_id: 'r2', status: 'held' })
    const odd = '{"type":"offer",  "target":"ada","n":1.0,"sender":"bob","big":12345678901234567890}'
    bob.peer.send(odd)
    expect(await bob.peer.rest()).toEqual([])
    const back = await comeBack(server, room, 'ada', ada.session.token, 1)
    expect(back.reply).toEqual({
      type: 'resumed',
      room_id: room.room_id,
      peer_id: 'ada',
      received: 0,
      session: { token: expect.stringMatching(/^[\w-]{22}$/), ttl_seconds: ttl },
      expires_at: expect.any(Number),
    })
    expect(back.session.token).not.toBe(ada.session.token)
    expect(await back.peer.next()).toEqual(heard(2))
    expect(await back.peer.nextText()).toBe(odd)
    expect(await bob.peer.ask(said(3))).toMatchObject({ status: 'delivered' })
    expect(await back.peer.next()).toEqual(heard(3))
    expect(await bob.peer.rest()).toEqual([])
  })

  test('repeats what was written to a connection that had broken unnoticed, and tells what it has received', async () => {
    const { server, room, ada, bob } = await meeting()
    await using _ = server
    ada.peer.send({ type: 'query', request_id: '1' })
    ada.peer.send(new TextEncoder().encode('{"type":"query","request_id":"2"}'))
    ada.peer.send('nonsense')
    for (let i = 0; i < 3; i++) await ada.peer.next()
    for (let n = 1; n <= 3; n++) expect(await bob.peer.ask(said(n))).toMatchObject({ status: 'delivered' })
    // The old connection is still open for the server.
    const back = await comeBack(server, room, 'ada', ada.session.token, 4)
    expect(back.reply).toMatchObject({ type: 'resumed', received: 3 })
    expect([await back.peer.next(), await back.peer.next()]).toEqual([heard(2), heard(3)])
    expect(await ada.peer.closed).toMatchObject({ code: 4505 })
    expect(await back.peer.rest()).toEqual([])
    // What came on the old connection without a word of it was read by nobody.
    expect(await ada.peer.next()).toEqual(heard(1))
  })

  test('outlives the loss of resumed: the old token is good until something has come on the new connection', async () => {
    const { server, room, ada, bob } = await meeting()
    await using _ = server
    await bob.peer.ask(said(1))
    const first = await comeBack(server, room, 'ada', ada.session.token, 0)
    first.peer.socket.terminate()
    const second = await comeBack(server, room, 'ada', ada.session.token, 0)
    expect(second.reply.type).toBe('resumed')
    expect(await second.peer.next()).toEqual(heard(1))
    expect(await second.peer.rest()).toEqual([])
    // Now the new one alone counts; that of the lost answer never does.
    for (const { token } of [ada.session, first.session]) {
      const late = await comeBack(server, room, 'ada', token, 1)
      expect(late.reply).toMatchObject({ type: 'error', code: 'RESUME_FAILED', retryable: false })
    }
    expect(await second.peer.rest()).toEqual([])
    expect((await comeBack(server, room, 'ada', second.session.token, 3)).reply).toMatchObject({ received: 2 })
  })

  test('is not taken from a connection by one that was opened before, though its resume comes later', async () => {
    const { server, room, ada, bob, cut } = await meeting()
    await using _ = server
    const [first, second] = [await server.connect(), await server.connect()]
    await cut(ada.peer)
    const resume = { type: 'resume', room_id: room.room_id, peer_id: 'ada', token: ada.session.token, received: 0 }
    const { session } = (await second.ask(resume)) as { session: SessionGrant }
    const late = await server.connect()
    first.send(resume)
    expect((await first.closed).code).toBe(4505)
    bob.peer.send(said(1))
    expect(await second.next()).toEqual(heard(1))
    // Nor while there is no connection, and the newest token is the one that counts.
    const third = await comeBack(server, room, 'ada', session.token, 1)
    await cut(third.peer)
    late.send({ ...resume, token: session.token })
    expect((await late.closed).code).toBe(4505)
    expect((await comeBack(server, room, 'ada', third.session.token, 1)).reply.type).toBe('resumed')
  })

  test('is over after its time; then the peer has left', async () => {
    const { clock, server, room, ada, bob, cut } = await meeting()
    await using _ = server
    await cut(ada.peer)
    clock.advance(ttl * 1000 - 1)
    expect(await bob.peer.rest()).toEqual([])
    clock.advance(1)
    expect(await bob.peer.next()).toEqual({ type: 'peer_left', peer_id: 'ada', reason: 'disconnected' })
    expect(await metricOf(server, 'parley_queued_bytes')).toBe(0)
    const late = await comeBack(server, room, 'ada', ada.session.token, 0)
    expect(late.reply).toMatchObject({ code: 'RESUME_FAILED' })
    // The connection stays, and may register.
    expect(await late.peer.ask(ada.register)).toMatchObject({ type: 'registered_auth' })
  })

  test.each([1000, 1001, undefined])('ends at once when the peer closes with %p', async code => {
    await using server = await startServer()
    const room = await server.createRoom(await server.signIn())
    const bob = await enter(server, room, 'bob', { features: ['presence'] })
    const ada = await rawPeer(server, room)
    expect(await bob.peer.next()).toMatchObject({ type: 'peer_joined' })
    ada.write(clientFrame(8, code === undefined ? Buffer.alloc(0) : Buffer.from([code >> 8, code & 255])))
    expect(await bob.peer.next()).toEqual({ type: 'peer_left', peer_id: 'ada', reason: 'left' })
  })

  test('is taken over by register of the same identity; the token is of no use then', async () => {
    const { server, room, ada, bob, cut } = await meeting()
    await using _ = server
    await cut(ada.peer)
    await bob.peer.ask(said(1))
    const again = await server.connect()
    expect(await again.ask(ada.register)).toMatchObject({ type: 'registered_auth', peer_list: ['bob'] })
    expect([await bob.peer.next(), await bob.peer.next()]).toMatchObject([
      { type: 'peer_left', reason: 'replaced' },
      { type: 'peer_joined' },
    ])
    expect((await comeBack(server, room, 'ada', ada.session.token, 0)).reply.code).toBe('RESUME_FAILED')
    // What was held was for the one before.
    expect(await again.rest()).toEqual([])
  })

  test('keeps the place of its peer: others are told when to try again', async () => {
    const { clock, server, room, cut, ada } = await meeting()
    await using _ = server
    await cut(ada.peer)
    clock.advance(10_000)
    const stranger = await server.connect()
    const id_token = await server.signIn()
    expect(await stranger.ask({ ...ada.register, id_token })).toMatchObject({
      ...{ code: 'PEER_ID_TAKEN', retryable: true, retry_after: 20 },
    })
    clock.advance(20_000)
    expect(await stranger.ask({ ...ada.register, id_token })).toMatchObject({ type: 'registered_auth' })
    expect(room.room_id).toBe(ada.register.room_id)
  })

  test('ends with its room', async () => {
    const { server, room, ada, bob, cut } = await meeting()
    await using _ = server
    await cut(ada.peer)
    await server.post('/delete-peers-and-room', { room_id: room.room_id, token: room.token })
    expect(await bob.peer.closed).toMatchObject({ code: 4504 })
    const late = await comeBack(server, room, 'ada', ada.session.token, 0)
    expect(late.reply.code).toBe('RESUME_FAILED')
    expect(await late.peer.ask(ada.register)).toMatchObject({ code: 'ROOM_NOT_FOUND' })
    expect(await metricOf(server, 'parley_queued_bytes')).toBe(0)
  })

  test('does the request that was being done when the connection broke, and its answer is kept', async () => {
    const { server, room, ada, cut } = await meeting()
    await using _ = server
    // To verify the token is not done at once.
    ada.peer.send({ type: 'renew', id_token: 'nonsense', request_id: 'slow' })
    await cut(ada.peer)
    const back = await comeBack(server, room, 'ada', ada.session.token, 0)
    expect(back.reply.type).toBe('resumed')
    const answered = back.reply.received === 1 ? await back.peer.next() : undefined
    if (answered) expect(answered).toMatchObject({ code: 'INVALID_TOKEN', request_id: 'slow' })
    expect(await back.peer.rest()).toEqual([])
  })
})

describe('what is held', () => {
  test('is at most 256 messages; beyond them the sender is told PEER_AWAY, and what was held comes in order', async () => {
    const { server, room, ada, bob, cut } = await meeting()
    await using _ = server
    await cut(ada.peer)
    for (let n = 0; n < 256; n++) bob.peer.send(said(n))
    const statuses = (await bob.peer.rest()).map(({ status }) => status)
    expect(statuses).toEqual(Array(256).fill('held'))
    expect(await bob.peer.ask(said(256))).toMatchObject({
      ...{ type: 'error', code: 'PEER_AWAY', retryable: true, request_id: 'r256', target: 'ada' },
    })
    const back = await comeBack(server, room, 'ada', ada.session.token, 0)
    for (let n = 0; n < 256; n++) expect(await back.peer.next()).toEqual(heard(n))
    expect(await bob.peer.ask(said(257))).toMatchObject({ status: 'delivered' })
    expect(await back.peer.next()).toEqual(heard(257))
  })

  test('has as much room whatever the peer was sent before, confirmed or not', async () => {
    const { server, room, ada, bob, cut } = await meeting()
    await using _ = server
    for (let n = 0; n < 200; n++) await bob.peer.ask(said(n))
    for (let n = 0; n < 200; n++) expect(await ada.peer.next()).toEqual(heard(n))
    await cut(ada.peer)
    for (let n = 200; n < 456; n++) expect(await bob.peer.ask(said(n))).toMatchObject({ status: 'held' })
    expect(await bob.peer.ask(said(456))).toMatchObject({ code: 'PEER_AWAY' })
    const back = await comeBack(server, room, 'ada', ada.session.token, 200)
    for (let n = 200; n < 456; n++) expect(await back.peer.next()).toEqual(heard(n))
  })

  test('is at most 256 KiB', async () => {
    const { server, ada, bob, cut } = await meeting()
    await using _ = server
    await cut(ada.peer)
    const big = { ...said(1), payload: 'x'.repeat(100_000) }
    expect(await bob.peer.ask(big)).toMatchObject({ status: 'held' })
    expect(await bob.peer.ask(big)).toMatchObject({ status: 'held' })
    expect(await bob.peer.ask(big)).toMatchObject({ code: 'PEER_AWAY' })
    expect(await bob.peer.ask(said(2))).toMatchObject({ status: 'held' })
  })

  test('has a broadcast, whose sender is told that', async () => {
    const { server, room, ada, bob, cut } = await meeting()
    await using _ = server
    using carl = (await enter(server, room, 'carl')).peer
    await bob.peer.next()
    await cut(ada.peer)
    expect(await bob.peer.ask({ type: 'broadcast', payload: 1, request_id: 'b' })).toMatchObject({ status: 'held' })
    expect(await carl.next()).toMatchObject({ type: 'broadcast' })
    const back = await comeBack(server, room, 'ada', ada.session.token, 1)
    expect(await back.peer.next()).toMatchObject({ type: 'broadcast', payload: 1 })
  })

  test('has presence; where that is too much, the peer registers and sees the present state', async () => {
    const { server, room, ada, bob, cut } = await meeting()
    await using _ = server
    const carl = await enter(server, room, 'carl')
    await cut(ada.peer)
    carl.peer.socket.close()
    expect(await bob.peer.next()).toMatchObject({ type: 'peer_joined' })
    expect(await bob.peer.next()).toMatchObject({ type: 'peer_left', peer_id: 'carl' })
    const back = await comeBack(server, room, 'ada', ada.session.token, 1)
    expect(await back.peer.next()).toEqual({ type: 'peer_left', peer_id: 'carl', reason: 'left' })

    await cut(back.peer)
    const metadata = { x: 'x'.repeat(16_000) }
    for (let i = 0; i < 20; i++) {
      expect(await bob.peer.ask({ type: 'update_metadata', metadata, request_id: `${i}` })).toMatchObject({
        type: 'metadata_updated',
      })
    }
    expect(await bob.peer.ask(said(1))).toMatchObject({ code: 'PEER_AWAY' })
    const late = await comeBack(server, room, 'ada', back.session.token, 2)
    expect(late.reply).toMatchObject({ code: 'RESUME_FAILED' })
    expect(await late.peer.ask(ada.register)).toMatchObject({ roster: [{ peer_id: 'bob', metadata }] })
    expect(await late.peer.rest()).toEqual([])
  })
})

describe('a session that goes on over a busy connection', () => {
  test('keeps what no pong has confirmed, not more than the bound, and loses no message by that', async () => {
    const { server, room, ada, bob } = await meeting()
    await using _ = server
    const most = 1000
    for (let n = 0; n < most; n++) bob.peer.send(said(n))
    await bob.peer.rest()
    for (let n = 0; n < most; n++) expect(await ada.peer.next()).toEqual(heard(n))
    // It answers pings, so by now only what was written since the one before the last is kept.
    expect(await metricOf(server, 'parley_queued_bytes')).toBeLessThan(40_000)
    const late = await comeBack(server, room, 'ada', ada.session.token, most)
    expect(late.reply.type).toBe('resumed')
  })

  test('takes a pong for a hint that what was written before the previous ping has come, on each of its connections', async () => {
    await using server = await startServer()
    const room = await server.createRoom(await server.signIn())
    const bob = await enter(server, room, 'bob', { features: ['acks'] })
    /** Has ada sent so many messages. At half of what is kept, the server pings her. */
    const say = async (count: number) => {
      for (let n = 0; n < count; n++) bob.peer.send(said(n))
      expect((await bob.peer.rest()).every(({ status }) => status === 'delivered')).toBe(true)
    }
    const ping = (payload: string) => Buffer.from([0x89, payload.length, ...Buffer.from(payload)])
    /** Answers the ping with this payload, and resolves when the server has heard that. */
    const pong = async (raw: Pick<Awaited<ReturnType<typeof rawConnection>>, 'write' | 'until'>, payload: string) => {
      await raw.until(bytes => bytes.includes(ping(payload)))
      raw.write(clientFrame(10, Buffer.from(payload)))
      raw.write(frame({ type: 'get_ice_servers', request_id: `after-${payload}` }))
      await raw.until(bytes => bytes.includes(`"request_id":"after-${payload}"`))
    }
    const first = await rawPeer(server, room)
    await say(128)
    await pong(first, '0')
    await say(128)
    await pong(first, '1')
    // 128 messages are confirmed. Behind them are one answer, 128 messages, and another answer.
    const tooEarly = await comeBack(server, room, 'ada', first.token, 127)
    expect(tooEarly.reply).toMatchObject({ code: 'RESUME_FAILED' })
    const second = await rawConnection(server.ws)
    second.write(frame({ type: 'resume', room_id: room.room_id, peer_id: 'ada', token: first.token, received: 128 }))
    let token = ''
    await second.until(bytes => {
      token = /"session":\{"token":"([\w-]+)"/.exec(bytes.toString('latin1'))?.[1] ?? ''
      return bytes.includes('"after-1"')
    })
    // What is repeated is 130 frames. With `resumed` before them, the ping comes behind the 127th, which has the number 255.
    await pong(second, '0')
    await say(128)
    await pong(second, '1')
    for (const [received, type] of [
      [254, 'error'],
      [255, 'resumed'],
    ] as const) {
      const back = await comeBack(server, room, 'ada', token, received)
      expect([received, back.reply.type]).toEqual([received, type])
    }
    first.end()
    second.end()
  })

  test('cannot be resumed from where what was missed is gone', async () => {
    const { server, room, ada, bob } = await meeting()
    await using _ = server
    for (let n = 0; n < 600; n++) bob.peer.send(said(n))
    await bob.peer.rest()
    expect((await comeBack(server, room, 'ada', ada.session.token, 0)).reply).toMatchObject({ code: 'RESUME_FAILED' })
    // That has disturbed nobody.
    expect(await bob.peer.ask(said(600))).toMatchObject({ status: 'delivered' })
  })
})

describe('a peer with resume that takes nothing for 10 s while something waits', () => {
  /** ada, who reads nothing, and for whom something more than `bytes` waits beside what is kept. */
  async function stalled(bytes: number) {
    const clock = manualClock()
    const server = await startServer({}, { clock })
    const room = await server.createRoom(await server.signIn())
    const bob = await enter(server, room, 'bob', { features: ['acks', 'presence'] })
    const raw = await rawPeer(server, room)
    expect(await bob.peer.next()).toMatchObject({ type: 'peer_joined' })
    raw.pause()
    let sent = 0
    while ((await metricOf(server, 'parley_queued_bytes')) < 256 * 1024 + bytes) {
      bob.peer.send({ ...said(sent++), payload: 'x'.repeat(15_000) })
      expect(await bob.peer.next()).toMatchObject({ status: 'delivered' })
    }
    for (let second = 0; second < 12; second++) clock.advance(1_000)
    return { server, room, bob: bob.peer, raw, sent }
  }

  test('is cut off and may come back, where all that waits is kept', async () => {
    const { server, room, bob, raw, sent } = await stalled(1)
    await using _ = server
    while ((await metricOf(server, 'parley_peers_away')) === 0) await new Promise(setImmediate)
    expect(await bob.rest()).toEqual([])
    // Its network was dead, and what was on its way is lost: but for the last 256 KiB.
    const back = await comeBack(server, room, 'ada', raw.token, sent - 10)
    expect(back.reply).toMatchObject({ type: 'resumed' })
    for (let i = 0; i < 10; i++) expect(await back.peer.next()).toMatchObject({ type: 'peer_message' })
    raw.end()
  })

  test('is closed as one that does not read, and leaves at once, where it is more', async () => {
    const { server, bob, raw } = await stalled(512 * 1024)
    await using _ = server
    expect(await bob.next()).toEqual({ type: 'peer_left', peer_id: 'ada', reason: 'disconnected' })
    expect(await metricOf(server, 'parley_peers_away')).toBe(0)
    raw.end()
  })
})

describe('resume', () => {
  test('with a wrong token disturbs nobody, and counts as a wrong token', async () => {
    await using server = await startServer({ PARLEY_FAILED_REGISTRATIONS_PER_MINUTE: '3' })
    const room = await server.createRoom(await server.signIn())
    const ada = await enter(server, room, 'ada')
    const guesser = await server.connect()
    const guess = { type: 'resume', room_id: room.room_id, peer_id: 'ada', token: 'x', received: 0, request_id: 'g' }
    for (let i = 0; i < 3; i++)
      expect(await guesser.ask(guess)).toMatchObject({ code: 'RESUME_FAILED', request_id: 'g' })
    expect(await guesser.ask(guess)).toMatchObject({ code: 'RATE_LIMITED', retryable: true, request_id: 'g' })
    // One that does not exist, or is not to be resumed, is no guess.
    const bob = await enter(server, room, 'bob', {})
    for (const peer_id of ['bob', 'carl']) {
      const peer = await server.connect()
      expect(await peer.ask({ ...guess, peer_id })).toMatchObject({ code: 'RESUME_FAILED' })
    }
    expect(await bob.peer.rest()).toEqual([])
    expect(await ada.peer.next()).toMatchObject({ type: 'peer_joined' })
    expect(await ada.peer.rest()).toEqual([])
    expect((await comeBack(server, room, 'ada', ada.session.token, 2)).reply).toMatchObject({ type: 'resumed' })
  })

  test('is refused on a connection that has a peer, which goes on', async () => {
    await using server = await startServer()
    const room = await server.createRoom(await server.signIn())
    const ada = await enter(server, room, 'ada')
    const resume = { type: 'resume', room_id: room.room_id, peer_id: 'ada', token: ada.session.token, received: 0 }
    expect(await ada.peer.ask(resume)).toMatchObject({ code: 'RESUME_FAILED' })
    expect(await ada.peer.ask({ type: 'query', request_id: 'q' })).toMatchObject({ type: 'available_peers' })
  })

  test.each([
    ['more than was sent', 7],
    ['less than was kept', -1],
    ['half of one', 0.5],
  ])('is refused for one that has received %s', async (_, received) => {
    await using server = await startServer()
    const room = await server.createRoom(await server.signIn())
    const ada = await enter(server, room, 'ada')
    const late = await comeBack(server, room, 'ada', ada.session.token, received)
    expect(late.reply).toMatchObject({ code: received > 0 && received !== 0.5 ? 'RESUME_FAILED' : 'INVALID_MESSAGE' })
    expect(await ada.peer.rest()).toEqual([])
  })

  test('goes before what is sent right behind it', async () => {
    await using server = await startServer()
    const room = await server.createRoom(await server.signIn())
    const ada = await enter(server, room, 'ada')
    const peer = await server.connect()
    const resume = { type: 'resume', room_id: room.room_id, peer_id: 'ada', token: ada.session.token, received: 0 }
    peer.send(resume)
    peer.send({ type: 'query', request_id: 'q' })
    expect([await peer.next(), await peer.next()]).toMatchObject([{ type: 'resumed' }, { request_id: 'q' }])
  })

  test('goes on through an old connection that hangs half open, whose frames nobody reads any more', async () => {
    await using server = await startServer()
    const room = await server.createRoom(await server.signIn())
    const bob = await enter(server, room, 'bob')
    const raw = await rawPeer(server, room)
    raw.pause()
    expect(await bob.peer.next()).toMatchObject({ type: 'peer_joined' })
    expect(await bob.peer.ask(said(1))).toMatchObject({ status: 'delivered' })
    const back = await comeBack(server, room, 'ada', raw.token, 0)
    expect(await back.peer.next()).toEqual(heard(1))
    raw.write(frame({ type: 'peer_message', to_peer_id: 'bob', payload: 'from the past' }))
    raw.resume()
    expect(await raw.closeCode()).toBe(4505)
    expect(await back.peer.rest()).toEqual([])
    expect(await bob.peer.rest()).toEqual([])
  })
})

describe('a connection that breaks while it waits for a service', () => {
  const waiting = (use: (world: Awaited<ReturnType<typeof open>>) => Promise<void>) =>
    inTemporaryFolder(async folder => use(await open(folder)))

  /** ada on a server whose identity provider can be made to wait. */
  async function open(folder: string) {
    const identity = await local({ folder, lifetime: 3600, refreshLifetime: 3600 }, systemClock)
    let held: Promise<void> | undefined
    const verify: Identity['verify'] = async (...token) => {
      await held
      return identity.verify(...token)
    }
    const server = await startServer({}, { identity: { ...identity, verify } })
    const room = await server.createRoom(await server.signIn())
    const ada = await enter(server, room, 'ada')
    /** It gives no answer until the result is called. */
    const wait = () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return resolve
    }
    return { server, room, ada, wait }
  }

  test('is resumed, and what comes then is done after the request that waits', () =>
    waiting(async ({ server, room, ada, wait }) => {
      await using _ = server
      const goOn = wait()
      ada.peer.send({ type: 'renew', id_token: ada.register.id_token, request_id: 'first' })
      ada.peer.send('')
      await metricReaches(server, 'parley_messages_total', 2)
      const back = await comeBack(server, room, 'ada', ada.session.token, 0)
      expect(back.reply).toMatchObject({ type: 'resumed', received: 1 })
      back.peer.send({ type: 'query', request_id: 'second' })
      // The server reads it before it is asked for anything else.
      await server.connect()
      goOn()
      expect([await back.peer.next(), await back.peer.next()]).toMatchObject([
        { request_id: 'first' },
        { request_id: 'second' },
      ])
    }))

  test('has its register answered once: when that is sent again', () =>
    waiting(async ({ server, room, ada, wait }) => {
      await using _ = server
      const goOn = wait()
      const register = { ...ada.register, token: 'wrong', request_id: 'again' }
      ada.peer.send(register)
      await metricReaches(server, 'parley_messages_total', 2)
      const back = await comeBack(server, room, 'ada', ada.session.token, 0)
      expect(back.reply).toMatchObject({ type: 'resumed', received: 0 })
      back.peer.send(register)
      goOn()
      expect(await back.peer.next()).toMatchObject({ code: 'INVALID_ROOM_TOKEN', request_id: 'again' })
      expect(await back.peer.rest()).toEqual([])
    }))

  test('or when it is closed', () =>
    waiting(async ({ server, wait }) => {
      await using _ = server
      const room = await server.createRoom(await server.signIn())
      const raw = await rawPeer(server, room)
      const register = { type: 'register', peer_id: 'ada', room_id: room.room_id, token: 'wrong', features }
      const others = await server.createRoom(await server.signIn())
      const goOn = wait()
      raw.write(frame({ ...register, id_token: 'nonsense', request_id: 'again' }))
      await metricReaches(server, 'parley_messages_total', 3)
      await server.post('/delete-peers-and-room', { room_id: room.room_id, token: room.token })
      goOn()
      // By the time that others are let in, the server has found that the token is wrong, too.
      await enter(server, others, 'bob')
      raw.write(frame({ type: 'query', request_id: 'late' }))
      await raw.until(bytes => bytes.includes('"late"'))
      raw.end()
      const answers = String(await raw.closed).match(/"code":"\w+",[^{}]*"request_id":"\w+"/g) ?? []
      expect(answers.map(answer => JSON.parse(`{${answer}}`))).toMatchObject([
        { code: 'ROOM_DELETED', request_id: 'again' },
        { code: 'ROOM_DELETED', request_id: 'late' },
      ])
    }))
})

test('plain peers notice nothing of it: what they send to one that is away is kept, and errors stay theirs', async () => {
  const { server, room, ada, cut } = await meeting({ PARLEY_PLAIN_PEER_ERRORS: '' })
  await using _ = server
  const plain = await enter(server, room, 'plain', {})
  await cut(ada.peer)
  plain.peer.send({ type: 'offer', target: 'ada', sender: 'plain', sdp: 'v=0' })
  for (let i = 0; i < 300; i++) plain.peer.send({ type: 'candidate', target: 'ada', sender: 'plain', candidate: i })
  expect(await plain.peer.ask({ type: 'query' })).toEqual({ type: 'available_peers', peers: ['bob', 'ada'] })
  const back = await comeBack(server, room, 'ada', ada.session.token, 1)
  expect(await back.peer.next()).toMatchObject({ type: 'offer', sdp: 'v=0' })
  expect(await back.peer.next()).toMatchObject({ type: 'candidate', candidate: 0 })
})
