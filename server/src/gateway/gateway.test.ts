import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { fromPeers } from '@parley/protocol/fixtures'
import { recordingLog, startServer, TestPeer, type TestServer } from '../../test/harness.ts'
import { clientFrame, rawConnection } from '../../test/raw-connection.ts'
import { manualClock, systemClock } from '../clock.ts'
import type { RoomStore } from '../room-store/room-store.ts'
import { sqlite } from '../room-store/sqlite.ts'

const { offer, answer, candidate } = fromPeers
const signals = { offer, answer, candidate }
const twoNames = { sender: 'Client-123', target: 'Worker-456' }

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

/** A room with the two peers of the quick reference in it. */
async function meeting(at: TestServer = server, members: object = {}) {
  const idToken = await at.signIn()
  const room = await at.createRoom(idToken)
  const [client, worker] = [await at.join(room, 'Client-123', members), await at.join(room, 'Worker-456', members)]
  return { idToken, room, client, worker }
}

describe('register', () => {
  const stun = [{ urls: ['stun:stun.l.google.com:19302', 'stun:stun1.l.google.com:19302'] }]

  test('is answered as the quick reference says, and as v2 did', async () => {
    const idToken = await server.signIn()
    const room = await server.createRoom(idToken)
    using peer = await server.connect()
    const { room_id, token, expires_at } = room
    expect(await peer.ask({ type: 'register', peer_id: 'Client-123', room_id, token, id_token: idToken })).toEqual({
      type: 'registered_auth',
      room_id,
      token,
      peer_id: 'Client-123',
      admin_peer_id: null,
      peer_list: [],
      peer_metadata: {},
      ice_servers: stun,
      mesh_ice_servers: stun,
      expires_at,
      features: [],
    })
    using worker = await server.join(room, 'Worker-456', { request_id: 'r-1', metadata: { gpu: true }, is_admin: true })
    using third = await server.connect()
    const reply = await third.ask({
      type: 'register',
      peer_id: 'c',
      room_id,
      token,
      id_token: idToken,
      request_id: 'r-2',
    })
    expect(reply).toMatchObject({
      admin_peer_id: 'Worker-456',
      peer_list: ['Client-123', 'Worker-456'],
      peer_metadata: { 'Client-123': {}, 'Worker-456': { gpu: true } },
      request_id: 'r-2',
    })
    expect([await peer.rest(), await worker.rest()]).toEqual([[], []])
  })

  test('is refused in the words of the original and in its order of checks, on a socket that stays open', async () => {
    const idToken = await server.signIn()
    const { room_id, token } = await server.createRoom(idToken)
    const right = { type: 'register', peer_id: 'a', room_id, token, id_token: idToken }
    using holder = await server.join({ room_id, token }, 'taken')
    using peer = await server.connect()
    const answers: [object, string, string][] = [
      [{ peer_id: '', id_token: 'x', room_id: 'x' }, 'INVALID_MESSAGE', 'Missing required fields during registration.'],
      [{ id_token: 'x', room_id: 'x', token: 'x' }, 'INVALID_TOKEN', 'Invalid token'],
      [{ room_id: 'x', token: 'x' }, 'ROOM_NOT_FOUND', 'Room not found'],
      [{ token: 'x' }, 'INVALID_ROOM_TOKEN', 'Invalid token'],
      [{ peer_id: 'taken' }, 'PEER_ID_TAKEN', 'Another identity uses this peer_id in the room.'],
    ]
    for (const [change, code, reason] of answers) {
      const expected = { type: 'error', code, reason, message: reason, retryable: false }
      expect(await peer.ask({ ...right, ...change })).toEqual(expected)
      expect(await peer.ask({ ...right, ...change, request_id: 'r.1' })).toEqual({ ...expected, request_id: 'r.1' })
    }
    expect(await peer.ask(right)).toMatchObject({ type: 'registered_auth' })
    expect(await holder.rest()).toEqual([])
  })

  test('into an expired room is answered with ROOM_EXPIRED', async () => {
    const clock = manualClock()
    await using later = await startServer({}, { clock })
    const idToken = await later.signIn()
    const { room_id, token } = await later.createRoom(idToken, { ttl_seconds: 1 })
    clock.advance(1000)
    using peer = await later.connect()
    expect(await peer.ask({ type: 'register', peer_id: 'a', room_id, token, id_token: idToken })).toMatchObject({
      code: 'ROOM_EXPIRED',
      reason: 'Room expired',
    })
  })
})

describe('a signal', () => {
  for (const [name, message] of Object.entries(signals)) {
    test(`(${name}) reaches its target as it was sent`, async () => {
      const { client, worker } = await meeting()
      const [from, to] = message.sender === 'Client-123' ? [client, worker] : [worker, client]
      from.send(message)
      expect(await to.nextText()).toBe(JSON.stringify(message))
      expect(await from.rest()).toEqual([])
    })
  }

  test('keeps every byte: numbers, order, space, escapes, unknown members', async () => {
    const { client, worker } = await meeting()
    const texts = [
      '{"type":"candidate","target":"Worker-456","sender":"Client-123","n":1.0,"big":9007199254740993,"e":1e400}',
      ' { "sender" : "Client-123",\n\t"target":"\\u0057orker-456", "sdp":"\\u00e4ä🙂\\ud800", "type":"offer" } ',
      '{"type":"answer","sender":"Client-123","target":"Worker-456","sdp":{"a":[null,true,{"__proto__":{"x":1}}]}}',
    ]
    for (const text of texts) {
      client.send(text)
      expect(await worker.nextText()).toBe(text)
    }
  })

  test('without a sender is given its own, and is else unchanged', async () => {
    const { client, worker } = await meeting()
    client.send('{"type":"offer","target":"Worker-456","n":1.0}')
    expect(await worker.nextText()).toBe('{"sender":"Client-123","type":"offer","target":"Worker-456","n":1.0}')
  })

  test('in a binary frame is understood, and relayed as text', async () => {
    const { client, worker } = await meeting()
    client.send(new TextEncoder().encode(JSON.stringify(signals.offer)))
    expect(await worker.nextText()).toBe(JSON.stringify(signals.offer))
  })

  test('of 1 MiB is relayed', async () => {
    const { client, worker } = await meeting()
    const frame = JSON.stringify({ ...signals.offer, sdp: '' })
    const text = frame.replace('"sdp":""', `"sdp":"${'x'.repeat(1024 * 1024 - frame.length)}"`)
    client.send(text)
    expect(await worker.nextText()).toBe(text)
  })

  test("in another's name is refused, and not relayed", async () => {
    const { client, worker } = await meeting()
    for (const sender of ['Worker-456', 'nobody', '', null, 7, ['Client-123'], {}, true]) {
      const answer = await client.ask({ ...signals.offer, sender, request_id: 'r-1' })
      expect(answer).toMatchObject({ code: 'SENDER_MISMATCH', request_id: 'r-1', target: 'Worker-456' })
    }
    expect(await worker.rest()).toEqual([])
  })

  test('to nobody is answered with PEER_NOT_FOUND, and so is one to a peer of another room', async () => {
    const { client } = await meeting()
    const idToken = await server.signIn()
    using elsewhere = await server.join(await server.createRoom(idToken), 'Elsewhere-1')
    for (const target of ['nobody', 'Elsewhere-1', '', '__proto__', 'constructor']) {
      expect(await client.ask({ ...signals.offer, target })).toEqual({
        type: 'error',
        code: 'PEER_NOT_FOUND',
        reason: 'There is no such peer in the room.',
        message: 'There is no such peer in the room.',
        retryable: false,
        target,
      })
    }
    expect(await elsewhere.rest()).toEqual([])
  })

  test('before register is answered with NOT_IN_ROOM, and not relayed', async () => {
    const { worker } = await meeting()
    using stranger = await server.connect()
    for (const signal of Object.values(signals)) {
      expect(await stranger.ask({ ...signal, ...twoNames })).toMatchObject({ code: 'NOT_IN_ROOM' })
    }
    expect(await worker.rest()).toEqual([])
  })

  test('to a peer that has just left is answered with PEER_NOT_FOUND', async () => {
    const { client, worker } = await meeting()
    worker.socket.close()
    await worker.closed
    expect(await client.ask(signals.offer)).toMatchObject({ code: 'PEER_NOT_FOUND', target: 'Worker-456' })
  })
})

/** A store that answers when it is told to. */
function patientStore() {
  const store = sqlite(':memory:', systemClock)
  let gate = Promise.withResolvers<void>()
  gate.resolve()
  let waiting = 0
  let onAsked = () => {}
  const patient: RoomStore = {
    ...store,
    async get(id) {
      waiting++
      onAsked()
      await gate.promise
      waiting--
      return store.get(id)
    },
  }
  return {
    store: patient,
    hold() {
      gate = Promise.withResolvers<void>()
    },
    letGo: () => gate.resolve(),
    /** Resolves when `count` registrations wait for it. */
    asked: (count: number) =>
      new Promise<void>(resolve => {
        onAsked = () => waiting >= count && resolve()
        onAsked()
      }),
  }
}

describe('order', () => {
  test('register, offer and three candidates in one burst are all delivered in order, though the store is slow', async () => {
    const { store, hold, letGo } = patientStore()
    await using slow = await startServer({}, { store })
    const idToken = await slow.signIn()
    const room = await slow.createRoom(idToken)
    using worker = await slow.join(room, 'Worker-456')
    using client = await slow.connect()
    const { room_id, token } = room
    const burst = [signals.offer, ...[1, 2, 3].map(n => ({ ...signals.candidate, n }))]
    hold()
    client.send({ type: 'register', peer_id: 'Client-123', room_id, token, id_token: idToken })
    for (const message of burst) client.send(message)
    using other = await slow.connect()
    expect(await other.ask('nonsense')).toMatchObject({ code: 'INVALID_JSON' })
    letGo()
    for (const message of burst) expect(await worker.next()).toEqual(message)
    expect(await client.next()).toMatchObject({ type: 'registered_auth' })
    expect(await client.rest()).toEqual([])
  })

  test('holds over several registers in one burst', async () => {
    const idToken = await server.signIn()
    const rooms = await Promise.all([server.createRoom(idToken), server.createRoom(idToken)])
    const workers = await Promise.all(rooms.map(room => server.join(room, 'Worker-456')))
    using client = await server.connect()
    for (const [n, { room_id, token }] of [...rooms, ...rooms].entries()) {
      client.send({ type: 'register', peer_id: 'Client-123', room_id, token, id_token: idToken })
      client.send({ ...signals.offer, n })
      client.send({ ...signals.candidate, n })
    }
    for (const n of [0, 1, 2, 3]) {
      const worker = workers[n % 2] as TestPeer
      expect(await worker.next()).toEqual({ ...signals.offer, n })
      expect(await worker.next()).toEqual({ ...signals.candidate, n })
    }
  })

  test.each([
    ['big', 5, 60_000],
    ['small', 4_200, 2],
  ])('what waits for a register is bounded, if it is %s frames', async (_, frames, bytes) => {
    const { store, hold, letGo } = patientStore()
    await using slow = await startServer({}, { store })
    const idToken = await slow.signIn()
    const { room_id, token } = await slow.createRoom(idToken)
    using client = await slow.connect()
    hold()
    client.send({ type: 'register', peer_id: 'a', room_id, token, id_token: idToken })
    for (let i = 0; i < frames; i++) client.send('x'.repeat(bytes))
    expect((await client.closed).code).toBe(1009)
    letGo()
  })
})

describe('a peer that registers again elsewhere', () => {
  test('takes over; the old connection of a plain peer stays open, without a word', async () => {
    const { room, worker } = await meeting()
    const idToken = await server.signIn()
    const { room_id, token } = room
    const again = { type: 'register', peer_id: 'x', room_id, token, id_token: idToken }
    using old = await server.connect()
    using current = await server.connect()
    await old.ask(again)
    await current.ask(again)
    worker.send({ ...signals.answer, target: 'x' })
    expect(await current.next()).toMatchObject({ type: 'answer' })
    expect(await old.ask({ ...signals.offer, sender: 'x' })).toMatchObject({ code: 'NOT_IN_ROOM' })
    old.socket.close()
    await old.closed
    worker.send({ ...signals.answer, target: 'x' })
    expect(await current.next()).toMatchObject({ type: 'answer' })
  })

  test('with features is told bye on the old connection, which is closed with 4505', async () => {
    const { room } = await meeting()
    const idToken = await server.signIn()
    const { room_id, token } = room
    const again = { type: 'register', peer_id: 'x', room_id, token, id_token: idToken, features: ['acks'] }
    using old = await server.connect()
    using current = await server.connect()
    expect(await old.ask(again)).toMatchObject({ type: 'registered_auth', features: ['acks'] })
    await current.ask(again)
    expect(await old.next()).toMatchObject({ type: 'bye', code: 'PEER_REPLACED', reason: 'replaced', close_code: 4505 })
    expect((await old.closed).code).toBe(4505)
    expect(await current.rest()).toEqual([])
  })
})

test('the end of a room is told to its peers with features, who are detached and may enter another one', async () => {
  const clock = manualClock()
  await using later = await startServer({ PARLEY_DEAD_AFTER_SECONDS: '900' }, { clock })
  const idToken = await later.signIn()
  const room = await later.createRoom(idToken, { ttl_seconds: 60 })
  using peer = await later.join(room, 'Client-123', { features: ['acks'] })
  clock.advance(60_000)
  expect(await peer.next()).toMatchObject({ type: 'error', code: 'ROOM_EXPIRED', reason: 'Room expired' })
  expect(await peer.ask(signals.offer)).toMatchObject({ code: 'NOT_IN_ROOM' })
  clock.advance(60_000)
  const fresh = await later.signIn()
  const { room_id, token } = await later.createRoom(fresh)
  const reply = await peer.ask({ type: 'register', peer_id: 'a', room_id, token, id_token: fresh })
  expect(reply.type).toBe('registered_auth')
})

describe('a connection', () => {
  test('is closed with 4408 if it does not register in time', async () => {
    const clock = manualClock()
    await using later = await startServer({ PARLEY_REGISTER_TIMEOUT_SECONDS: '10' }, { clock })
    const idToken = await later.signIn()
    using registered = await later.join(await later.createRoom(idToken), 'a')
    using silent = await later.connect()
    using talking = await later.connect()
    clock.advance(9_999)
    expect(await talking.ask('{}')).toMatchObject({ code: 'INVALID_MESSAGE' })
    clock.advance(1)
    expect(await silent.closed).toEqual({ code: 4408, reason: 'This connection did not register in time.' })
    expect((await talking.closed).code).toBe(4408)
    expect(await registered.rest()).toEqual([])
  })

  test('whose register is being answered is not closed for its age, but is if that fails', async () => {
    const { store, hold, letGo, asked } = patientStore()
    const clock = manualClock()
    await using slow = await startServer({ PARLEY_REGISTER_TIMEOUT_SECONDS: '10' }, { store, clock })
    const idToken = await slow.signIn()
    const { room_id, token } = await slow.createRoom(idToken)
    using good = await slow.connect()
    using bad = await slow.connect()
    clock.advance(9_000)
    hold()
    good.send({ type: 'register', peer_id: 'a', room_id, token, id_token: idToken })
    bad.send({ type: 'register', peer_id: 'b', room_id, token: 'wrong', id_token: idToken })
    await asked(2)
    clock.advance(1_000)
    letGo()
    expect(await good.next()).toMatchObject({ type: 'registered_auth' })
    expect(await bad.next()).toMatchObject({ code: 'INVALID_ROOM_TOKEN' })
    expect((await bad.closed).code).toBe(4408)
  })

  test('is given up when its other end shows no sign of life, though it is sent messages; a quiet one that answers pings is not', async () => {
    const clock = manualClock()
    await using server = await startServer(
      { PARLEY_DEAD_AFTER_SECONDS: '4', PARLEY_ERRORS_PER_MINUTE: '1000000' },
      { clock },
    )
    const idToken = await server.signIn()
    const room = await server.createRoom(idToken)
    using quiet = await server.join(room, 'quiet')
    using client = await server.join(room, 'Client-123')
    for (const round of [1, 2]) {
      const dead = await rawConnection(server.ws)
      const register = {
        type: 'register',
        peer_id: 'Worker-456',
        room_id: room.room_id,
        token: room.token,
        id_token: idToken,
      }
      dead.write(clientFrame(1, Buffer.from(JSON.stringify(register))))
      let isDead = false
      void dead.closed.then(() => (isDead = true))
      while (!isDead) {
        clock.advance(100)
        client.send({ ...signals.offer, round })
        // Meanwhile the quiet one answers its pings: it shares the event loop of this test.
        await client.rest()
      }
    }
    expect(await quiet.rest()).toEqual([])
  })

  test('is accepted on any path', async () => {
    using peer = await TestPeer.connect(`${server.ws}/any/path?with=query`)
    expect(await peer.ask('{}')).toMatchObject({ code: 'INVALID_MESSAGE' })
  })

  test('is refused for pages of other origins once a list of origins is set', async () => {
    await using strict = await startServer({ PARLEY_ALLOWED_ORIGINS: 'https://app.example.com' })
    using allowed = await TestPeer.connect(strict.ws, { Origin: 'https://app.example.com' })
    using program = await strict.connect()
    expect([await allowed.rest(), await program.rest()]).toEqual([[], []])
    await expect(TestPeer.connect(strict.ws, { Origin: 'https://evil.example.com' })).rejects.toThrow()
    using anywhere = await TestPeer.connect(server.ws, { Origin: 'https://evil.example.com' })
    expect(await anywhere.rest()).toEqual([])
  })

  test('is there for the pages and apps that the list has, and for those of its own address', async () => {
    const log = recordingLog()
    const list = 'capacitor://localhost, https://*.example.com, null'
    await using strict = await startServer({ PARLEY_ALLOWED_ORIGINS: list }, { log })
    const own = strict.ws.replace('ws:', 'http:')
    for (const origin of ['capacitor://localhost', 'https://a.b.example.com', 'null', own]) {
      using page = await TestPeer.connect(strict.ws, { Origin: origin })
      expect(await page.rest()).toEqual([])
    }
    const warnings = () => log.lines.filter(({ level }) => level === 40)
    expect(warnings()).toEqual([])
    for (const origin of ['https://example.com', 'https://example.com', 'app://.']) {
      await expect(TestPeer.connect(strict.ws, { Origin: origin })).rejects.toThrow()
    }
    expect(warnings()).toMatchObject([
      { origin: 'https://example.com', over: 'websocket' },
      { origin: 'app://.', over: 'websocket' },
    ])
    const metrics = await (await fetch(`${strict.http}/metrics`)).text()
    expect(metrics).toContain('\nparley_origins_refused_total{over="websocket"} 3\n')
    await using all = await startServer({ PARLEY_ALLOWED_ORIGINS: '*' })
    using anybody = await TestPeer.connect(all.ws, { Origin: 'https://anybody.example' })
    expect(await anybody.rest()).toEqual([])
  })

  test('that is plain HTTP is told to upgrade', async () => {
    const response = await fetch(server.ws.replace('ws', 'http'))
    expect([response.status, response.headers.get('upgrade')]).toEqual([426, 'websocket'])
    expect(await response.json()).toMatchObject({ code: 'UPGRADE_REQUIRED' })
  })
})

describe('a fault', () => {
  const faults: [string, string | Uint8Array<ArrayBuffer>, string][] = [
    ['malformed JSON', '{"type":', 'INVALID_JSON'],
    ['nothing', '', 'INVALID_JSON'],
    ['null', 'null', 'INVALID_MESSAGE'],
    ['an array', '[{"type":"offer"}]', 'INVALID_MESSAGE'],
    ['a list as target', '{"type":"offer","target":["Worker-456"]}', 'INVALID_MESSAGE'],
    ['100,000 brackets', '['.repeat(100_000), 'INVALID_JSON'],
    ['100,000 balanced brackets', '['.repeat(100_000) + ']'.repeat(100_000), 'INVALID_MESSAGE'],
    [
      '100,000 brackets in an offer',
      `{"type":"offer","target":"Worker-456","sdp":${'['.repeat(1e5)}${']'.repeat(1e5)}}`,
      'INVALID_MESSAGE',
    ],
    ['an unknown type', '{"type":"subscribe"}', 'UNKNOWN_MESSAGE_TYPE'],
    ['binary rubbish', new Uint8Array([0, 255, 254, 1, 128]), 'INVALID_JSON'],
  ]
  for (const [name, frame, code] of faults) {
    test(`(${name}) is answered with ${code}, and the connection goes on`, async () => {
      const { client, worker } = await meeting()
      const answer = await client.ask(frame)
      expect(answer).toMatchObject({ type: 'error', code })
      expect(answer.reason).toBe(answer.message)
      client.send(signals.offer)
      expect(await worker.next()).toEqual(signals.offer)
    })
  }

  test('(invalid UTF-8 in a text frame) closes with 1007', async () => {
    const raw = await rawConnection(server.ws)
    raw.write(clientFrame(1, Buffer.from([0x7b, 0xff, 0x7d])))
    expect(await raw.closeCode()).toBe(1007)
  })

  test('(a frame beyond 1 MiB) closes with 1009, and so does one beyond 64 KiB before register', async () => {
    const { client, worker } = await meeting()
    client.send('x'.repeat(1024 * 1024 + 1))
    expect((await client.closed).code).toBe(1009)
    for (const text of ['x'.repeat(64 * 1024 + 1), 'ä'.repeat(32 * 1024 + 1)]) {
      using stranger = await server.connect()
      stranger.send(text)
      expect((await stranger.closed).code).toBe(1009)
    }
    using stranger = await server.connect()
    expect(await stranger.ask('x'.repeat(64 * 1024))).toMatchObject({ code: 'INVALID_JSON' })
    expect(await worker.rest()).toEqual([])
  })

  test('that is repeated is rate-limited, then closed; what is right is relayed until then', async () => {
    await using strict = await startServer({ PARLEY_ERRORS_PER_MINUTE: '3' }, { clock: manualClock() })
    const { client, worker } = await meeting(strict)
    const codes: unknown[] = []
    for (let i = 0; i < 6; i++) codes.push((await client.ask({ type: 'nonsense', request_id: 'r' })).code)
    expect(codes).toEqual([...Array(3).fill('UNKNOWN_MESSAGE_TYPE'), ...Array(3).fill('RATE_LIMITED')])
    client.send(signals.offer)
    expect(await worker.next()).toEqual(signals.offer)
    client.send('nonsense')
    expect((await client.closed).code).toBe(4429)
    expect(await worker.rest()).toHaveLength(0)
  })
})

test.each(['register', 'all'])('the end of a room is never told to plain peers (errors: %s)', async errors => {
  const clock = manualClock()
  const settings = {
    PARLEY_PLAIN_PEER_ERRORS: errors,
    PARLEY_MAX_ROOM_TTL_SECONDS: '120',
    PARLEY_DEAD_AFTER_SECONDS: '900',
  }
  await using later = await startServer({ ...settings, PARLEY_ROOM_TTL_SECONDS: '60' }, { clock })
  const { client, worker } = await meeting(later)
  const metrics = async () => (await fetch(`${later.http}/metrics`)).text()
  clock.advance(60_000)
  client.send(signals.offer)
  expect(await worker.next()).toEqual(signals.offer)
  expect(await metrics()).toContain('\nparley_rooms_past_end 1\n')
  clock.advance(60_000)
  expect(await metrics()).toContain('\nparley_rooms 0\n')
  expect(await metrics()).toContain('\nparley_errors_kept_back_total{code="ROOM_EXPIRED"} 2\n')
  // The connections are there yet, and may enter another room.
  const fresh = await later.signIn()
  const { room_id, token } = await later.createRoom(fresh)
  const reply = await client.ask({ type: 'register', peer_id: 'a', room_id, token, id_token: fresh })
  expect(reply.type).toBe('registered_auth')
})

describe('by default', () => {
  const defaults = { PARLEY_PLAIN_PEER_ERRORS: '' }

  test('plain peers hear of register only, and what was kept back is counted', async () => {
    await using gentle = await startServer(defaults)
    const { client, worker, room, idToken } = await meeting(gentle)
    client.send('nonsense')
    client.send({ ...signals.offer, target: 'nobody' })
    client.send(signals.offer)
    expect(await worker.next()).toEqual(signals.offer)
    const { room_id, token } = room
    const refused = { type: 'register', peer_id: 'Worker-456', room_id, token, id_token: idToken }
    expect(await client.ask(refused)).toMatchObject({ code: 'PEER_ID_TAKEN' })
    const incomplete = { type: 'register', peer_id: 'Client-123', room_id }
    expect(await client.ask(incomplete)).toMatchObject({ reason: 'Missing required fields during registration.' })
    const metrics = await (await fetch(`${gentle.http}/metrics`)).text()
    for (const code of ['INVALID_JSON', 'PEER_NOT_FOUND']) {
      expect(metrics).toContain(`parley_errors_kept_back_total{code="${code}"} 1\n`)
    }
  })

  test('a plain peer is not closed for what others do, however often, and fills no log with it', async () => {
    const log = recordingLog()
    await using gentle = await startServer({ ...defaults, PARLEY_ERRORS_PER_MINUTE: '5' }, { log })
    const { client, worker } = await meeting(gentle)
    for (let i = 0; i < 50; i++) client.send({ ...signals.offer, target: 'nobody' })
    client.send(signals.offer)
    expect(await worker.next()).toEqual(signals.offer)
    const metrics = await (await fetch(`${gentle.http}/metrics`)).text()
    expect(metrics).toContain('parley_errors_kept_back_total{code="PEER_NOT_FOUND"} 50\n')
    const warnings = log.lines.filter(({ msg }) => msg === 'error kept back from a plain peer')
    expect(warnings.length).toBeWithin(10, 21)
    for (let i = 0; i < 11; i++) client.send('nonsense')
    expect((await client.closed).code).toBe(4429)
  })

  test('a connection that has not said yet what it understands hears of everything', async () => {
    await using gentle = await startServer(defaults)
    using fresh = await gentle.connect()
    expect(await fresh.ask('nonsense')).toMatchObject({ code: 'INVALID_JSON' })
    expect(await fresh.ask(signals.offer)).toMatchObject({ code: 'NOT_IN_ROOM' })
  })

  test('peers with features hear of everything', async () => {
    await using gentle = await startServer(defaults)
    const { client } = await meeting(gentle, { features: ['acks'] })
    expect(await client.ask('nonsense')).toMatchObject({ code: 'INVALID_JSON' })
  })
})

test('what a peer does not read is bounded, and its sender is told', async () => {
  await using small = await startServer({ PARLEY_MAX_QUEUE_BYTES: '65536' })
  const idToken = await small.signIn()
  const room = await small.createRoom(idToken)
  using client = await small.join(room, 'Client-123')
  using other = await small.join(room, 'other')
  const deaf = await rawConnection(small.ws)
  const { room_id, token } = room
  const register = { type: 'register', peer_id: 'Worker-456', room_id, token, id_token: idToken }
  deaf.write(clientFrame(1, Buffer.from(JSON.stringify(register))))
  deaf.pause()
  for (;;) {
    client.send({ ...signals.offer, sdp: 'x'.repeat(500_000), request_id: 'r-1' })
    const [failure] = await client.rest()
    if (failure?.code === 'PEER_NOT_FOUND') continue // its register is still on the way
    if (failure) {
      expect(failure).toMatchObject({
        code: 'DELIVERY_FAILED',
        retryable: true,
        request_id: 'r-1',
        target: 'Worker-456',
      })
      break
    }
  }
  client.send({ ...signals.offer, target: 'other' })
  expect(await other.next()).toMatchObject({ type: 'offer' })
  deaf.end()
}, 30_000)

test('a thousand connections that never register hinder nobody', async () => {
  const { client, worker } = await meeting()
  const idle = await Promise.all(Array.from({ length: 1000 }, () => server.connect()))
  client.send(signals.offer)
  expect(await worker.next()).toEqual(signals.offer)
  for (const peer of idle) peer.socket.close()
  await Promise.all(idle.map(peer => peer.closed))
})

test('a store that hangs delays nobody but the one who asked, who hears UNAVAILABLE', async () => {
  const { store, hold, asked } = patientStore()
  const clock = manualClock()
  await using slow = await startServer({}, { store, clock })
  const { client, worker, room, idToken } = await meeting(slow)
  hold()
  using waiting = await slow.connect()
  const { room_id, token } = room
  waiting.send({ type: 'register', peer_id: 'x', room_id, token, id_token: idToken })
  for (let n = 0; n < 100; n++) {
    client.send({ ...signals.candidate, n })
    expect(await worker.next()).toEqual({ ...signals.candidate, n })
  }
  await asked(1)
  clock.advance(4_500)
  expect(await waiting.next()).toMatchObject({ code: 'UNAVAILABLE', retryable: true, reason: 'DynamoDB error' })
})
