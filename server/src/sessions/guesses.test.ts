import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { startServer, TestPeer, type TestServer } from '../../test/harness.ts'
import { type Clock, manualClock } from '../clock.ts'
import { sqlite } from '../room-store/sqlite.ts'

const limited = { code: 'RATE_LIMITED', retryable: true, retry_after: expect.any(Number) }

/** A server on which three wrong tokens from one address are too many, and what one needs for a register there. */
async function world(clock: Clock = manualClock()) {
  const server = await startServer({ PARLEY_FAILED_REGISTRATIONS_PER_MINUTE: '3' }, { clock })
  const id_token = await server.signIn()
  const { room_id, token } = await server.createRoom(id_token)
  const right = { type: 'register', peer_id: 'a', room_id, token, id_token }
  return { server, right, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

/** Has a connection of its own send wrong tokens until its address has sent too many. */
async function guess(server: TestServer, right: object) {
  const guesser = await server.connect()
  expect(await guesser.ask({ ...right, token: 'wrong' })).toMatchObject({ code: 'INVALID_ROOM_TOKEN' })
  for (const id_token of ['wrong', 'a.b.c']) {
    expect(await guesser.ask({ ...right, id_token })).toMatchObject({ code: 'INVALID_TOKEN' })
  }
  expect(await guesser.ask({ ...right, token: 'wrong' })).toMatchObject(limited)
  return guesser
}

describe('wrong tokens of a neighbour', () => {
  test('lock nobody out who has the right ones, on whatever connection', async () => {
    await using at = await world()
    using open = await at.server.connect()
    using guesser = await guess(at.server, at.right)
    expect(await open.ask(at.right)).toMatchObject({ type: 'registered_auth' })
    expect(await guesser.ask({ ...at.right, token: 'wrong' })).toMatchObject(limited)
    for (let i = 0; i < 20; i++) {
      using late = await at.server.connect()
      expect(await late.ask({ ...at.right, peer_id: `late-${i}` })).toMatchObject({ type: 'registered_auth' })
    }
    using mistaken = await at.server.connect()
    for (let i = 0; i < 4; i++) expect(await mistaken.ask({ ...at.right, id_token: 'old' })).toMatchObject(limited)
    expect(await mistaken.ask({ ...at.right, peer_id: 'b' })).toMatchObject({ type: 'registered_auth' })
  })

  test('leave registered peers alone', async () => {
    await using at = await world()
    using a = await at.server.connect()
    using b = await at.server.connect()
    await a.ask(at.right)
    await b.ask({ ...at.right, peer_id: 'b' })
    using _guesser = await guess(at.server, at.right)
    a.send({ type: 'offer', sender: 'a', target: 'b', sdp: 'x' })
    expect(await b.next()).toMatchObject({ type: 'offer', sender: 'a' })
    expect(await a.ask({ ...at.right })).toMatchObject({ type: 'registered_auth' })
  })
})

test('a fleet that comes back to a room that has ended, or is gone, hears so each time', async () => {
  const clock = manualClock()
  await using at = await world(clock)
  const { server, right } = at
  const { room_id, token } = await server.createRoom(right.id_token, { ttl_seconds: 60 })
  clock.advance(60_000)
  using other = await server.join({ ...right }, 'taken')
  const answers = new Map<unknown, number>()
  for (let i = 0; i < 10; i++) {
    using worker = await server.connect()
    for (const ended of [{ room_id, token }, { room_id: 'gone' }, { peer_id: 'taken' }]) {
      const { code } = await worker.ask({ ...right, ...ended })
      answers.set(code, (answers.get(code) ?? 0) + 1)
    }
  }
  expect(Object.fromEntries(answers)).toEqual({ ROOM_EXPIRED: 10, ROOM_NOT_FOUND: 10, PEER_ID_TAKEN: 10 })
  using late = await server.connect()
  expect(await late.ask({ ...right, token: 'wrong' })).toMatchObject({ code: 'INVALID_ROOM_TOKEN' })
  expect(await other.rest()).toEqual([])
})

describe('where a proxy does not say whom it forwards', () => {
  let server: TestServer
  beforeAll(async () => {
    const settings = { PARLEY_FAILED_REGISTRATIONS_PER_MINUTE: '3', PARLEY_TRUSTED_PROXIES: '127.0.0.0/8' }
    server = await startServer(settings, { clock: manualClock() })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  test('its clients count together and apart from those that it tells of', async () => {
    const id_token = await server.signIn()
    const { room_id, token } = await server.createRoom(id_token)
    const right = { type: 'register', peer_id: 'a', room_id, token, id_token }
    using _guesser = await guess(server, right)
    using known = await TestPeer.connect(server.ws, { 'X-Forwarded-For': '203.0.113.9' })
    expect(await known.ask({ ...right, token: 'wrong' })).toMatchObject({ code: 'INVALID_ROOM_TOKEN' })
    using unknown = await server.connect()
    expect(await unknown.ask({ ...right, token: 'wrong' })).toMatchObject(limited)
    expect(await unknown.ask(right)).toMatchObject({ type: 'registered_auth' })
  })
})

test('a connection that guesses is slowed down, and looked at all the same', async () => {
  const clock = manualClock()
  let paused = Promise.withResolvers<void>()
  const after = (ms: number, act: () => void) => {
    const cancel = clock.after(ms, act)
    if (ms === 1000) paused.resolve()
    return cancel
  }
  const store = sqlite(':memory:', clock)
  let reads = 0
  const counting = { ...store, get: (roomId: string) => store.get(roomId).finally(() => reads++) }
  const settings = { PARLEY_FAILED_REGISTRATIONS_PER_MINUTE: '3' }
  await using server = await startServer(settings, { clock: { ...clock, after }, store: counting })
  const id_token = await server.signIn()
  const { room_id, token } = await server.createRoom(id_token)
  const right = { type: 'register', peer_id: 'a', room_id, token, id_token }
  using guesser = await server.connect()
  for (let i = 0; i < 5; i++) await guesser.ask({ ...right, token: 'wrong' })
  for (let i = 0; i < 10; i++) guesser.send({ ...right, token: 'wrong' })
  guesser.send(right)
  expect(reads).toBe(5)
  for (let i = 0; i < 11; i++) {
    await paused.promise
    paused = Promise.withResolvers()
    expect(reads).toBe(5 + i)
    clock.advance(1000)
    expect(await guesser.next()).toMatchObject(i < 10 ? limited : { type: 'registered_auth' })
  }
  // Nobody else waits.
  using other = await server.connect()
  expect(await other.ask({ ...right, peer_id: 'b' })).toMatchObject({ type: 'registered_auth' })
})
