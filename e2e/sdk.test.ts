import { describe, expect, onTestFinished, test } from 'bun:test'
import { inspect } from 'node:util'
import { type Connection, type ConnectionState, ParleyError, type Room } from '@parley/client'
import { manualClock } from '../server/src/clock.ts'
import { python, startAiortc } from './aiortc-process.ts'
import { hasDataChannel, needs, runs } from './needs.ts'
import { type ParleyProcess, startParley } from './parley-process.ts'
import { startRestartable } from './restartable.ts'
import { enter, identities, messagesOn, parleyAt } from './sdk-peer.ts'

const dataChannel = { 'node-datachannel': await hasDataChannel() }
const withWebRtc = needs(dataChannel)
const withAiortc = needs({
  ...dataChannel,
  [`${python} with aiortc and websockets`]: runs(python, '-c', 'import aiortc, websockets'),
})

/** In place of a WebRTC. */
const nothing = undefined as unknown as typeof RTCPeerConnection

const errorOf = (promise: Promise<unknown>): Promise<ParleyError> =>
  promise.then(
    () => {
      throw new Error('It did not fail.')
    },
    error => error,
  )

/** Two peers that see each other in a room of its own. */
async function twoPeers(urls: Pick<ParleyProcess, 'httpUrl' | 'wsUrl'>) {
  const room = await (await parleyAt(urls)).createRoom()
  const ada = await enter(urls, room, 'ada')
  const bob = await enter(urls, room, 'bob', { metadata: { tags: ['gpu'] } })
  await sees(ada, 'bob')
  return { room, ada, bob }
}

const sees = (room: Room, peerId: string) =>
  room.peers.has(peerId) ? Promise.resolve() : room.once('peerJoined', ({ id }) => id === peerId)

const status = (connection: Connection, wanted: Connection['status']) =>
  connection.status === wanted ? Promise.resolve() : connection.once('status', now => now === wanted)

const state = (room: Room, wanted: ConnectionState['status']) =>
  room.state.status === wanted ? Promise.resolve() : room.once('state', now => now.status === wanted)

describe('connect', () => {
  withWebRtc('gives both peers one connection, on which either opens channels', async () => {
    const { ada, bob } = await twoPeers(await startParley())
    const arrival = bob.once('connection')
    const connection = await ada.connect('bob')
    const [other] = await arrival
    await other.ready
    expect(await ada.connect('bob')).toBe(connection)
    expect(await bob.connect('ada')).toBe(other)
    expect([connection.status, other.status, other.peerId]).toEqual(['connected', 'connected', 'ada'])

    const incoming = other.once('channel')
    const chat = await connection.open('chat', { protocol: 'x' })
    chat.send('hello')
    const [theirs] = await incoming
    expect([theirs.label, theirs.protocol]).toEqual(['chat', 'x'])
    expect(await messagesOn(theirs).next()).toBe('hello')
    const answer = messagesOn(chat)
    theirs.send(new Uint8Array([1, 2, 3]))
    expect(await answer.next()).toEqual(new Uint8Array([1, 2, 3]).buffer)
  })

  withWebRtc('keeps what arrives on a channel that nobody listens to yet', async () => {
    const { ada, bob } = await twoPeers(await startParley())
    bob.on('connection', async theirs => {
      const channel = await theirs.open('greeting')
      channel.send('one')
      channel.send('two')
    })
    const connection = await ada.connect('bob')
    // Long after: a whole exchange on another channel.
    const [echo] = await Promise.all([connection.open('other'), bob.connection('ada')?.once('channel')])
    expect(echo.readyState).toBe('open')
    const [channel] = await connection.once('channel')
    const messages = messagesOn(channel)
    expect([await messages.next(), await messages.next()]).toEqual(['one', 'two'])
  })

  withWebRtc('ends with one connection when both connect in the same instant, 50 times', async () => {
    const { ada, bob } = await twoPeers(await startParley())
    for (let round = 0; round < 50; round++) {
      const [hers, his] = await Promise.all([ada.connect('bob'), bob.connect('ada')])
      expect([ada.connection('bob'), bob.connection('ada')]).toEqual([hers, his])
      const incoming = his.once('channel')
      const channel = await hers.open('chat')
      const [theirs] = await incoming
      const received = messagesOn(theirs)
      channel.send(`round ${round}`)
      expect(await received.next()).toBe(`round ${round}`)
      const closer = round % 2 === 0 ? hers : his
      closer.close()
      await Promise.all([status(hers, 'closed'), status(his, 'closed')])
      expect([hers.error, his.error]).toEqual([undefined, undefined])
    }
  })

  withWebRtc('rejects with a code when there is nobody, or nobody who wants', async () => {
    const parley = await startParley()
    const room = await (await parleyAt(parley)).createRoom()
    const ada = await enter(parley, room, 'ada')
    await enter(parley, room, 'shy', { accept: () => false })
    expect((await errorOf(ada.connect('nobody'))).code).toBe('PEER_NOT_FOUND')
    expect((await errorOf(ada.connect('shy'))).code).toBe('DECLINED')
    expect((await errorOf(ada.connect('ada'))).code).toBe('INVALID_ARGUMENT')
    expect((await errorOf(ada.connect('shy', { signal: AbortSignal.abort() }))).code).toBe('ABORTED')
    expect([ada.connection('nobody'), ada.connection('shy')]).toEqual([undefined, undefined])
    expect((await errorOf(ada.connect('nobody'))).message).toBe('There is no such peer in the room.')
  })

  withWebRtc('gives up after 30 s, and tells whether the other has not answered or cannot be reached', async () => {
    const urls = await startParley()
    const room = await (await parleyAt(urls)).createRoom()
    const clock = manualClock()
    // There is no TURN server, so it may use nothing.
    const rtcConfiguration = { iceTransportPolicy: 'relay' } as const
    const ada = await enter(urls, room, 'ada', { parley: { clock }, rtcConfiguration })
    await enter(urls, room, 'deaf', { parley: { RTCPeerConnection: nothing } })
    await enter(urls, room, 'far', { rtcConfiguration })
    // A peer that is called before one has heard of it is called again then, with another RTCPeerConnection.
    await Promise.all([sees(ada, 'deaf'), sees(ada, 'far')])

    const deaf = errorOf(ada.connect('deaf'))
    const far = errorOf(ada.connect('far'))
    const { pc } = ada.connection('far') ?? {}
    await new Promise<void>(resolve => {
      pc?.addEventListener('signalingstatechange', () => pc.signalingState === 'stable' && resolve())
    })
    // By the time that the server has answered, the answer of the other peer has been taken.
    await ada.discover()
    clock.advance(29_999)
    expect([ada.connection('deaf')?.status, ada.connection('far')?.status]).toEqual(['connecting', 'connecting'])
    clock.advance(1)
    expect([(await deaf).code, (await far).code]).toEqual(['TIMEOUT', 'UNREACHABLE'])
    expect([ada.connection('deaf'), ada.connection('far')]).toEqual([undefined, undefined])
  })

  withWebRtc('makes a new connection when the other peer has begun afresh', async () => {
    const parley = await startParley()
    const { room, ada, bob } = await twoPeers(parley)
    const old = await ada.connect('bob')
    // Another program of the same identity takes the name over, as a page does that is loaded again.
    const identity = identities.get(bob)
    const again = await enter(parley, room, 'bob', { parley: { ...(identity && { identity }) } })
    const arrival = ada.once('connection')
    const [connection] = await Promise.all([again.connect('ada'), status(old, 'closed')])
    const [fresh] = await arrival
    await fresh.ready
    expect(ada.connection('bob')).toBe(fresh)
    expect(connection.status).toBe('connected')
  })

  test('says that there is no WebRTC; signals arrive as they were sent', async () => {
    const parley = await startParley()
    const room = await (await parleyAt(parley)).createRoom()
    const plain = { parley: { RTCPeerConnection: nothing } }
    const ada = await enter(parley, room, 'ada', plain)
    const bob = await enter(parley, room, 'bob', plain)
    expect((await errorOf(ada.connect('bob'))).code).toBe('UNSUPPORTED')
    const arrival = bob.once('signal')
    await ada.signal({ type: 'offer', target: 'bob', sdp: 'v=0', more: [1] })
    const [signal] = await arrival
    expect(signal).toMatchObject({ type: 'offer', sender: 'ada', target: 'bob', sdp: 'v=0', more: [1] })
    expect((await errorOf(ada.signal({ type: 'answer', target: 'nobody', sdp: '' }))).code).toBe('PEER_NOT_FOUND')
  })
})

describe('while the server is away', () => {
  withWebRtc('channels stay open, and the room is as it is afterwards', async () => {
    const server = await startRestartable()
    const { room, ada, bob } = await twoPeers(server)
    const connection = await ada.connect('bob')
    const incoming = bob.connection('ada')?.once('channel')
    const chat = await connection.open('chat')
    const [theirs] = (await incoming) ?? []
    if (!theirs) throw new Error('bob has no channel')
    const received = messagesOn(theirs)
    await bob.updateMetadata({ properties: { memory: 48 } })
    await bob.joinChannel('renderers')
    await ada.joinChannel('renderers')

    const lost = state(ada, 'reconnecting')
    await server.stop('SIGKILL')
    await lost
    chat.send('still here')
    expect(await received.next()).toBe('still here')
    const late = ada.send('bob', 'sent while it was away')
    // Whom it was for may come back later than the one who sends.
    late.catch(() => {})

    await server.start()
    await Promise.all([state(ada, 'connected'), state(bob, 'connected')])
    await Promise.all([sees(ada, 'bob'), sees(bob, 'ada')])
    expect(ada.peers.get('bob')?.metadata).toEqual({ tags: ['gpu'], properties: { memory: 48 } })
    chat.send('and still')
    expect(await received.next()).toBe('and still')
    expect([connection.status, await ada.connect('bob')]).toEqual(['connected', connection])

    // Nobody outside of the channel that both are in sees them, so they are in it still.
    const eve = await enter(server, room, 'eve')
    expect([...eve.peers.keys()]).toEqual([])
    await eve.joinChannel('renderers')
    expect((await eve.discover()).map(({ id }) => id).toSorted()).toEqual(['ada', 'bob'])
    await eve.connect('ada')
  })

  withWebRtc('a connection that is being made is made when the server is back', async () => {
    const server = await startRestartable()
    const { ada, bob } = await twoPeers(server)
    await server.stop('SIGKILL')
    await Promise.all([state(ada, 'reconnecting'), state(bob, 'reconnecting')])
    const connecting = ada.connect('bob')
    await server.start()
    expect((await connecting).status).toBe('connected')
  })

  test('requests without an answer are rejected, later ones wait', async () => {
    const server = await startRestartable()
    const { ada } = await twoPeers(server)
    await server.stop('SIGKILL')
    await state(ada, 'reconnecting')
    const later = ada.discover()
    await server.start()
    expect(await later).toBeArray()
  })
})

describe('a room', () => {
  test('tells who comes, changes and goes, and what they say', async () => {
    const parley = await startParley()
    const { room, ada, bob } = await twoPeers(parley)
    const events: unknown[] = []
    ada.on('peerJoined', ({ id, role }) => events.push(['joined', id, role]))
    ada.on('peerUpdated', ({ id, metadata }) => events.push(['updated', id, metadata]))
    ada.on('peerLeft', (id, reason) => events.push(['left', id, reason]))
    ada.on('message', (from, payload) => events.push(['message', from, payload]))
    ada.on('broadcast', (from, payload, channel) => events.push(['broadcast', from, payload, channel]))
    const eve = await enter(parley, room, 'eve', { role: 'worker' })
    await eve.updateMetadata({ tags: ['idle'] })
    await bob.send('ada', { n: 1 })
    await bob.broadcast('all')
    eve.leave()
    await bob.once('peerLeft', id => id === 'eve')
    await bob.send('ada', 'last')
    expect(events).toEqual([
      ['joined', 'eve', 'worker'],
      ['updated', 'eve', { tags: ['idle'] }],
      ['message', 'bob', { n: 1 }],
      ['broadcast', 'bob', 'all', undefined],
      ['left', 'eve', 'left'],
      ['message', 'bob', 'last'],
    ])
    expect((await ada.discover({ tags: ['gpu'] })).map(({ id }) => id)).toEqual(['bob'])
    const error = await errorOf(ada.broadcast('x', 'not mine'))
    expect([error.code, error instanceof ParleyError]).toEqual(['NOT_IN_CHANNEL', true])
    expect(await ada.iceServers()).toEqual({ iceServers: [], expiresAt: undefined })
  })

  test('belongs to its creator also after the ID token was renewed', async () => {
    const urls = await startParley()
    const parley = await parleyAt(urls)
    const { roomId } = await parley.createRoom({ name: 'mine', ttlSeconds: 60, maxPeers: 3, metadata: { a: 1 } })
    await (await parley.signIn()).renew()
    const { rooms } = await parley.request<{ rooms: object[] }>({ method: 'GET', path: '/rooms' })
    expect(rooms).toEqual([
      expect.objectContaining({ room_id: roomId, name: 'mine', max_peers: 3, metadata: { a: 1 } }),
    ])
  })

  test('keeps a peer whose ID token is about to end, as the SDK shows a newer one by itself', async () => {
    // It is told a second after it has entered.
    const server = await startParley({
      settings: { PARLEY_ID_TOKEN_TTL_SECONDS: '61', PARLEY_EXPIRED_TOKENS: 'close', PARLEY_LOG_LEVEL: 'debug' },
    })
    const { ada } = await twoPeers(server)
    for (const peer of ['ada', 'bob']) await server.said('"ID token renewed"', `"peer":"${peer}"`)
    expect(ada.state.status).toBe('connected')
  })

  test('shows no secret in a log', async () => {
    const urls = await startParley()
    const parley = await parleyAt(urls)
    const created = await parley.createRoom()
    const room = await parley.join(created)
    onTestFinished(() => room.leave())
    const identity = await parley.signIn()
    const secrets = [created.token, await identity.token(), identity.refreshToken ?? 'none']
    for (const logged of [parley, room, identity]) {
      const text = `${inspect(logged, { depth: 20 })} ${Bun.inspect(logged, { depth: 20 })}`
      expect(secrets.filter(secret => text.includes(secret))).toEqual([])
    }
  })

  test('that is deleted is closed with its code', async () => {
    const urls = await startParley()
    const parley = await parleyAt(urls)
    const room = await parley.createRoom()
    const ada = await enter(urls, room, 'ada')
    const [[closed]] = await Promise.all([
      ada.once('state'),
      parley.request({ method: 'DELETE', path: `/rooms/${room.roomId}` }),
    ])
    expect(closed).toMatchObject({ status: 'closed', error: { code: 'ROOM_DELETED' } })
    expect((await errorOf(ada.discover())).code).toBe('ROOM_DELETED')
  })

  test('that does not let one in says why', async () => {
    const urls = await startParley()
    const room = await (await parleyAt(urls)).createRoom({ maxPeers: 1 })
    expect((await errorOf(enter(urls, { ...room, token: 'x' }, 'ada'))).code).toBe('INVALID_ROOM_TOKEN')
    expect((await errorOf(enter(urls, { ...room, roomId: 'x' }, 'ada'))).code).toBe('ROOM_NOT_FOUND')
    await enter(urls, room, 'ada')
    const error = await errorOf(enter(urls, room, 'bob'))
    expect([error.code, error.retryable]).toEqual(['ROOM_FULL', true])
  })
})

describe('a peer without this library', () => {
  /** What `aiortc-peer.py` does on a channel: it greets, and sends back the bytes that came before the end. */
  async function converse(channel: RTCDataChannel): Promise<void> {
    const messages = messagesOn(channel)
    expect(await messages.next()).toBe('hello from aiortc')
    channel.send(new Uint8Array([1, 2, 3]))
    channel.send('end of bytes')
    expect(await messages.next()).toEqual(new Uint8Array([1, 2, 3]).buffer)
    expect(await messages.next()).toBe('end of bytes')
    channel.send('goodbye')
  }

  withAiortc('is connected to', async () => {
    const urls = await startParley()
    const room = await (await parleyAt(urls)).createRoom()
    const worker = startAiortc('worker', urls.httpUrl, urls.wsUrl, room.roomId, room.token)
    await worker.expect('registered')
    const ada = await enter(urls, room, 'ada')
    const connection = await ada.connect('aiortc-worker')
    expect(connection.isPlain).toBe(true)
    await converse(await connection.open('anything'))
    expect(await worker.ended).toEqual({ code: 0, stderr: '' })
    await status(connection, 'closed')
  })

  withAiortc('connects', async () => {
    const urls = await startParley()
    const client = startAiortc('client', urls.httpUrl, urls.wsUrl)
    const { room_id, token } = await client.expect('room')
    const ada = await enter(urls, { roomId: String(room_id), token: String(token) }, 'ada')
    const arrival = ada.once('connection')
    client.tell('ada')
    const [connection] = await arrival
    const [channel] = await connection.once('channel')
    await connection.ready
    await converse(channel)
    expect(await client.ended).toEqual({ code: 0, stderr: '' })
    await status(connection, 'closed')
  })
})
