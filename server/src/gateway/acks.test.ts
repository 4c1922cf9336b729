import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type PeerType, peerMessages } from '@parley/protocol'
import { fromPeers } from '@parley/protocol/fixtures'
import { startServer, type TestPeer, type TestServer } from '../../test/harness.ts'
import { clientFrame, rawConnection } from '../../test/raw-connection.ts'
import { manualClock } from '../clock.ts'
import { sqlite } from '../room-store/sqlite.ts'

type Message = { type?: string; [key: string]: unknown }
type Room = { room_id: string; token: string }

const { offer, query, peer_message, update_metadata, leave_channel, broadcast } = fromPeers
const features = ['acks']

/** What a registered peer may send: the golden message of each type. */
const requests = (Object.keys(peerMessages) as PeerType[])
  .filter(type => type !== 'register' && type !== 'resume')
  .map((type): Message & { type: PeerType } => ({ ...fromPeers[type], type }))
/** Those that do not need a valid ID token: of that, see renew.test.ts. */
const simple = requests.filter(({ type }) => type !== 'renew')
const nameOfTarget = (message: object) => ['target', 'to_peer_id', 'target_peer_id'].find(name => name in message)
const nameOfSender = (message: object) => ['sender', 'from_peer_id', 'peer_id'].find(name => name in message)
const addressed = requests.filter(message => nameOfTarget(message) !== undefined)
const signed = requests.filter(message => nameOfSender(message) !== undefined)

let server: TestServer
beforeAll(async () => {
  server = await startServer({ PARLEY_SIGN_INS_PER_MINUTE: '100000' })
})
afterAll(() => server[Symbol.asyncDispose]())

const registerIn = ({ room_id, token }: Room, id_token: string, peer_id = 'Client-123') => ({
  type: 'register',
  peer_id,
  room_id,
  token,
  id_token,
})

/** A room with the two golden peers in their golden channel. */
async function meeting(members: object = { features }) {
  const idToken = await server.signIn()
  const room = await server.createRoom(idToken)
  const join = (name: string) => server.join(room, name, { channels: ['renderers'], ...members })
  const [client, worker] = [await join('Client-123'), await join('Worker-456')]
  /** Who sends the golden message, and who is the other. */
  const roles = (message: Message) =>
    [message.sender, message.from_peer_id, message.peer_id].includes('Worker-456')
      ? { from: worker, to: client }
      : { from: client, to: worker }
  return { idToken, room, client, worker, roles }
}

const idsOf = (messages: Message[]) => messages.map(({ request_id }) => request_id)
const codesOf = (messages: Message[]) => messages.map(({ code }) => code)

describe('a request of a peer with acks', () => {
  for (const request of simple) {
    const reply = peerMessages[request.type].reply ?? 'ack'
    test(`(${request.type}) is answered once, with ${reply}`, async () => {
      const { from, to } = (await meeting()).roles(request)
      from.send({ ...request, request_id: 'r-1' })
      const [answer, ...more] = await from.rest()
      if (reply === 'ack') expect(answer).toEqual({ type: 'ack', request_id: 'r-1', status: 'delivered' })
      else expect(answer).toMatchObject({ type: reply, request_id: 'r-1' })
      expect(more).toEqual([])
      const isForTheOther = addressed.includes(request) || request.type === 'broadcast'
      expect(await to.rest()).toHaveLength(isForTheOther ? 1 : 0)
    })
  }

  test('may have any request_id of 1 to 64 of its characters, and need not have one', async () => {
    const { client, worker } = await meeting()
    for (const request_id of ['0', '_.-', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz', 'x'.repeat(64)]) {
      expect(await client.ask({ ...offer, request_id })).toEqual({ type: 'ack', request_id, status: 'delivered' })
    }
    client.send(offer)
    expect(await client.rest()).toEqual([])
    expect(await worker.rest()).toHaveLength(6)
  })

  const deep = `${'['.repeat(200)}${']'.repeat(200)}`
  const faults: [string, object | string, string][] = [
    ['of an unknown type', { type: 'subscribe' }, 'UNKNOWN_MESSAGE_TYPE'],
    ['of a type that is a list', { type: ['offer'] }, 'UNKNOWN_MESSAGE_TYPE'],
    ['without a type', {}, 'INVALID_MESSAGE'],
    ['nested too deeply', `{"type":"offer","target":"Worker-456","request_id":"r-1","sdp":${deep}}`, 'INVALID_MESSAGE'],
    ['for a list', { ...offer, target: ['Worker-456'] }, 'INVALID_MESSAGE'],
    ['without its payload', { ...peer_message, payload: undefined }, 'INVALID_MESSAGE'],
    ['with metadata that are none', { ...update_metadata, metadata: 7 }, 'INVALID_MESSAGE'],
    [
      'with an unknown filter',
      { type: 'discover_peers', filters: { properties: { x: { $near: 1 } } } },
      'INVALID_MESSAGE',
    ],
    ['for a channel without a name', { type: 'join_channel', channel: '' }, 'INVALID_MESSAGE'],
    ['to leave a channel that it is not in', { ...leave_channel, channel: 'x' }, 'NOT_IN_CHANNEL'],
    ['to speak in a channel that it is not in', { ...broadcast, channel: 'x' }, 'NOT_IN_CHANNEL'],
    ['to register without a room', { type: 'register', peer_id: 'x', features }, 'INVALID_MESSAGE'],
    ...addressed.map((message): [string, object, string] => [
      `(${message.type}) for a peer that is not there`,
      { ...message, [String(nameOfTarget(message))]: 'nobody' },
      message.type === 'peer_message' ? 'PEER_NOT_IN_ROOM' : 'PEER_NOT_FOUND',
    ]),
    ...signed.map((message): [string, object, string] => [
      `(${message.type}) in another's name`,
      { ...message, [String(nameOfSender(message))]: 'nobody' },
      'SENDER_MISMATCH',
    ]),
  ]
  for (const [name, message, code] of faults) {
    test(`${name} is answered once, with ${code}, and nothing is done`, async () => {
      const { from, to } = (await meeting()).roles(message as Message)
      from.send(typeof message === 'string' ? message : { ...message, request_id: 'r-1' })
      expect(await from.rest()).toEqual([expect.objectContaining({ type: 'error', code, request_id: 'r-1' })])
      expect(await to.rest()).toEqual([])
    })
  }

  test('for a peer that has gone, or is in another room, is answered once, with an error', async () => {
    const { client, worker, roles } = await meeting()
    const fromClient = addressed.filter(message => roles(message).from === client)
    worker.socket.close()
    await worker.closed
    using _elsewhere = await server.join(await server.createRoom(await server.signIn()), 'Worker-456')
    for (const message of fromClient) client.send({ ...message, request_id: message.type })
    const answers = await client.rest()
    expect(idsOf(answers)).toEqual(fromClient.map(({ type }) => type))
    expect(codesOf(answers)).toEqual(
      fromClient.map(({ type }) => (type === 'peer_message' ? 'PEER_NOT_IN_ROOM' : 'PEER_NOT_FOUND')),
    )
  })

  for (const request of requests) {
    test(`(${request.type}) with a request_id that is none is answered with INVALID_MESSAGE, and nothing is done`, async () => {
      const { roles } = await meeting()
      const { from, to } = roles(request)
      const before = await to.ask({ type: 'discover_peers' })
      for (const request_id of [7, '', 'x'.repeat(65), 'a b', 'ä', 'r\n', true, {}, ['r-1']]) {
        const answer = await from.ask({ ...request, channel: 'x', request_id })
        expect(answer).toMatchObject({ type: 'error', code: 'INVALID_MESSAGE' })
        expect(answer.request_id).toBeUndefined()
      }
      expect(await from.ask({ ...leave_channel, channel: 'x', request_id: 'r-1' })).toMatchObject({
        request_id: 'r-1',
        code: 'NOT_IN_CHANNEL',
      })
      expect(await to.ask({ type: 'discover_peers' })).toEqual(before)
      expect(await to.rest()).toEqual([])
    })
  }
})

test('a request_id that is null is none: the message is handled, and not answered', async () => {
  const { roles } = await meeting()
  for (const type of ['offer', 'peer_message'] as const) {
    const request = { ...fromPeers[type], request_id: null }
    const { from, to } = roles({ type })
    from.send(request)
    expect(await from.rest()).toEqual([])
    expect(await to.rest()).toHaveLength(1)
  }
})

describe('a register that asks for acks', () => {
  test('is answered once, and so is each request in the same burst, in order', async () => {
    const idToken = await server.signIn()
    const room = await server.createRoom(idToken)
    using worker = await server.join(room, 'Worker-456', { features })
    using client = await server.connect()
    client.send({ ...registerIn(room, idToken), features, request_id: 'r-0' })
    for (const n of [1, 2, 3]) client.send({ ...offer, request_id: `r-${n}` })
    client.send({ ...registerIn(room, idToken, 'other'), features, request_id: 'r-4' })
    client.send({ ...offer, sender: 'other', request_id: 'r-5' })
    const types = ['registered_auth', 'ack', 'ack', 'ack', 'registered_auth', 'ack']
    expect(await client.rest()).toEqual(types.map((type, n) => expect.objectContaining({ type, request_id: `r-${n}` })))
    expect(await worker.rest()).toHaveLength(4)
  })

  const refusals: [object, string][] = [
    [{ peer_id: '' }, 'INVALID_MESSAGE'],
    [{ features: [...features, 7] }, 'INVALID_MESSAGE'],
    [{ id_token: 'x' }, 'INVALID_TOKEN'],
    [{ room_id: 'x' }, 'ROOM_NOT_FOUND'],
    [{ token: 'x' }, 'INVALID_ROOM_TOKEN'],
    [{ peer_id: 'Worker-456' }, 'PEER_ID_TAKEN'],
  ]
  for (const [change, code] of refusals) {
    test(`and is refused with ${code} (${Object.keys(change)}) is answered once, and so is each request behind it`, async () => {
      const { room, idToken } = await meeting()
      using peer = await server.connect()
      peer.send({ ...registerIn(room, idToken, 'x'), features, ...change, request_id: 'r-0' })
      for (const request of requests) peer.send({ ...request, request_id: request.type })
      const [refusal, ...answers] = await peer.rest()
      expect(refusal).toMatchObject({ type: 'error', code, request_id: 'r-0' })
      expect(idsOf(answers)).toEqual(requests.map(({ type }) => type))
      expect(new Set(codesOf(answers))).toEqual(new Set(['NOT_IN_ROOM']))
    })
  }

  test('with a request_id that is none is answered with INVALID_MESSAGE, and nobody is registered', async () => {
    const idToken = await server.signIn()
    const room = await server.createRoom(idToken)
    using worker = await server.join(room, 'Worker-456')
    using peer = await server.connect()
    for (const request_id of [7, '', 'x'.repeat(65), 'a b', {}]) {
      const answer = await peer.ask({ ...registerIn(room, idToken), features, request_id })
      expect(answer).toMatchObject({ type: 'error', code: 'INVALID_MESSAGE' })
      expect(answer.request_id).toBeUndefined()
    }
    expect(await worker.ask({ type: 'query' })).toMatchObject({ peers: [] })
  })

  test('beyond what may wait behind it closes with 1009; all of it is answered, once', async () => {
    const { store, hold, asked } = hangingStore()
    await using slow = await startServer({}, { store })
    const idToken = await slow.signIn()
    const room = await slow.createRoom(idToken)
    using client = await slow.connect()
    hold(room)
    client.send({ ...registerIn(room, idToken), features, request_id: 'r-0' })
    await asked
    for (let n = 1; n <= 6; n++) client.send({ ...offer, sdp: 'x'.repeat(60_000), request_id: `r-${n}` })
    const { code, answers } = await conversation(client)
    expect(code).toBe(1009)
    expect(idsOf(answers)).toEqual(['r-0', 'r-1', 'r-2', 'r-3', 'r-4', 'r-5', 'r-6'])
    expect(new Set(codesOf(answers))).toEqual(new Set(['MESSAGE_TOO_BIG']))
  })
})

describe('a register that is refused', () => {
  test('does not take acks from a peer that has them', async () => {
    const { room, idToken, client, worker } = await meeting()
    client.send({ ...registerIn(room, idToken, 'Worker-456'), request_id: 'r-1' })
    client.send({ ...offer, request_id: 'r-2' })
    expect(await client.rest()).toEqual([
      expect.objectContaining({ code: 'PEER_ID_TAKEN', request_id: 'r-1' }),
      { type: 'ack', request_id: 'r-2', status: 'delivered' },
    ])
    expect(await worker.rest()).toHaveLength(1)
  })

  test('does not give acks to a peer that has none', async () => {
    const { room, idToken, client, worker } = await meeting({})
    client.send({ ...registerIn(room, idToken, 'Worker-456'), features, request_id: 'r-1' })
    client.send({ ...offer, request_id: 'r-2' })
    expect(await client.rest()).toEqual([expect.objectContaining({ code: 'PEER_ID_TAKEN', request_id: 'r-1' })])
    expect(await worker.rest()).toHaveLength(1)
  })
})

/** A store that does not answer for one room any more, once it is told so. */
function hangingStore() {
  const store = sqlite(':memory:', manualClock())
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  let held: string | undefined
  return {
    store: {
      ...store,
      get(roomId: string) {
        if (roomId !== held) return store.get(roomId)
        resolve()
        return new Promise<undefined>(() => {})
      },
    },
    hold: ({ room_id }: Room) => {
      held = room_id
    },
    /** Resolves once it has been asked for the room. */
    asked,
  }
}

/** Listens until the connection has ended: what bears a `request_id`, but for the signals of others, and the `bye`. */
async function conversation(peer: TestPeer, onAnswer: (seenBye: boolean) => void = () => {}) {
  const answers: Message[] = []
  let bye: Message | undefined
  peer.socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as Message
    if (message.type === 'bye') bye = message
    if (message.request_id === undefined || message.type === 'offer') return
    answers.push(message)
    onAnswer(bye !== undefined)
  })
  const { code } = await peer.closed
  return { code, bye, answers }
}

/** Always has 20 requests under way, until it sees `bye`. */
async function insist(peer: TestPeer) {
  const sent: string[] = []
  const send = () => {
    const request = [query, offer, update_metadata, { type: 'nonsense' }][sent.length % 4]
    const request_id = `r-${sent.length}`
    sent.push(request_id)
    peer.send({ ...request, sender: undefined, peer_id: undefined, request_id })
  }
  const ended = conversation(peer, seenBye => seenBye || send())
  for (let i = 0; i < 20; i++) send()
  return { sent, ...(await ended) }
}

describe('a connection with acks that is closed because', () => {
  async function world() {
    const { store, hold, asked } = hangingStore()
    const server = await startServer({ PARLEY_ERRORS_PER_MINUTE: '1000000' }, { store, clock: manualClock() })
    const idToken = await server.signIn()
    const [room, otherRoom] = [await server.createRoom(idToken), await server.createRoom(idToken)]
    const client = await server.connect()
    const worker = await server.join(room, 'Worker-456', { features })
    await client.ask({ ...registerIn(room, idToken), features })
    return { server, idToken, room, otherRoom, client, worker, hold, asked }
  }
  type World = Awaited<ReturnType<typeof world>>

  const endings: [string, string, number, (world: World) => Promise<unknown>][] = [
    [
      'another connection has taken over',
      'PEER_REPLACED',
      4505,
      async ({ server, room, idToken }) => (await server.connect()).ask(registerIn(room, idToken)),
    ],
    [
      'its room was deleted',
      'ROOM_DELETED',
      4504,
      ({ server, room }) => server.post('/delete-peers-and-room', { room_id: room.room_id, token: room.token }),
    ],
    [
      'its peer was removed',
      'PEER_REMOVED',
      4507,
      ({ server, room }) => server.post('/delete-peer', { peer_id: 'Client-123', token: room.token }),
    ],
    // Every world ends so.
    ['the server stops', 'SHUTTING_DOWN', 1001, async () => {}],
  ]
  for (const [name, code, closeCode, end] of endings) {
    test(`${name} answers once what was sent before it saw bye`, async () => {
      const scene = await world()
      const busy = insist(scene.client)
      await scene.client.next()
      await end(scene)
      await scene.server[Symbol.asyncDispose]()
      const { sent, answers, bye, code: closed } = await busy
      expect(closed).toBe(closeCode)
      expect(bye).toMatchObject({ code, close_code: closeCode })
      expect(idsOf(answers)).toEqual(sent)
    })

    test(`${name} refuses the register that is being answered, and what waits behind it`, async () => {
      const scene = await world()
      const { server, client, otherRoom, idToken, hold, asked } = scene
      hold(otherRoom)
      const ended = conversation(client)
      client.send({ ...registerIn(otherRoom, idToken), features, request_id: 'r-0' })
      for (const request of requests) client.send({ ...request, request_id: request.type })
      await asked
      await end(scene)
      await server[Symbol.asyncDispose]()
      const { answers, code: closed } = await ended
      expect(closed).toBe(closeCode)
      expect(idsOf(answers)).toEqual(['r-0', ...requests.map(({ type }) => type)])
      expect(new Set(codesOf(answers))).toEqual(new Set([code]))
    })
  }

  test('the server stops, among others that are just as busy, answers once what was sent before it saw bye', async () => {
    const server = await startServer()
    const idToken = await server.signIn()
    const room = await server.createRoom(idToken)
    const names = ['Worker-456', 'b', 'c', 'd', 'e']
    const peers = await Promise.all(names.map(name => server.join(room, name, { features })))
    using plain = await server.join(room, 'plain')
    const busy = peers.map(insist)
    await Promise.all(peers.map(peer => peer.next()))
    await server[Symbol.asyncDispose]()
    for (const { sent, answers, code, bye } of await Promise.all(busy)) {
      expect([code, bye?.code]).toEqual([1001, 'SHUTTING_DOWN'])
      expect(idsOf(answers)).toEqual(sent)
    }
    expect((await plain.closed).code).toBe(1001)
  })

  test('it did not register in time answers once what was sent before it saw bye', async () => {
    const clock = manualClock()
    await using server = await startServer(
      { PARLEY_ERRORS_PER_MINUTE: '1000000', PARLEY_REGISTER_TIMEOUT_SECONDS: '10' },
      { clock },
    )
    const idToken = await server.signIn()
    using peer = await server.connect()
    await peer.ask({ ...registerIn({ room_id: 'x', token: 'x' }, idToken), features })
    const busy = insist(peer)
    await peer.next()
    clock.advance(10_000)
    const { sent, answers, code, bye } = await busy
    expect([code, bye?.code]).toEqual([4408, 'REGISTER_TIMEOUT'])
    expect(idsOf(answers)).toEqual(sent)
  })

  test('its register was answered too late refuses what waits behind it', async () => {
    const { store, hold, asked } = hangingStore()
    const clock = manualClock()
    await using server = await startServer({ PARLEY_REGISTER_TIMEOUT_SECONDS: '10' }, { store, clock })
    const idToken = await server.signIn()
    const room = await server.createRoom(idToken)
    using peer = await server.connect()
    hold(room)
    clock.advance(9_000)
    const ended = conversation(peer)
    peer.send({ ...registerIn(room, idToken), features, request_id: 'r-0' })
    for (const n of [1, 2]) peer.send({ ...offer, request_id: `r-${n}` })
    await asked
    clock.advance(4_500)
    const { code, answers } = await ended
    expect(code).toBe(4408)
    expect(idsOf(answers)).toEqual(['r-0', 'r-1', 'r-2'])
    expect(codesOf(answers)).toEqual(['UNAVAILABLE', 'REGISTER_TIMEOUT', 'REGISTER_TIMEOUT'])
  })

  test('too much that it sent was faulty answers once each of a burst, beyond the limit with RATE_LIMITED', async () => {
    await using strict = await startServer({ PARLEY_ERRORS_PER_MINUTE: '5' }, { clock: manualClock() })
    using peer = await strict.join(await strict.createRoom(await strict.signIn()), 'x', { features })
    const ids = Array.from({ length: 30 }, (_, n) => `r-${n}`)
    const ended = conversation(peer)
    for (const request_id of ids) peer.send({ type: 'nonsense', request_id })
    const { code, bye, answers } = await ended
    expect([code, bye?.code]).toEqual([4429, 'RATE_LIMITED'])
    expect(idsOf(answers)).toEqual(ids)
    expect(codesOf(answers)).toEqual([...Array(5).fill('UNKNOWN_MESSAGE_TYPE'), ...Array(25).fill('RATE_LIMITED')])
  })

  test('it sent too big a message without being in a room answers that message', async () => {
    await using server = await startServer()
    const idToken = await server.signIn()
    using peer = await server.connect()
    await peer.ask({ ...registerIn({ room_id: 'x', token: 'x' }, idToken), features })
    const ended = conversation(peer)
    peer.send({ ...offer, sdp: 'x'.repeat(65 * 1024), request_id: 'r-1' })
    const { code, bye, answers } = await ended
    expect([code, bye?.code]).toEqual([1009, 'MESSAGE_TOO_BIG'])
    expect(answers).toEqual([expect.objectContaining({ code: 'MESSAGE_TOO_BIG', request_id: 'r-1' })])
  })

  /** A connection whose peer has been taken over: its end has begun, and it need not notice. */
  async function takenOver(server: TestServer) {
    const idToken = await server.signIn()
    const room = await server.createRoom(idToken)
    const witness = await server.join(room, 'witness', { features: ['presence'] })
    const raw = await rawConnection(server.ws)
    const send = (message: object) => raw.write(clientFrame(1, Buffer.from(JSON.stringify(message))))
    const pong = (payload: string) => raw.write(clientFrame(10, Buffer.from(payload)))
    send({ ...registerIn(room, idToken), features, request_id: 'r-0' })
    expect(await witness.next()).toMatchObject({ type: 'peer_joined' })
    const successor = await server.connect()
    await successor.ask(registerIn(room, idToken))
    expect((await witness.rest()).map(({ type }) => type)).toEqual(['peer_left', 'peer_joined'])
    return { closed: raw.closed, send, pong, successor, witness, again: registerIn(room, idToken, 'x') }
  }

  test('another has taken over refuses all that comes before the pong to its last ping, and takes no other pong', async () => {
    const { closed, send, pong, successor, witness, again } = await takenOver(server)
    for (const payload of ['', 'by', 'bye!']) pong(payload)
    send({ ...query, request_id: 'r-1' })
    send({ ...offer, target: 'witness', request_id: 'r-2' })
    send({ ...again, request_id: 'r-3' })
    send({ type: 'nonsense', request_id: 'r-4' })
    send({ ...query, request_id: 7 })
    pong('bye')
    const [first, bye, ...refusals] = textsIn(await closed)
    expect(first).toMatchObject({ type: 'registered_auth', request_id: 'r-0' })
    expect(bye).toMatchObject({ type: 'bye', code: 'PEER_REPLACED' })
    expect(idsOf(refusals)).toEqual(['r-1', 'r-2', 'r-3', 'r-4'])
    expect(new Set(codesOf(refusals))).toEqual(new Set(['PEER_REPLACED']))
    expect([...(await successor.rest()), ...(await witness.rest())]).toEqual([])
  })

  test('another has taken over is given up when it answers no ping at all', async () => {
    const clock = manualClock()
    await using server = await startServer({}, { clock })
    const { closed } = await takenOver(server)
    clock.advance(60_000)
    expect(textsIn(await closed).map(({ type }) => type)).toEqual(['registered_auth', 'bye'])
  })
})

/** The messages in what a server sent, up to its close frame. */
function textsIn(bytes: Buffer): Message[] {
  const messages: Message[] = []
  for (let at = 0; at + 2 <= bytes.length; ) {
    const [opcode, short] = [(bytes[at] ?? 0) & 15, (bytes[at + 1] ?? 0) & 127]
    const start = at + (short < 126 ? 2 : 4)
    const end = start + (short < 126 ? short : bytes.readUInt16BE(at + 2))
    if (opcode === 1) messages.push(JSON.parse(bytes.toString('utf8', start, end)))
    at = end
  }
  return messages
}

test('a peer with acks whose room has expired is answered once, with NOT_IN_ROOM', async () => {
  const clock = manualClock()
  await using later = await startServer({ PARLEY_DEAD_AFTER_SECONDS: '900' }, { clock })
  const room = await later.createRoom(await later.signIn(), { ttl_seconds: 60 })
  using peer = await later.join(room, 'Client-123', { features })
  clock.advance(60_000)
  expect(await peer.next()).toMatchObject({ type: 'error', code: 'ROOM_EXPIRED' })
  for (const request of requests) peer.send({ ...request, request_id: request.type })
  const answers = await peer.rest()
  expect(idsOf(answers)).toEqual(requests.map(({ type }) => type))
  expect(new Set(codesOf(answers))).toEqual(new Set(['NOT_IN_ROOM']))
})

test('what a target does not read is answered with DELIVERY_FAILED, what it was handed with ack', async () => {
  await using small = await startServer({ PARLEY_MAX_QUEUE_BYTES: '65536' })
  const idToken = await small.signIn()
  const room = await small.createRoom(idToken)
  using client = await small.join(room, 'Client-123', { features: ['acks', 'presence'] })
  using other = await small.join(room, 'other')
  const deaf = await rawConnection(small.ws)
  deaf.write(clientFrame(1, Buffer.from(JSON.stringify(registerIn(room, idToken, 'Worker-456')))))
  deaf.pause()
  for (const name of ['other', 'Worker-456']) expect(await client.next()).toMatchObject({ peer: { peer_id: name } })
  for (let n = 0; ; n++) {
    const answer = await client.ask({ ...offer, sdp: 'x'.repeat(500_000), request_id: `r-${n}` })
    if (answer.type === 'ack') {
      expect(answer).toEqual({ type: 'ack', request_id: `r-${n}`, status: 'delivered' })
      continue
    }
    expect(answer).toMatchObject({ code: 'DELIVERY_FAILED', request_id: `r-${n}`, target: 'Worker-456' })
    break
  }
  const failure = await client.ask({ type: 'broadcast', payload: 1, request_id: 'b-1' })
  expect(failure).toMatchObject({ code: 'DELIVERY_FAILED', request_id: 'b-1', undelivered: ['Worker-456'] })
  expect(await other.rest()).toEqual([{ type: 'broadcast', from_peer_id: 'Client-123', payload: 1 }])
  expect(await client.rest()).toEqual([])
  deaf.end()
}, 30_000)

for (const [name, members] of [
  ['a plain peer', {}],
  ['a peer with features other than acks', { features: ['presence', 'channels'] }],
] as const) {
  describe(name, () => {
    test('is never sent ack; replies and errors repeat its request_id', async () => {
      const { client, roles, room, idToken } = await meeting(members)
      for (const request of simple) {
        const { from, to } = roles(request)
        await from.rest()
        from.send({ ...request, request_id: 'r-1' })
        const answers = (await from.rest()).filter(({ type }) => type !== 'peer_left')
        const { reply } = peerMessages[request.type]
        expect(answers).toEqual(reply === null ? [] : [expect.objectContaining({ type: reply, request_id: 'r-1' })])
        if (request.type === 'leave_channel') from.send({ ...request, type: 'join_channel' })
        await to.rest()
      }
      await client.rest()
      expect(await client.ask({ type: 'nonsense', request_id: 'r-2' })).toMatchObject({ request_id: 'r-2' })
      const taken = registerIn(room, idToken, 'Worker-456')
      expect(await client.ask({ ...taken, request_id: 'r-3' })).toMatchObject({ request_id: 'r-3' })
    })

    test('may put anything into request_id; what is not valid is not repeated', async () => {
      const { client, worker, room, idToken } = await meeting(members)
      await client.rest()
      for (const request_id of [7, 'x'.repeat(65), { a: 1 }]) {
        client.send({ ...offer, request_id })
        expect(await worker.next()).toEqual({ ...offer, request_id })
        const reply = await client.ask({ ...query, request_id })
        expect(reply).toEqual({ type: 'available_peers', peers: ['Worker-456'] })
        expect((await client.ask({ type: 'nonsense', request_id })).request_id).toBeUndefined()
        using another = await server.connect()
        const welcome = await another.ask({ ...registerIn(room, idToken, 'x'), ...members, request_id })
        expect(welcome.type).toBe('registered_auth')
        expect(welcome.request_id).toBeUndefined()
        await client.rest()
        await worker.rest()
      }
    })
  })
}
