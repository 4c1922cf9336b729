import { expect, test } from 'bun:test'
import { startServer, TestPeer, type TestServer } from '../../test/harness.ts'
import { type Clock, manualClock, systemClock } from '../clock.ts'
import { TimeSlices } from '../time-slices.ts'
import { longestTurn } from '../work-budget.ts'
import { ReceiveBuffers } from './receive-buffers.ts'

const acks = { features: ['acks'] }

/** A room with so many peers, each with an identity of its own. The first of them has entered before the others. */
async function crowd(server: TestServer, count: number, members: object = {}) {
  const idToken = await server.signIn()
  const room = await server.createRoom(idToken)
  const enter = (id: string, more: object = members) => server.join(room, id, more)
  const peers: TestPeer[] = []
  if (count > 0) peers.push(await enter('peer-0'))
  peers.push(...(await Promise.all(Array.from({ length: Math.max(0, count - 1) }, (_, n) => enter(`peer-${n + 1}`)))))
  return { idToken, room, peers, enter }
}

/** A clock whose turns of the event loop can be held back. */
function holdable() {
  const held: (() => void)[] = []
  let isHeld = false
  const clock: Clock = {
    ...systemClock,
    after(ms, act) {
      if (ms > 0 || !isHeld) return systemClock.after(ms, act)
      held.push(act)
      return () => {}
    },
  }
  const hold = () => {
    isHeld = true
  }
  const release = () => {
    isHeld = false
    for (const act of held.splice(0)) act()
  }
  return { clock, hold, release }
}

test('a broadcast to many is done in slices, in order with what its sender sends, and others pass meanwhile', async () => {
  const { clock, hold, release } = holdable()
  // Or they would wait for their turn, as they share an address and have just entered with 300 others.
  const nobodyIsHeavy = { PARLEY_MAX_FAN_OUT_PER_SECOND: '1000000' }
  await using server = await startServer({ PARLEY_SIGN_INS_PER_MINUTE: '1000', ...nobodyIsHeavy }, { clock })
  const { peers, enter } = await crowd(server, 300)
  const last = await enter('last')
  const [sender, other] = [await enter('sender', acks), await enter('other', acks)]
  hold()
  sender.send({ type: 'broadcast', payload: 1, request_id: 'broadcast' })
  sender.send({ type: 'offer', target: 'last', request_id: 'offer' })
  expect(await peers[0]?.next()).toMatchObject({ payload: 1 })
  // Those that came last are told last, and another peer need not wait for that.
  other.send({ type: 'offer', target: 'last', request_id: 'other' })
  expect(await last.next()).toMatchObject({ type: 'offer', sender: 'other' })
  release()
  expect(await last.next()).toMatchObject({ type: 'broadcast', from_peer_id: 'sender', payload: 1 })
  expect(await last.next()).toMatchObject({ type: 'offer', sender: 'sender' })
  for (const peer of peers.slice(1)) expect(await peer.next()).toMatchObject({ payload: 1 })
  expect(await sender.next()).toMatchObject({ type: 'ack', request_id: 'broadcast', status: 'delivered' })
  expect(await sender.next()).toMatchObject({ type: 'ack', request_id: 'offer' })
})

test('a broadcast that was taken is handed on and answered, although its sender is just being closed', async () => {
  const server = await startServer({ PARLEY_SIGN_INS_PER_MINUTE: '1000' })
  const { peers, enter } = await crowd(server, 300)
  const sender = await enter('sender', acks)
  sender.send({ type: 'broadcast', payload: 1, request_id: 'broadcast' })
  expect(await peers[0]?.next()).toMatchObject({ payload: 1 })
  const stopped = server[Symbol.asyncDispose]()
  const answers = [await sender.next(), await sender.next()]
  expect(answers.map(({ type }) => type).toSorted()).toEqual(['ack', 'bye'])
  await stopped
})

test('a broadcast that would reach too much at once is refused', async () => {
  await using server = await startServer()
  const { enter } = await crowd(server, 20)
  const sender = await enter('sender', acks)
  const answer = await sender.ask({ type: 'broadcast', payload: 'x'.repeat(1_040_000), request_id: 'a' })
  expect(answer).toMatchObject({ code: 'MESSAGE_TOO_BIG', request_id: 'a' })
  expect(await sender.ask({ type: 'broadcast', payload: 'x'.repeat(500_000), request_id: 'b' })).toMatchObject({
    type: 'ack',
  })
})

test('to register again does not give a peer more to spend', async () => {
  await using server = await startServer({ PARLEY_MAX_FAN_OUT_PER_SECOND: '1000' })
  const { room, enter } = await crowd(server, 3)
  const peer = await enter('a', acks)
  const id_token = await server.signIn()
  let refusal: object | undefined
  for (let n = 0; n < 1000 && !refusal; n++) {
    await peer.ask({
      type: 'register',
      peer_id: 'a',
      ...room,
      id_token,
      ...acks,
      metadata: { text: 'x'.repeat(10_000) },
    })
    const answer = await peer.ask({ type: 'broadcast', payload: 'x'.repeat(50_000), request_id: `${n}` })
    if (answer.type === 'error') refusal = answer
  }
  expect(refusal).toMatchObject({ code: 'RATE_LIMITED', retry_after: expect.any(Number) })
})

/** A clock that stands still, and says when a client has to wait for its turn. */
function turnstile() {
  const manual = manualClock()
  let waits = Promise.withResolvers<void>()
  const clock: Clock = {
    ...manual,
    after(ms, act) {
      if (ms === longestTurn) waits.resolve()
      return manual.after(ms, act)
    },
  }
  /** Resolves when one waits, after as long as it has to. */
  const pass = async (ms: number) => {
    await waits.promise
    waits = Promise.withResolvers()
    manual.advance(ms)
  }
  return { clock, pass, advance: manual.advance }
}

test('a connection that floods is closed with 4429, and its identity has to wait if it does so again and again', async () => {
  const { clock, pass } = turnstile()
  await using server = await startServer({ PARLEY_MAX_FAN_OUT_PER_SECOND: '1000' }, { clock })
  const room = await server.createRoom(await server.signIn())
  const register = { type: 'register', peer_id: 'flood', ...room, id_token: await server.signIn(), ...acks }
  const question = JSON.stringify({ type: 'discover_peers', filters: { role: 'x'.repeat(300) } })
  for (let n = 0; n < 2; n++) {
    const connecting = server.connect()
    if (n > 0) await pass(longestTurn)
    const peer = await connecting
    const answer = await peer.ask(register)
    expect(answer).toMatchObject(
      n === 0 ? { type: 'registered_auth' } : { code: 'RATE_LIMITED', retry_after: expect.any(Number) },
    )
    for (let n = 0; n < 6000; n++) peer.send(question)
    expect((await peer.closed).code).toBe(4429)
  }
})

test('new connections from where a flood came begin 2 s later, and then they are let in', async () => {
  const { clock, pass, advance } = turnstile()
  await using server = await startServer({ PARLEY_MAX_FAN_OUT_PER_SECOND: '1000' }, { clock })
  const [flood, other] = [await server.connect(), await server.connect()]
  for (let n = 0; n < 2000; n++) flood.send({ type: 'nonsense' })
  expect((await flood.closed).code).toBe(4429)
  let begun = false
  const next = server.connect().then(peer => {
    begun = true
    return peer
  })
  await pass(longestTurn - 1)
  expect(await other.ask({ type: 'query' })).toMatchObject({ code: 'NOT_IN_ROOM' })
  expect(begun).toBe(false)
  advance(1)
  expect(await (await next).ask({ type: 'query' })).toMatchObject({ code: 'NOT_IN_ROOM' })
})

test('large signals count; a peer that goes on with them although it was told to wait is closed, others are not', async () => {
  await using server = await startServer({ PARLEY_MAX_FAN_OUT_PER_SECOND: '1000' })
  const { enter } = await crowd(server, 0)
  const [a, b] = [await enter('a', acks), await enter('b')]
  const large = { type: 'offer', target: 'b', sdp: 'x'.repeat(100_000), request_id: 'r' }
  let answer = await a.ask(large)
  for (let n = 0; n < 1000 && answer.type === 'ack'; n++) answer = await a.ask(large)
  expect(answer).toMatchObject({ code: 'RATE_LIMITED', target: 'b', retry_after: expect.any(Number) })
  expect(await a.ask({ ...large, sdp: 'v=0' })).toMatchObject({ type: 'ack' })
  expect(await a.ask(large)).toMatchObject({ type: 'bye', code: 'RATE_LIMITED' })
  expect((await a.closed).code).toBe(4429)
  expect(await b.ask({ type: 'query' })).toMatchObject({ type: 'offer' })
})

test('requests over HTTP count, too', async () => {
  await using server = await startServer({ PARLEY_MAX_FAN_OUT_PER_SECOND: '100' })
  const headers = { Authorization: `Bearer ${await server.signIn()}` }
  let response = await fetch(`${server.http}/rooms`, { headers })
  for (let n = 0; n < 100 && response.ok; n++) response = await fetch(`${server.http}/rooms`, { headers })
  expect(response.status).toBe(429)
  expect(Number(response.headers.get('Retry-After'))).toBeGreaterThan(0)
  expect(await response.json()).toMatchObject({ code: 'RATE_LIMITED' })
  expect((await fetch(`${server.http}/livez`)).status).toBe(200)
  expect((await server.post('/anonymous-signin')).status).toBe(200)
})

test('each register, and each request over HTTP, waits for its turn; large bodies for another one', async () => {
  const manual = manualClock()
  const waiting: (() => void)[] = []
  const clock: Clock = {
    ...manual,
    after(ms, act) {
      if (ms > 0) return manual.after(ms, act)
      waiting.push(act)
      return () => {}
    },
  }
  /** The outcome of what takes so many turns, each of which comes when something waits for it. */
  const inTurns = async <T>(turns: number, outcome: Promise<T>): Promise<T> => {
    for (let turn = 0; turn < turns; turn++) {
      while (waiting.length === 0) await new Promise(setImmediate)
      waiting.shift()?.()
    }
    const result = await outcome
    expect(waiting).toEqual([])
    return result
  }
  await using server = await startServer({}, { clock })
  const id_token = await inTurns(1, server.signIn())
  const room = await inTurns(1, server.createRoom(id_token))
  const large = { name: 'x'.repeat(20_000) }
  const headers = { Authorization: `Bearer ${id_token}` }
  expect((await inTurns(2, server.post('/create-room', large, headers))).status).toBe(400)
  const peer = await server.connect()
  const register = { type: 'register', peer_id: 'a', ...room, id_token }
  const forged = `${id_token.slice(0, -4)}AAAA`
  expect(await inTurns(1, peer.ask({ ...register, id_token: forged }))).toMatchObject({ code: 'INVALID_TOKEN' })
  expect(await inTurns(2, peer.ask(register))).toMatchObject({ type: 'registered_auth' })
})

test('of one that sends as fast as it can, no more than 64 KB are read before others have their turn', async () => {
  let inThisTurn = 0
  let most = 0
  let received = 0
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const server = Bun.serve({
    port: 0,
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response()),
    websocket: {
      message(_, text) {
        inThisTurn += text.length
        received += text.length
        most = Math.max(most, inThisTurn)
        if (received >= 4_000_000) resolve()
      },
    },
  })
  const turn = () => {
    inThisTurn = 0
    if (received < 4_000_000) setImmediate(turn)
  }
  const clock = manualClock()
  const buffers = new ReceiveBuffers(clock, new TimeSlices(clock))
  expect(buffers.bound(server.port ?? 0, 16 * 1024)).toBe(true)
  const peer = await TestPeer.connect(`ws://127.0.0.1:${server.port}`)
  turn()
  for (let n = 0; n < 20_000; n++) peer.send('x'.repeat(200))
  await done
  expect(most).toBeLessThan(65_536)
  peer.socket.close()
  await server.stop(true)
})
