import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import type { Connection, CreatedRoom, Parley, ParleyError, Room } from '@parley/client'
import { manualClock } from '../server/src/clock.ts'
import { signIn } from './api.ts'
import { DataChannelPeer } from './datachannel-peer.ts'
import { hasDataChannel, needs } from './needs.ts'
import { type ParleyProcess, root, startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'
import { type Program, startProgram } from './program.ts'
import { startRestartable } from './restartable.ts'
import { enter, identities, messagesOn, parleyAt } from './sdk-peer.ts'
import type { ProgramOptions } from './sdk-program.ts'
import { startSilentProxy } from './silent-proxy.ts'

// What becomes of connections when a peer leaves, crashes, comes back, or is there twice.

const withWebRtc = needs({ 'node-datachannel': await hasDataChannel() })

type Urls = Pick<ParleyProcess, 'httpUrl' | 'wsUrl'>

/** In place of a WebRTC. */
const nothing = undefined as unknown as typeof RTCPeerConnection

const errorOf = (promise: Promise<unknown>): Promise<ParleyError> =>
  promise.then(
    () => {
      throw new Error('It did not fail.')
    },
    error => error,
  )

const sees = (room: Room, peerId: string) =>
  room.peers.has(peerId) ? Promise.resolve() : room.once('peerJoined', ({ id }) => id === peerId)

const closed = (connection: Connection) =>
  connection.status === 'closed' ? Promise.resolve() : connection.once('status', status => status === 'closed')

const state = (room: Room, wanted: Room['state']['status']) =>
  room.state.status === wanted ? Promise.resolve() : room.once('state', now => now.status === wanted)

/** A server with a room in it, and the one who has made the room. */
async function place(settings: Record<string, string> = {}): Promise<{ urls: Urls; room: CreatedRoom; owner: Parley }> {
  const urls = await startParley({ settings })
  const owner = await parleyAt(urls)
  return { urls, owner, room: await owner.createRoom() }
}

/** A peer with the SDK in a process of its own, which is in the room. */
async function startPeer(
  { httpUrl, wsUrl }: Urls,
  { roomId, token }: CreatedRoom,
  peerId: string,
  options: Pick<ProgramOptions, 'isDeaf' | 'refreshToken'> = {},
): Promise<Program & { readonly refreshToken: string }> {
  const given: ProgramOptions = { httpUrl, wsUrl, roomId, token, peerId, ...options }
  const bun = join(root, 'node_modules/.bin/bun')
  const program = startProgram({ cwd: root }, bun, join(root, 'e2e/sdk-program.ts'), JSON.stringify(given))
  const { refreshToken } = JSON.parse(await program.lines.next())
  return { ...program, refreshToken }
}

/** Says something to a peer that sends it back. */
async function echo(connection: Connection): Promise<void> {
  const channel = await connection.open('echo')
  const messages = messagesOn(channel)
  channel.send('are you there?')
  expect(await messages.next()).toBe('are you there?')
}

/** Has what it hears sent back. */
function echoes(room: Room): void {
  room.on('connection', connection => {
    connection.on('channel', channel => channel.addEventListener('message', ({ data }) => channel.send(data)))
  })
}

describe('a connection whose peer', () => {
  for (const how of ['closes it', 'leaves the room'] as const) {
    withWebRtc(`${how} ends at once, without an error, on both sides`, async () => {
      const { urls, room } = await place()
      const ada = await enter(urls, room, 'ada')
      const bob = await enter(urls, room, 'bob')
      const hers = await ada.connect('bob')
      const his = bob.connection('ada')
      const channel = await hers.open('chat')
      const start = performance.now()
      if (how === 'closes it') his?.close()
      else bob.leave()
      // For the one who closes it, it is over already.
      expect(his?.status).toBe('closed')
      await closed(hers)
      expect(performance.now() - start).toBeLessThan(900)
      expect([hers.error, his?.error]).toEqual([undefined, undefined])
      expect(channel.readyState).not.toBe('open')
    })
  }

  withWebRtc('is removed from the room ends at once, with a reason', async () => {
    const { urls, room, owner } = await place()
    const ada = await enter(urls, room, 'ada')
    const bob = await enter(urls, room, 'bob')
    const connection = await ada.connect('bob')
    const his = bob.connection('ada')
    if (!his) throw new Error('bob has no connection')
    await owner.request({ method: 'DELETE', path: `/rooms/${room.roomId}/peers/bob` })
    await Promise.all([closed(connection), closed(his)])
    expect(connection.error).toMatchObject({ code: 'CHANNEL_CLOSED', message: 'bob was removed from the room.' })
    expect([connection.error?.retryable, his.error]).toEqual([false, undefined])
  })

  withWebRtc('moves to another channel goes on', async () => {
    const { urls, room } = await place()
    const clock = manualClock()
    const ada = await enter(urls, room, 'ada', { parley: { clock } })
    const bob = await enter(urls, room, 'bob')
    echoes(bob)
    const connection = await ada.connect('bob')
    // He may be connected a moment later, and before that he gives up a peer that leaves his channel.
    await bob.connection('ada')?.ready
    let doubt: Promise<void> | undefined
    ada.on('peerLeft', () => {
      doubt = connection.otherSide.doubt
    })
    const left = ada.once('peerLeft')
    await bob.joinChannel('elsewhere')
    expect(await left).toEqual(['bob', 'left'])
    // It is asked whether it is still there.
    expect(doubt).toBeDefined()
    await doubt
    clock.advance(10_000)
    expect(connection.status).toBe('connected')
    await echo(connection)
  })

  withWebRtc('is frozen and has left ends as soon as it does not answer', async () => {
    const { urls, room } = await place()
    const clock = manualClock()
    const ada = await enter(urls, room, 'ada', { parley: { clock } })
    const bob = await startPeer(urls, room, 'bob')
    await sees(ada, 'bob')
    const connection = await ada.connect('bob')
    bob.signal('SIGSTOP')
    connection.otherSide.departed('left')
    clock.advance(1_999)
    expect(connection.status).toBe('connected')
    clock.advance(1)
    expect([connection.status, connection.error?.message]).toEqual(['closed', 'bob has left the room.'])
    expect(connection.error?.retryable).toBe(false)
  })

  withWebRtc('is killed is lost, and said to be lost', async () => {
    // For so long its peer could come back over another connection.
    const { urls, room } = await place({ PARLEY_RESUME_TTL_SECONDS: '1' })
    const ada = await enter(urls, room, 'ada')
    const bob = await startPeer(urls, room, 'bob')
    await sees(ada, 'bob')
    const connection = await ada.connect('bob')
    await echo(connection)
    const start = performance.now()
    bob.signal('SIGKILL')
    await closed(connection)
    expect(connection.error).toMatchObject({ code: 'CHANNEL_CLOSED', message: 'The connection to bob was lost.' })
    expect(connection.error?.retryable).toBe(true)
    expect(performance.now() - start).toBeLessThan(7_000)
  })
})

describe('a peer without this library', () => {
  withWebRtc('may leave the server, or register again, and use its channel further', async () => {
    const { urls, room } = await place()
    const clock = manualClock()
    const ada = await enter(urls, room, 'ada', { parley: { clock } })
    const { httpUrl, wsUrl } = urls
    const registration = {
      peer_id: 'plain',
      room_id: room.roomId,
      token: room.token,
      id_token: await signIn(httpUrl),
    }
    const { room_id, token, id_token: idToken } = registration
    const plain = await DataChannelPeer.register({ wsUrl, peerId: 'plain', idToken, room: { room_id, token } })
    await sees(ada, 'plain')
    const arrival = ada.once('connection')
    // A channel that is created before the offer: libdatachannel may announce a later one twice.
    const opening = plain.offer('ada')
    const [connection] = await arrival
    const [[ours], theirs] = await Promise.all([connection.once('channel'), opening])
    await connection.ready
    const messages = messagesOn(ours)
    const talk = async (text: string) => {
      ours.send(text)
      expect(await theirs.received.next()).toBe(text)
      theirs.sendText(text)
      expect(await messages.next()).toBe(text)
    }
    await talk('one')

    const back = ada.once('peerJoined')
    plain.signaling.send({ type: 'register', ...registration })
    await back
    expect(await ada.connect('plain')).toBe(connection)
    await talk('two')
    // What it gets is what it has always got.
    expect(new Set(plain.signaling.types)).toEqual(new Set(['registered_auth', 'answer', 'candidate']))

    const left = ada.once('peerLeft')
    plain.signaling.close()
    expect(await left).toEqual(['plain', 'left'])
    clock.advance(20_000)
    await talk('three')
    expect(connection.status).toBe('connected')
  })
})

describe('a peer that is being called', () => {
  withWebRtc('and leaves is not waited for', async () => {
    const { urls, room } = await place()
    const ada = await enter(urls, room, 'ada', { parley: { clock: manualClock() } })
    const bob = await enter(urls, room, 'bob', { parley: { RTCPeerConnection: nothing } })
    const called = bob.once('signal')
    const connecting = errorOf(ada.connect('bob'))
    await called
    bob.leave()
    const { code, message } = await connecting
    expect([code, message]).toEqual(['PEER_NOT_FOUND', 'bob has left the room.'])
    expect(ada.connection('bob')).toBeUndefined()
  })

  withWebRtc('and crashes is waited for 2 s', async () => {
    const { urls, room } = await place({ PARLEY_RESUME_TTL_SECONDS: '1' })
    const clock = manualClock()
    const ada = await enter(urls, room, 'ada', { parley: { clock } })
    const bob = await startPeer(urls, room, 'bob', { isDeaf: true })
    await sees(ada, 'bob')
    const connecting = errorOf(ada.connect('bob'))
    await bob.lines.next()
    const left = ada.once('peerLeft')
    bob.signal('SIGKILL')
    expect(await left).toEqual(['bob', 'disconnected'])
    clock.advance(1_999)
    expect(ada.connection('bob')?.status).toBe('connecting')
    clock.advance(1)
    expect((await connecting).code).toBe('PEER_NOT_FOUND')
  })

  withWebRtc('and comes back in that time is called again', async () => {
    const { urls, room } = await place({ PARLEY_RESUME_TTL_SECONDS: '1' })
    const ada = await enter(urls, room, 'ada', { parley: { clock: manualClock() } })
    const bob = await startPeer(urls, room, 'bob', { isDeaf: true })
    await sees(ada, 'bob')
    const left = ada.once('peerLeft')
    // The server answers to candidates that come so late that there is no such peer, which is no reason to give up.
    const signal = ada.signal.bind(ada)
    const refused: Promise<unknown>[] = []
    ada.signal = async message => {
      if (message.type === 'candidate' && refused.length === 0) {
        await left
        refused.push(errorOf(signal(message)))
      }
      await signal(message)
    }
    const connecting = ada.connect('bob')
    await bob.lines.next()
    bob.signal('SIGKILL')
    await left
    await startPeer(urls, room, 'bob')
    const connection = await connecting
    expect(await refused[0]).toMatchObject({ code: 'PEER_NOT_FOUND' })
    expect(connection.status).toBe('connected')
    await echo(connection)
  })

  withWebRtc('and is replaced by another program is called again', async () => {
    const { urls, room } = await place()
    const ada = await enter(urls, room, 'ada', { parley: { clock: manualClock() } })
    const bob = await enter(urls, room, 'bob', { parley: { RTCPeerConnection: nothing } })
    const called = bob.once('signal')
    const connecting = ada.connect('bob')
    await called
    const identity = identities.get(bob)
    const again = await enter(urls, room, 'bob', { parley: { ...(identity && { identity }) } })
    echoes(again)
    await echo(await connecting)
  })
})

describe('a peer that was started again', () => {
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const) {
    withWebRtc(`after ${signal} is called as soon as it is there`, async () => {
      const { urls, room } = await place()
      const ada = await enter(urls, room, 'ada')
      const bob = await startPeer(urls, room, 'bob')
      await sees(ada, 'bob')
      const old = await ada.connect('bob')
      await echo(old)
      bob.signal(signal)
      const back = ada.once('peerJoined')
      const [again] = await Promise.all([startPeer(urls, room, 'bob', { refreshToken: bob.refreshToken }), back])
      const start = performance.now()
      const connection = await ada.connect('bob')
      expect(connection).not.toBe(old)
      expect(performance.now() - start).toBeLessThan(3_000)
      await echo(connection)
      expect([old.status, old.error?.code, old.error?.retryable]).toEqual(['closed', 'CHANNEL_CLOSED', true])
      again.signal('SIGKILL')
    })
  }

  withWebRtc('is not opened a channel to over the old connection', async () => {
    const { urls, room } = await place()
    const ada = await enter(urls, room, 'ada')
    const bob = await startPeer(urls, room, 'bob')
    await sees(ada, 'bob')
    const old = await ada.connect('bob')
    bob.signal('SIGSTOP')
    const back = ada.once('peerJoined')
    await Promise.all([startPeer(urls, room, 'bob', { refreshToken: bob.refreshToken }), back])
    const { code, message, retryable } = await errorOf(old.open('chat'))
    expect([code, message]).toEqual(['CHANNEL_CLOSED', 'bob does not have this connection any more.'])
    expect(retryable).toBe(true)
  })
})

describe('an attempt', () => {
  test('that a peer does not know is said to be unknown, also when it is to be restarted', async () => {
    const { urls, room } = await place()
    const ada = await enter(urls, room, 'ada')
    const bob = await enter(urls, room, 'bob', { parley: { RTCPeerConnection: nothing } })
    await sees(ada, 'bob')
    // As the SDK asks: its own answers do not come up to programs.
    const eve = await PlainPeer.register({
      wsUrl: urls.wsUrl,
      peerId: 'eve',
      idToken: await signIn(urls.httpUrl),
      room: { room_id: room.roomId, token: room.token },
    })
    const answer = { type: 'peer_message', from_peer_id: 'ada', payload: { parley: { link: 'old', word: 'unknown' } } }
    const words = [
      { type: 'peer_message', to_peer_id: 'ada', payload: { parley: { link: 'old', word: 'ask' } } },
      { type: 'peer_message', to_peer_id: 'ada', payload: { parley: { link: 'old', word: 'restart' } } },
      { type: 'offer', sender: 'eve', target: 'ada', sdp: 'v=0', parley: { link: 'old', restart: true } },
    ]
    for (const word of words) {
      eve.send(word)
      expect(await eve.messages.next()).toMatchObject(answer)
    }
    expect([...bob.peers.keys()].toSorted()).toEqual(['ada', 'eve'])
  })
})

describe('after a restart of the server', () => {
  withWebRtc('a connection that works is confirmed, and everybody has left and joined', async () => {
    const server = await startRestartable()
    const room = await (await parleyAt(server)).createRoom()
    const ada = await enter(server, room, 'ada')
    const bob = await enter(server, room, 'bob')
    echoes(bob)
    await sees(ada, 'bob')
    const connection = await ada.connect('bob')
    const events: unknown[] = []
    ada.on('peerLeft', id => events.push(['left', id]))
    ada.on('peerJoined', ({ id }) => events.push(['joined', id]))
    const backHere = ada.once('peerJoined')
    const backThere = bob.once('peerJoined')
    const calls = [ada, bob].map(
      (each, index) =>
        new Promise<Connection>(resolve =>
          each.on('peerJoined', ({ id }) => resolve(each.connect(index ? 'ada' : id))),
        ),
    )
    await server.stop('SIGKILL')
    await state(ada, 'reconnecting')
    await server.start()
    await Promise.all([backHere, backThere])
    expect(await Promise.all(calls)).toEqual([connection, bob.connection('ada') as Connection])
    expect(events).toEqual([
      ['left', 'bob'],
      ['joined', 'bob'],
    ])
    await connection.otherSide.doubt
    expect(connection.status).toBe('connected')
    await echo(connection)
  })
})

describe('while this peer is away', () => {
  withWebRtc('another one that leaves and comes back is told to have done so, and is connected to', async () => {
    const { urls, room } = await place()
    const { wsUrl, die } = await startSilentProxy(urls.wsUrl)
    const clock = manualClock()
    const ada = await enter({ ...urls, wsUrl }, room, 'ada', { parley: { clock } })
    const bob = await startPeer(urls, room, 'bob')
    await sees(ada, 'bob')
    const old = await ada.connect('bob')
    const events: unknown[] = []
    ada.on('peerLeft', (id, reason) => events.push(['left', id, reason]))
    ada.on('peerJoined', ({ id }) => events.push(['joined', id]))
    die()
    bob.signal('SIGSTOP')
    await startPeer(urls, room, 'bob', { refreshToken: bob.refreshToken })
    expect([events, old.status]).toEqual([[], 'connected'])

    const back = ada.once('peerJoined')
    const connected = ada.once('state', ({ status }) => status === 'connected')
    // So long it takes until a silent connection is tested, and given up.
    clock.advance(20_000)
    clock.advance(10_000)
    // And the pause before the next.
    clock.advance(1_000)
    await Promise.all([back, connected])
    expect(events).toEqual([
      ['left', 'bob', 'replaced'],
      ['joined', 'bob'],
    ])
    const connecting = ada.connect('bob')
    // Over the connection there is no answer, so that bob is asked by way of the server.
    clock.advance(300)
    const connection = await connecting
    expect(connection).not.toBe(old)
    await echo(connection)
    expect(old.error?.message).toBe('bob does not have this connection any more.')
  })
})

describe('two joins of one peer', () => {
  /** Joins twice, the second time so many milliseconds after the first. */
  async function twice(first: Parley, second: Parley, { roomId, token }: CreatedRoom, gap: number) {
    const options = { roomId, token, peerId: 'ada' }
    const earlier = first.join(options)
    earlier.catch(() => {})
    // The interval is what is tested, not something to wait for.
    if (gap > 0) await new Promise(resolve => setTimeout(resolve, gap))
    const later = await second.join(options)
    // Whatever the server has to say of either comes before this answer.
    await later.discover()
    expect(later.state.status).toBe('connected')
    const fate = await earlier.then(
      async room => {
        await state(room, 'closed')
        return 'error' in room.state ? room.state.error : undefined
      },
      error => error,
    )
    expect(fate).toMatchObject({ code: 'PEER_REPLACED' })
    await later.discover()
    expect(later.state.status).toBe('connected')
    return later
  }

  const gaps = Array.from({ length: 100 }, () => Math.floor(Math.random() * 12))

  test('end with the later one alive, 100 times', async () => {
    const { urls, room } = await place()
    const parley = await parleyAt(urls)
    for (const gap of gaps) {
      const later = await twice(parley, parley, room, gap)
      if (gap % 2) later.leave()
    }
  })

  test('end with the later one alive, 100 times, also of two instances with one identity', async () => {
    const { urls, room } = await place()
    const identity = await (await parleyAt(urls)).signIn()
    for (const gap of gaps) {
      const [first, second] = await Promise.all([parleyAt(urls, { identity }), parleyAt(urls, { identity })])
      const later = await twice(first, second, room, gap)
      if (gap % 2) later.leave()
    }
  })

  test('of two identities are two peers, of which the server keeps the first', async () => {
    const { urls, room } = await place()
    await enter(urls, room, 'ada')
    expect((await errorOf(enter(urls, room, 'ada'))).code).toBe('PEER_ID_TAKEN')
  })

  withWebRtc('leave no connection of the earlier one behind', async () => {
    const { urls, room } = await place()
    const parley = await parleyAt(urls)
    const bob = await enter(urls, room, 'bob')
    const options = { roomId: room.roomId, token: room.token, peerId: 'ada' }
    const earlier = await parley.join(options)
    const connection = await bob.connect('ada')
    const later = await parley.join(options)
    await closed(connection)
    echoes(later)
    await sees(bob, 'ada')
    await echo(await bob.connect('ada'))
    expect([earlier.connection('bob'), later.connection('bob')?.status]).toEqual([undefined, 'connected'])
    later.leave()
  })
})
