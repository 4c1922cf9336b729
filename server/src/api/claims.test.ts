import { describe, expect, test } from 'bun:test'
import { SignalingError } from '@parley/protocol'
import { inTemporaryFolder, recordingLog, startServer, TestPeer, type TestServer } from '../../test/harness.ts'
import { systemClock } from '../clock.ts'
import type { Identity } from '../identity/identity.ts'
import { local } from '../identity/local.ts'

type Headers = Record<string, string>

const behindProxy = { PARLEY_TRUSTED_PROXIES: '127.0.0.0/8' }
const evil = { Origin: 'https://evil.example', 'Content-Type': 'text/plain' }

/** A room with a peer that is connected with these headers, and a clean-up of that peer with others. */
async function world(settings: Headers = {}, peerHeaders: Headers = {}) {
  const server = await startServer(settings)
  const room = await server.createRoom(await server.signIn())
  const enter = async (peer_id: string, headers = peerHeaders) => {
    const peer = await TestPeer.connect(server.ws, headers)
    const { room_id, token } = room
    const reply = await peer.ask({ type: 'register', peer_id, room_id, token, id_token: await server.signIn() })
    expect(reply).toMatchObject({ type: 'registered_auth' })
    return peer
  }
  const peer = await enter('Worker-456')
  const cleanUp = async (headers: Headers, body: object = { peer_id: 'Worker-456' }) => {
    const response = await server.post('/delete-peers-and-room', body, headers)
    const { status } = (await response.json()) as { status: string | number }
    return status
  }
  return { server, room, peer, enter, cleanUp, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

const deleted = 'peer deleted successfully'
const unknown = 'peer not found'

describe('the network address is a right', () => {
  test.each([
    {},
    { Host: 'localhost:8001' },
    { Host: '127.0.0.1' },
    { Host: '[::1]:8001' },
    { 'Sec-Fetch-Site': 'none' },
    { Host: 'localhost:8001', Origin: 'http://localhost:8001', 'Sec-Fetch-Site': 'same-origin' },
    { 'User-Agent': 'python-requests/2.31.0', Accept: '*/*', 'Accept-Encoding': 'gzip, deflate' },
  ])('to a program, and to a page of the server itself: %p', async headers => {
    await using at = await world()
    expect(await at.cleanUp(headers)).toBe(deleted)
    expect((await at.peer.closed).code).toBe(4504)
  })

  test('to a page that operators have named, but not where they let in everybody', async () => {
    const page = { Origin: 'https://app.example.com' }
    await using named = await world({ PARLEY_ALLOWED_ORIGINS: 'https://app.example.com' })
    expect(await named.cleanUp(evil)).toBe(unknown)
    expect(await named.cleanUp({ ...page, 'Sec-Fetch-Site': 'cross-site' })).toBe(unknown)
    expect(await named.cleanUp(page)).toBe(deleted)
    await using open = await world({ PARLEY_ALLOWED_ORIGINS: '*' })
    expect(await open.cleanUp(page)).toBe(unknown)
    expect(await open.peer.rest()).toEqual([])
  })

  test.each([
    evil,
    { Origin: 'null' },
    { Origin: 'http://localhost:3000' },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { Host: 'evil.example' },
    { Host: 'evil.example:8001', Origin: 'http://evil.example:8001' },
    { Host: 'evil.example:8001', Origin: 'http://evil.example:8001', 'Sec-Fetch-Site': 'same-origin' },
    { Host: 'localhost.evil.example' },
  ])('to no page of somebody else, whatever its name leads to: %p', async headers => {
    await using at = await world()
    expect(await at.cleanUp(headers)).toBe(unknown)
    expect(await at.cleanUp(headers, { room_id: at.room.room_id })).toBe(403)
    expect(await (await at.server.post('/delete-peer', { peer_id: 'Worker-456' }, headers)).json()).toEqual({
      status: 'peer deleted from Cognito (already removed from room)',
    })
    expect(await at.peer.rest()).toEqual([])
    // With the room's token, anybody.
    expect(await at.cleanUp(headers, { peer_id: 'Worker-456', token: at.room.token })).toBe(deleted)
  })

  test('under any name, where the server is reached from elsewhere, or through its proxy', async () => {
    const named = { Host: 'parley.example.com' }
    await using public_ = await world({ PARLEY_HOST: '0.0.0.0' })
    expect(await public_.cleanUp(named)).toBe(deleted)
    const from = { ...named, 'X-Forwarded-For': '203.0.113.9' }
    await using proxied = await world(behindProxy, from)
    expect(await proxied.cleanUp(from)).toBe(deleted)
  })
})

describe('behind a trusted proxy', () => {
  test.each([
    [{ 'X-Forwarded-For': '203.0.113.9:5678' }, { 'X-Forwarded-For': '203.0.113.9' }],
    [{ 'X-Forwarded-For': '[2001:DB8:0::1]:443' }, { 'X-Forwarded-For': '2001:db8::1' }],
    [{ Forwarded: 'for="[2001:db8::1]:4711";proto=https' }, { Forwarded: 'FOR="[2001:DB8::1]"' }],
    [{ Forwarded: 'for=203.0.113.9' }, { 'X-Forwarded-For': '::ffff:203.0.113.9' }],
  ])('a client is known by its address, however the proxy writes it: %p and %p', async (then, now) => {
    await using at = await world(behindProxy, then)
    expect(await at.cleanUp({ 'X-Forwarded-For': '203.0.113.10' })).toBe(unknown)
    expect(await at.cleanUp(now)).toBe(deleted)
  })

  test.each([
    {},
    { 'X-Forwarded-For': 'unknown' },
    { 'X-Forwarded-For': '127.0.0.1' },
    { 'X-Forwarded-For': '203.0.113.9, ' },
    { Forwarded: 'for=_hidden' },
    { Forwarded: 'for=203.0.113.9;ext="' },
    { 'X-Forwarded-For': '203.0.113.10', Forwarded: 'for=203.0.113.9' },
  ])('nobody is the proxy, neither who asks nor who is connected: %p', async headers => {
    await using at = await world(behindProxy, headers)
    expect(await at.cleanUp(headers)).toBe(unknown)
    at.peer.socket.close()
    await at.peer.closed
    using other = await at.enter('Client-123', { 'X-Forwarded-For': '203.0.113.9' })
    expect(await at.cleanUp(headers)).toBe(unknown)
    expect(await at.cleanUp(headers, { room_id: at.room.room_id })).toBe(403)
    expect(await other.rest()).toEqual([])
  })
})

test.each([
  { 'X-Forwarded-For': '203.0.113.9' },
  { Forwarded: 'for=203.0.113.9' },
  { Via: '1.1 squid' },
  { 'X-Real-IP': '203.0.113.9' },
  { 'X-Forwarded-Host': 'parley.example.com' },
  { 'CF-Connecting-IP': '203.0.113.9' },
])('the address of a proxy that nobody has named is a right to nobody behind it: %p', async headers => {
  await using direct = await world()
  expect(await direct.cleanUp(headers)).toBe(unknown)
  expect(await direct.peer.rest()).toEqual([])
  // The proxy leaves the header out of the second request only, or somebody else asks from its machine.
  await using hidden = await world({}, headers)
  expect(await hidden.cleanUp({})).toBe(unknown)
  expect(await hidden.peer.rest()).toEqual([])
})

test('operators hear once of a proxy that hides its clients, over HTTP and WebSocket, but not of health checks', async () => {
  const log = recordingLog()
  await using server = await startServer(behindProxy, { log })
  const warnings = () => log.lines.filter(({ level }) => level === 40)
  await fetch(`${server.http}/livez`)
  expect(warnings()).toEqual([])
  using _peer = await server.connect()
  expect(warnings()).toMatchObject([{ proxy: '127.0.0.1', msg: expect.stringContaining('does not say whom') }])
  await server.post('/anonymous-signin')
  await server.post('/anonymous-signin', {}, { 'X-Forwarded-For': '203.0.113.9, 203.0.113.10' })
  expect(warnings().slice(1)).toMatchObject([{ proxy: '203.0.113.10', msg: expect.stringContaining('is not in') }])
})

test("where addresses prove nothing, peers without an address are nobody's either", async () => {
  await using at = await world({ ...behindProxy, PARLEY_DELETE_BY_ADDRESS: 'off' })
  expect(await at.cleanUp({})).toBe(unknown)
  expect(await at.peer.rest()).toEqual([])
})

test('who shares the address of a peer that has left deletes no more than that peer while others are there', async () => {
  const left = { 'X-Forwarded-For': '203.0.113.9' }
  const elsewhere = { 'X-Forwarded-For': '203.0.113.10' }
  await using at = await world(behindProxy, elsewhere)
  using client = await at.enter('Client-123', left)
  client.socket.close()
  await client.closed
  expect(await at.cleanUp(left, { peer_id: 'Worker-456' })).toBe(unknown)
  expect(await at.cleanUp(left, { peer_id: 'Client-123' })).toBe(deleted)
  expect(await at.peer.rest()).toEqual([])
})

describe('who proves no identity and has no right', () => {
  const junk: [object, Headers][] = [
    [{}, {}],
    [{ token: 'junk' }, {}],
    [{ token: '' }, {}],
    [{ token: null }, { Authorization: 'Bearer junk' }],
    [{}, { Authorization: 'Bearer a.b.c' }],
    [{}, { Authorization: 'Basic eA==' }],
    [{}, { Authorization: 'Bearer' }],
    [{}, evil],
  ]

  test('cannot tell a peer that is there from one that is not', async () => {
    const log = recordingLog()
    await using server = await startServer({ PARLEY_DELETE_BY_ADDRESS: 'off' }, { log })
    const room = await server.createRoom(await server.signIn())
    using present = await server.join(room, 'present')
    using gone = await server.join(room, 'gone')
    gone.socket.close()
    await gone.closed
    for (const path of ['/delete-peers-and-room', '/delete-peer']) {
      for (const [body, headers] of junk) {
        const answers = await Promise.all(
          ['present', 'gone', 'nobody'].map(peer_id => answerTo(server, path, { peer_id, ...body }, headers)),
        )
        expect(answers[0]).toMatchObject({ status: 200, body: { status: expect.stringContaining('peer ') } })
        expect(answers[1]).toEqual(answers[0])
        expect(answers[2]).toEqual(answers[0])
      }
    }
    expect(await present.rest()).toEqual([])
    // Those for whom there was something to refuse are told to the operator.
    const metrics = await (await fetch(`${server.http}/metrics`)).text()
    expect(metrics).toContain(`parley_errors_total{code="FORBIDDEN"} ${2 * 2 * junk.length}\n`)
    const refused = log.lines.find(({ code }) => code === 'FORBIDDEN')
    expect(refused).toMatchObject({ level: 30, client: '127.0.0.1', over: 'http', msg: 'attempt refused' })
  })

  test('cannot tell it by a provider that is away either', () =>
    inTemporaryFolder(async folder => {
      const provider = await local({ folder, lifetime: 3600, refreshLifetime: 3600 }, systemClock)
      let isAway = false
      const identity: Identity = {
        ...provider,
        verify: (token, proven) =>
          isAway ? Promise.reject(new SignalingError('UNAVAILABLE')) : provider.verify(token, proven),
      }
      await using server = await startServer({ PARLEY_DELETE_BY_ADDRESS: 'off' }, { identity })
      const room = await server.createRoom(await server.signIn())
      using _present = await server.join(room, 'present')
      isAway = true
      for (const path of ['/delete-peers-and-room', '/delete-peer']) {
        const headers = { Authorization: 'Bearer junk' }
        const there = await answerTo(server, path, { peer_id: 'present' }, headers)
        expect(there).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } })
        expect(await answerTo(server, path, { peer_id: 'nobody' }, headers)).toEqual(there)
      }
    }))

  test('is told of its token where it names the room', async () => {
    await using server = await startServer({ PARLEY_DELETE_BY_ADDRESS: 'off' })
    const { room_id } = await server.createRoom(await server.signIn())
    const ask = (headers: Headers) => answerTo(server, '/delete-peers-and-room', { room_id }, headers)
    expect(await ask({})).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } })
    expect(await ask({ Authorization: 'Bearer junk' })).toMatchObject({ status: 401, body: { code: 'INVALID_TOKEN' } })
  })
})

test('who proves an identity hears that it has no right', async () => {
  await using server = await startServer({ PARLEY_DELETE_BY_ADDRESS: 'off' })
  const room = await server.createRoom(await server.signIn())
  using peer = await server.join(room, 'present')
  const headers = { Authorization: `Bearer ${await server.signIn()}` }
  for (const path of ['/delete-peers-and-room', '/delete-peer']) {
    expect(await answerTo(server, path, { peer_id: 'present' }, headers)).toMatchObject({ status: 403 })
  }
  expect(await peer.rest()).toEqual([])
})

/** All that an answer tells, but for the time. */
async function answerTo(server: TestServer, path: string, body: object, headers: Headers) {
  const response = await server.post(path, body, headers)
  const told = [...response.headers].filter(([name]) => name !== 'date')
  return { status: response.status, headers: told, body: await response.json() }
}
