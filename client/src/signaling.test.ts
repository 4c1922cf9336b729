import { describe, expect, onTestFinished, test } from 'bun:test'
import { limits } from '@parley/protocol'
import { manualClock } from '../../server/src/clock.ts'
import { type ScriptedConnection, startScriptedServer } from '../test/scripted-server.ts'
import { longestPause } from './backoff.ts'
import type { ParleyError } from './errors.ts'
import type { Identity } from './identity.ts'
import type { ConnectionState } from './messages.ts'
import { messageBytes } from './requests.ts'
import { Signaling } from './signaling.ts'

const identity: Identity = {
  username: 'me',
  refreshToken: undefined,
  token: async () => 'token',
  renew: async () => 'renewed token',
}

/** A peer that is about to register with a server of the test's own. */
function prepare(options: { identity?: Identity; random?: number } = {}) {
  const server = startScriptedServer()
  const clock = manualClock()
  const states: ConnectionState[] = []
  let registrations = 0
  const signaling = new Signaling({
    wsUrl: server.wsUrl,
    identity: options.identity ?? identity,
    registration: () => ({ peer_id: 'me', room_id: 'room', token: 'secret', attempt: ++registrations }),
    WebSocket,
    clock,
    random: () => options.random ?? 1,
  })
  signaling.on('state', state => states.push(state))
  onTestFinished(() => signaling.close())
  const joined = signaling.open()
  joined.catch(() => {})
  return { server, clock, states, joined, signaling }
}

/** The same, registered. */
async function registered(options: Parameters<typeof prepare>[0] = {}) {
  const parts = prepare(options)
  const connection = await parts.server.accept()
  await connection.answerRegister()
  await parts.joined
  return { ...parts, connection }
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    (error: ParleyError) => error.code,
  )

const refusal = (code: string, retryable = false) => ({
  type: 'error',
  code,
  reason: 'No.',
  message: 'No.',
  retryable,
  request_id: 'register',
})

const status = (signaling: Signaling, wanted: ConnectionState['status']) =>
  signaling.state.status === wanted ? Promise.resolve() : signaling.once('state', state => state.status === wanted)

describe('registering', () => {
  test('sends what the peer says of itself, with its ID token', async () => {
    const { server, joined } = prepare()
    const register = await (await server.accept()).answerRegister()
    expect(register).toEqual({
      type: 'register',
      peer_id: 'me',
      room_id: 'room',
      token: 'secret',
      attempt: 1,
      id_token: 'token',
      request_id: 'register',
    })
    await joined
  })

  test('is refused with the code of the server, without another attempt', async () => {
    const { server, joined, states, clock } = prepare()
    const connection = await server.accept()
    await connection.next()
    connection.send(refusal('ROOM_FULL', true))
    expect(await codeOf(joined)).toBe('ROOM_FULL')
    await connection.closed
    expect(states.map(({ status }) => status)).toEqual(['closed'])
    clock.advance(100_000)
    expect(states).toHaveLength(1)
  })

  test('renews an ID token that the server does not take, once', async () => {
    const { server, joined } = prepare()
    const first = await server.accept()
    expect((await first.next()).id_token).toBe('token')
    first.send(refusal('INVALID_TOKEN'))
    const second = await server.accept()
    expect((await second.next()).id_token).toBe('renewed token')
    second.send(refusal('INVALID_TOKEN'))
    expect(await codeOf(joined)).toBe('INVALID_TOKEN')
  })

  test('shows a newer ID token when the last one is about to end', async () => {
    const { connection, signaling } = await registered({ identity: { ...identity, refreshToken: 'secret' } })
    connection.send({ type: 'token_expiring', expires_at: 1_700_003_600 })
    const { request_id, ...request } = await connection.next()
    expect(request).toEqual({ type: 'renew', id_token: 'renewed token' })
    connection.send({ type: 'renewed', expires_at: 1_700_007_200, request_id })
    const asked = signaling.request({ type: 'query' })
    connection.send({ type: 'available_peers', peers: [], request_id: (await connection.next()).request_id })
    expect(await asked).toMatchObject({ type: 'available_peers' })
  })

  test.each([
    ['there is none but for a new identity', { refreshToken: undefined }],
    ['there is none', { renew: () => Promise.reject(new Error('away')) }],
    ['the server does not take it', {}],
  ])(
    'goes on without a newer ID token where %s, and comes back with one if it is closed for that',
    async (_, changes) => {
      const { server, connection, signaling, clock } = await registered({
        identity: { ...identity, refreshToken: 'secret', ...changes },
      })
      connection.send({ type: 'token_expiring', expires_at: 1_700_003_600 })
      if (Object.keys(changes).length === 0) {
        const { request_id } = await connection.next()
        connection.send({ ...refusal('INVALID_TOKEN'), request_id })
      }
      const asked = signaling.request({ type: 'query' })
      connection.send({ type: 'available_peers', peers: [], request_id: (await connection.next()).request_id })
      expect(await asked).toMatchObject({ type: 'available_peers' })
      connection.send({
        type: 'bye',
        code: 'TOKEN_EXPIRED',
        reason: 'token_expired',
        message: 'It ended.',
        close_code: 4401,
      })
      connection.close(4401)
      await status(signaling, 'reconnecting')
      expect(signaling.state).toMatchObject({ error: { code: 'TOKEN_EXPIRED', retryable: true } })
      clock.advance(1_000)
      await (await server.accept()).answerRegister()
      await status(signaling, 'connected')
    },
  )

  test('fails when nobody listens', async () => {
    const signaling = new Signaling({ ...unreachable(), identity })
    expect(await codeOf(signaling.open())).toBe('DISCONNECTED')
    expect(signaling.state.status).toBe('closed')
  })

  test('fails when the server does not answer within 15 s', async () => {
    const { server, joined, clock } = prepare()
    const connection = await server.accept()
    await connection.next()
    clock.advance(14_999)
    clock.advance(1)
    expect(await codeOf(joined)).toBe('TIMEOUT')
    await connection.closed
  })
})

function unreachable() {
  const probe = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const wsUrl = `ws://127.0.0.1:${probe.port}`
  probe.stop(true)
  return { wsUrl, registration: () => ({}), WebSocket, clock: manualClock(), random: () => 1 }
}

describe('a request', () => {
  test('is answered by its reply, its ack or its error, whatever their order', async () => {
    const { connection, signaling } = await registered()
    const query = signaling.request({ type: 'query' })
    const leave = signaling.request({ type: 'leave_channel', channel: 'x' })
    const send = signaling.request({ type: 'peer_message', to_peer_id: 'nobody', payload: 1 })
    const ids = [await connection.next(), await connection.next(), await connection.next()].map(m => m.request_id)
    connection.send({ ...refusal('PEER_NOT_FOUND'), request_id: ids[2] })
    connection.send({ type: 'ack', status: 'delivered', request_id: ids[1] })
    connection.send({ type: 'available_peers', peers: ['you'], request_id: ids[0] })
    expect(await codeOf(send)).toBe('PEER_NOT_FOUND')
    expect((await leave).type).toBe('ack')
    expect(await query).toMatchObject({ type: 'available_peers', peers: ['you'] })
  })

  test("is not answered by another peer's signal that bears the same request_id", async () => {
    const { connection, signaling } = await registered()
    const signals: unknown[] = []
    signaling.on('message', message => signals.push(message))
    const query = signaling.request({ type: 'query' })
    const { request_id } = await connection.next()
    const offer = { type: 'offer', sender: 'you', target: 'me', sdp: 'v=0', request_id }
    connection.send(offer)
    connection.send({ type: 'available_peers', peers: [], request_id })
    expect((await query).type).toBe('available_peers')
    expect(signals).toEqual([offer])
  })

  test('without an answer is rejected when the connection breaks', async () => {
    const { connection, signaling } = await registered()
    const query = signaling.request({ type: 'query' })
    await connection.next()
    connection.cut()
    const error: ParleyError = await query.then(
      () => undefined,
      error => error,
    )
    expect([error?.code, error?.retryable]).toEqual(['DISCONNECTED', true])
  })

  test('made while the connection is away waits for it, in order', async () => {
    const { connection, signaling, server } = await registered()
    connection.cut()
    await status(signaling, 'reconnecting')
    const requests = [1, 2, 3].map(payload => signaling.request({ type: 'peer_message', to_peer_id: 'you', payload }))
    const next = await server.accept()
    await next.answerRegister()
    for (const payload of [1, 2, 3]) {
      const message = await next.next()
      expect(message.payload).toBe(payload)
      next.send({ type: 'ack', status: 'delivered', request_id: message.request_id })
    }
    await Promise.all(requests)
  })

  test('bigger than the server takes is refused here, and harms nothing else', async () => {
    const { connection, signaling } = await registered()
    const big = signaling.request({ type: 'peer_message', to_peer_id: 'you', payload: '€'.repeat(400_000) })
    expect(await codeOf(big)).toBe('MESSAGE_TOO_BIG')
    const query = signaling.request({ type: 'query' })
    connection.send({ type: 'available_peers', peers: [], request_id: (await connection.next()).request_id })
    await query
  })

  test('may be as big as the protocol says', () => {
    expect(messageBytes).toBe(limits.messageBytes)
  })

  test('is rejected with LEFT when the room is left, and afterwards', async () => {
    const { connection, signaling } = await registered()
    const query = signaling.request({ type: 'query' })
    signaling.close()
    expect(await codeOf(query)).toBe('LEFT')
    expect(await codeOf(signaling.request({ type: 'query' }))).toBe('LEFT')
    expect(await connection.closed).toBeGreaterThan(0)
  })
})

test('a room that is over may still be left', async () => {
  const { connection, signaling, states } = await registered()
  const ended = signaling.once('state')
  connection.close(4504)
  await ended
  signaling.close()
  signaling.close()
  expect(states.map(state => [state.status, state.status === 'closed' && state.error?.code])).toEqual([
    ['connected', false],
    ['closed', 'DISCONNECTED'],
    ['closed', undefined],
  ])
})

const session = (token: string) => ({ session: { token, ttl_seconds: 30 } })

/** Registered with a session that can go on. */
async function inSession(options: Parameters<typeof prepare>[0] = {}) {
  const parts = prepare(options)
  const connection = await parts.server.accept()
  await connection.answerRegister(session('first'))
  await parts.joined
  return { ...parts, connection }
}

/** Takes the `resume` that comes next, and says how much the server has received. */
async function resumed(connection: ScriptedConnection, received: number, token = 'next') {
  const resume = await connection.next()
  connection.send({ type: 'resumed', room_id: 'room', peer_id: 'me', received, expires_at: null, ...session(token) })
  return resume
}

describe('a session', () => {
  test('goes on over another connection: what has not arrived is sent again, and receipts wait', async () => {
    const { server, connection, signaling, states } = await inSession()
    const asked = [1, 2, 3].map(n => signaling.request({ type: 'query', n }))
    for (let i = 0; i < 3; i++) await connection.next()
    const seen: unknown[] = []
    signaling.on('message', message => seen.push(message))
    connection.send({ type: 'available_peers', peers: [], request_id: '1' })
    connection.send({ type: 'peer_left', peer_id: 'bob', reason: 'left' })
    connection.send({ type: 'offer', sender: 'bob', request_id: '2', sdp: 'v=0' })
    await asked[0]
    while (seen.length < 2) await signaling.once('message')
    connection.cut()
    await status(signaling, 'reconnecting')
    const later = signaling.request({ type: 'query', n: 4 })
    const second = await server.accept()
    expect(await resumed(second, 2)).toEqual({
      ...{ type: 'resume', room_id: 'room', peer_id: 'me', token: 'first', received: 3 },
    })
    expect([await second.next(), await second.next()]).toEqual([
      { type: 'query', n: 3, request_id: '3' },
      { type: 'query', n: 4, request_id: '4' },
    ])
    for (const id of ['2', '3', '4']) second.send({ type: 'available_peers', peers: [id], request_id: id })
    expect(await Promise.all([...asked.slice(1), later])).toMatchObject([
      { peers: ['2'] },
      { peers: ['3'] },
      { peers: ['4'] },
    ])
    expect(states.map(({ status }) => status)).toEqual(['connected', 'reconnecting', 'connected'])
    // The numbers go on over it, and the new token counts.
    second.cut()
    await status(signaling, 'reconnecting')
    signaling.request({ type: 'query' }).catch(() => {})
    expect(await resumed(await server.accept(), 4)).toMatchObject({ token: 'next', received: 6 })
  })

  test('goes on at once when somebody waits for an answer, and within a second otherwise', async () => {
    const { connection, signaling, clock } = await inSession()
    signaling.request({ type: 'query' }).catch(() => {})
    await connection.next()
    connection.cut()
    await status(signaling, 'reconnecting')
    expect(signaling.state).toMatchObject({ attempt: 1, retryAt: clock.now() })
    const idle = await inSession()
    idle.connection.cut()
    await status(idle.signaling, 'reconnecting')
    expect(idle.signaling.state).toMatchObject({ attempt: 1, retryAt: idle.clock.now() + 1_000 })
  })

  test('that the server does not know ends: what was sent is rejected, and the peer registers on the same connection', async () => {
    const { server, connection, signaling } = await inSession()
    const asked = signaling.request({ type: 'query' })
    await connection.next()
    connection.cut()
    await status(signaling, 'reconnecting')
    const waiting = signaling.request({ type: 'query' })
    const second = await server.accept()
    await second.next()
    second.send({ type: 'error', code: 'RESUME_FAILED', reason: 'No.', message: 'No.', retryable: false })
    expect(await codeOf(asked)).toBe('DISCONNECTED')
    expect(await second.answerRegister(session('other'))).toMatchObject({ type: 'register' })
    expect(await second.next()).toMatchObject({ type: 'query', request_id: '2' })
    second.send({ type: 'available_peers', peers: [], request_id: '2' })
    expect(await waiting).toMatchObject({ type: 'available_peers' })
    second.cut()
    await status(signaling, 'reconnecting')
    signaling.request({ type: 'query' }).catch(() => {})
    expect(await resumed(await server.accept(), 1)).toMatchObject({ token: 'other', received: 1 })
  })

  test('is over after its time; then what was sent is rejected, and the peer registers', async () => {
    const { server, connection, signaling, clock } = await inSession({ random: 0.9 })
    const asked = signaling.request({ type: 'query' })
    await connection.next()
    connection.cut()
    await status(signaling, 'reconnecting')
    let isRejected = false
    asked.catch(() => (isRejected = true))
    // Every attempt fails until then.
    for (let gone = 0; gone < 29_000; gone += 500) {
      clock.advance(500)
      if (signaling.state.status !== 'reconnecting' || signaling.state.retryAt > clock.now()) continue
      ;(await server.accept()).cut()
      await signaling.once('state')
    }
    expect(isRejected).toBe(false)
    clock.advance(1_000)
    expect(await codeOf(asked)).toBe('DISCONNECTED')
    clock.advance(20_000)
    expect(await (await server.accept()).next()).toMatchObject({ type: 'register' })
  })

  test.each([['the server says goodbye', (c: ScriptedConnection) => c.send({ ...stops, retry_after: 0 })]])(
    'is not asked for when %s',
    async (_, end) => {
      const { server, connection, signaling, clock } = await inSession()
      end(connection)
      connection.close(1001)
      await status(signaling, 'reconnecting')
      clock.advance(1_000)
      expect(await (await server.accept()).next()).toMatchObject({ type: 'register' })
    },
  )

  test('ends with the room: the server is told', async () => {
    const { connection, signaling } = await inSession()
    signaling.close()
    expect(await connection.closed).toBe(1000)
  })

  test('survives a connection that hangs, which is closed as one that the peer comes back from', async () => {
    const { connection, signaling, clock, server } = await inSession()
    clock.advance(30_000)
    await connection.next()
    clock.advance(10_000)
    await status(signaling, 'reconnecting')
    expect(await connection.closed).toBe(4000)
    clock.advance(1_000)
    expect(await (await server.accept()).next()).toMatchObject({ type: 'resume', token: 'first' })
  })

  test('moves when the server asks for that: the old connection is in use until the new one is open', async () => {
    const { server, connection, signaling, clock, states } = await inSession()
    connection.send({ type: 'go_away', reason: 'shutting_down', reconnect_after_ms: 700, deadline_ms: 10_000 })
    connection.send({ type: 'broadcast', from_peer_id: 'bob', payload: 1 })
    await signaling.once('message')
    clock.advance(699)
    const before = signaling.request({ type: 'query' })
    expect(await connection.next()).toMatchObject({ request_id: '1' })
    connection.send({ type: 'available_peers', peers: [], request_id: '1' })
    await before
    expect(server.arrived).toBe(1)
    clock.advance(1)
    const second = await server.accept()
    const resume = await second.next()
    expect(resume).toMatchObject({ type: 'resume', received: 3 })
    expect(await connection.closed).toBe(4000)
    const meanwhile = signaling.request({ type: 'query' })
    second.send({ type: 'resumed', room_id: 'room', peer_id: 'me', received: 1, expires_at: null, ...session('next') })
    expect(await second.next()).toMatchObject({ request_id: '2' })
    second.send({ type: 'available_peers', peers: [], request_id: '2' })
    await meanwhile
    expect(states.map(({ status }) => status)).toEqual(['connected'])
  })

  test('stays where it is when there is no new connection, until the server closes that', async () => {
    const { server, connection, signaling, clock } = await inSession()
    connection.send({ type: 'go_away', reason: 'shutting_down', reconnect_after_ms: 0, deadline_ms: 10_000 })
    connection.send({ type: 'broadcast', from_peer_id: 'bob', payload: 1 })
    await signaling.once('message')
    server.refuse()
    clock.advance(0)
    await server.refused
    const asked = signaling.request({ type: 'query' })
    expect(await connection.next()).toMatchObject({ request_id: '1' })
    connection.send({ type: 'available_peers', peers: [], request_id: '1' })
    await asked
    server.refuse(false)
    connection.close(1001)
    await status(signaling, 'reconnecting')
    clock.advance(1_000)
    expect(await resumed(await server.accept(), 1)).toMatchObject({ type: 'resume' })
    await status(signaling, 'connected')
  })
})

const stops = { type: 'bye', code: 'SHUTTING_DOWN', reason: 'shutting_down', message: 'It stops.', close_code: 1001 }

describe('reconnecting', () => {
  test('is tried within a second, then after pauses that double up to 20 s', async () => {
    const { connection, signaling, server, clock } = await registered()
    let current: ScriptedConnection = connection
    const pauses: number[] = []
    for (let attempt = 0; attempt < 9; attempt++) {
      current.cut()
      await signaling.once('state')
      const { state } = signaling
      if (state.status !== 'reconnecting') throw new Error(state.status)
      pauses.push(state.retryAt - clock.now())
      clock.advance(state.retryAt - clock.now())
      current = await server.accept()
    }
    const doubling = [1_000, 2_000, 4_000, 8_000, 16_000]
    expect(pauses).toEqual([...doubling, longestPause, longestPause, longestPause, longestPause])
    await current.answerRegister()
    await status(signaling, 'connected')
  })

  test('waits as long as the server asks for', async () => {
    const { connection, signaling, server, clock } = await registered({ random: 0 })
    connection.cut()
    await status(signaling, 'reconnecting')
    clock.advance(0)
    const second = await server.accept()
    await second.next()
    second.send({ ...refusal('RATE_LIMITED', true), retry_after: 30 })
    const [state] = await signaling.once('state')
    if (state.status !== 'reconnecting') throw new Error(state.status)
    expect(state.retryAt - clock.now()).toBe(30_000)
    expect(state.error.code).toBe('RATE_LIMITED')
  })

  test('is tried at once when a request is made meanwhile, as somebody waits; only the first time', async () => {
    const { connection, signaling, server, clock } = await registered()
    connection.cut()
    await status(signaling, 'reconnecting')
    const query = signaling.request({ type: 'query' })
    const second = await server.accept()
    second.cut()
    await signaling.once('state', state => state.status === 'reconnecting' && state.attempt === 2)
    const another = signaling.request({ type: 'query' })
    clock.advance(1_999)
    expect(signaling.state).toMatchObject({ status: 'reconnecting', attempt: 2 })
    clock.advance(1)
    const third = await server.accept()
    await third.answerRegister()
    for (const asked of [query, another]) {
      third.send({ type: 'available_peers', peers: [], request_id: (await third.next()).request_id })
      expect(await asked).toMatchObject({ type: 'available_peers' })
    }
  })

  test('comes back when the bye of a server that stops says so, not before, whatever is asked meanwhile', async () => {
    const { connection, signaling, server, clock } = await registered({ random: 0 })
    connection.send({ ...stops, retry_after: 7.25 })
    connection.close(1001)
    await status(signaling, 'reconnecting')
    expect(signaling.state).toMatchObject({ retryAt: clock.now() + 7_250, error: { code: 'SHUTTING_DOWN' } })
    signaling.request({ type: 'query' }).catch(() => {})
    clock.advance(7_249)
    expect(signaling.state).toMatchObject({ status: 'reconnecting', attempt: 1 })
    clock.advance(1)
    await (await server.accept()).answerRegister()
    await status(signaling, 'connected')
  })

  test('goes on when its old connection still counts as there', async () => {
    const { connection, signaling, server, clock } = await registered({ random: 0 })
    connection.cut()
    await status(signaling, 'reconnecting')
    clock.advance(0)
    const second = await server.accept()
    await second.next()
    second.send(refusal('PEER_ID_TAKEN'))
    await signaling.once('state', state => state.status === 'reconnecting' && state.error.code === 'PEER_ID_TAKEN')
  })

  test.each([
    ['a close code of 4500 or more', (connection: ScriptedConnection) => connection.close(4999), 'DISCONNECTED'],
    [
      'a bye that says so',
      (connection: ScriptedConnection) => {
        connection.send({ type: 'bye', code: 'PEER_REMOVED', reason: 'removed', message: 'Out.', close_code: 4507 })
        connection.close(4507)
      },
      'PEER_REMOVED',
    ],
    [
      'the end of the room',
      (connection: ScriptedConnection) =>
        connection.send({ type: 'error', code: 'ROOM_EXPIRED', reason: 'r', message: 'm', retryable: false }),
      'ROOM_EXPIRED',
    ],
  ])('is not tried after %s', async (_, end, code) => {
    const { connection, signaling, clock } = await registered()
    const query = signaling.request({ type: 'query' })
    await connection.next()
    const ended = signaling.once('state')
    end(connection)
    const [state] = await ended
    expect([state.status, state.status === 'closed' && state.error?.code]).toEqual(['closed', code])
    expect(await codeOf(query)).toBe(code)
    clock.advance(100_000)
    expect(signaling.state.status).toBe('closed')
  })

  test('is not tried when the server no longer lets the peer in', async () => {
    const { connection, signaling, server, clock } = await registered()
    connection.cut()
    await status(signaling, 'reconnecting')
    clock.advance(1_000)
    const second = await server.accept()
    await second.next()
    second.send(refusal('ROOM_NOT_FOUND'))
    await signaling.once('state', state => state.status === 'closed' && state.error?.code === 'ROOM_NOT_FOUND')
  })

  test.each([1001, 1006, 1011, 4410, 4499])('is tried after close code %d', async code => {
    const { connection, signaling, server, clock } = await registered()
    if (code === 1006) connection.cut()
    else connection.close(code)
    await status(signaling, 'reconnecting')
    clock.advance(1_000)
    await (await server.accept()).answerRegister()
    await status(signaling, 'connected')
  })

  test('finds a connection dead that is silent for 20 s and does not answer for 10 s', async () => {
    const { connection, signaling, server, clock } = await registered()
    clock.advance(19_999)
    const early = signaling.request({ type: 'query' })
    connection.send({ type: 'available_peers', peers: [], request_id: (await connection.next()).request_id })
    await early
    // It was heard just now, so it is tested 20 s from here.
    clock.advance(19_999)
    clock.advance(1)
    expect((await connection.next()).type).toBe('discover_peers')
    clock.advance(10_000)
    await connection.closed
    clock.advance(1_000)
    await (await server.accept()).answerRegister()
    await status(signaling, 'connected')
  })

  test('is tried at once when the browser says that it is online', async () => {
    const { connection, signaling, server, clock } = await registered()
    connection.cut()
    await status(signaling, 'reconnecting')
    clock.advance(1_000)
    const second = await server.accept()
    second.cut()
    await signaling.once('state', state => state.status === 'reconnecting' && state.attempt === 2)
    dispatchEvent(new Event('online'))
    await (await server.accept()).answerRegister()
    await status(signaling, 'connected')
    // And a connection that seems to be well is tested.
    dispatchEvent(new Event('online'))
  })
})
