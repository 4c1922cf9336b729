import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { toSignalingError } from '@parley/protocol'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { inTemporaryFolder, recordingLog, startServer, type TestServer } from '../../test/harness.ts'
import { type Clock, manualClock, systemClock } from '../clock.ts'
import type { Identity } from '../identity/identity.ts'
import { local } from '../identity/local.ts'
import type { RoomStore } from '../room-store/room-store.ts'
import { sqlite } from '../room-store/sqlite.ts'
import { Renewals } from './renewals.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const bearer = (idToken: string) => ({ Authorization: `Bearer ${idToken}` })

/** What a sign-in and a renewal are answered with. */
interface SignedIn {
  id_token: string
  username: string
  expires_at: number
  refresh_token: string
}

const signInAt = async (at: TestServer) => (await (await at.post('/anonymous-signin')).json()) as SignedIn

/** The problem details of a response, once its form is checked. */
async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const problem = (await response.json()) as Record<string, unknown>
  expect(problem).toMatchObject({ type: 'about:blank', status: response.status })
  expect([typeof problem.title, typeof problem.detail, typeof problem.code]).toEqual(Array(3).fill('string'))
  return problem
}

describe('POST /anonymous-signin', () => {
  test('gives a token, a username and their end, whatever the body', async () => {
    for (const body of [undefined, {}, 'text', [1]]) {
      const response = await server.post('/anonymous-signin', body)
      expect(response.status).toBe(200)
      expect(response.headers.get('cache-control')).toBe('no-store')
      const signIn = (await response.json()) as SignedIn
      expect(signIn).toEqual({
        id_token: expect.any(String),
        username: expect.any(String),
        expires_at: expect.any(Number),
        refresh_token: expect.any(String),
      })
      expect(signIn.expires_at).toBeWithin(Date.now() / 1000 + 3590, Date.now() / 1000 + 3610)
    }
  })

  test('gives tokens that verify against the published keys', async () => {
    const keys = (await (await fetch(`${server.http}/.well-known/jwks.json`)).json()) as JSONWebKeySet
    const { payload } = await jwtVerify(await server.signIn(), createLocalJWKSet(keys))
    expect(payload.token_use).toBe('id')
  })

  test('is bounded for one address and minute', async () => {
    const clock = manualClock()
    await using strict = await startServer({ PARLEY_SIGN_INS_PER_MINUTE: '2' }, { clock })
    expect((await strict.post('/anonymous-signin')).status).toBe(200)
    expect((await strict.post('/anonymous-signin')).status).toBe(200)
    const refused = await strict.post('/anonymous-signin')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeWithin(1, 61)
    expect(await problemOf(refused)).toMatchObject({ code: 'RATE_LIMITED', retryable: true })
    clock.advance(60_000)
    expect((await strict.post('/anonymous-signin')).status).toBe(200)
  })

  test('counts each client of a trusted proxy by itself, and believes nobody else', async () => {
    const from = (address: string) => ({ 'X-Forwarded-For': address })
    for (const [proxies, statuses] of [
      ['127.0.0.0/8', [200, 200, 429]],
      ['', [200, 429, 429]],
    ] as const) {
      const settings = { PARLEY_SIGN_INS_PER_MINUTE: '1', PARLEY_TRUSTED_PROXIES: proxies }
      await using behind = await startServer(settings, { clock: manualClock() })
      const answers = []
      for (const address of ['192.0.2.1', '192.0.2.2', 'forged, 192.0.2.1']) {
        answers.push((await behind.post('/anonymous-signin', undefined, from(address))).status)
      }
      expect(answers).toEqual([...statuses])
    }
  })
})

describe('POST /refresh-token', () => {
  const refresh = (at: TestServer, refresh_token: string) => at.post('/refresh-token', { refresh_token })

  test('gives a new token of the same identity, and the refresh token for the next time', async () => {
    const clock = manualClock()
    await using later = await startServer({}, { clock })
    const keys = (await (await fetch(`${later.http}/.well-known/jwks.json`)).json()) as JSONWebKeySet
    const subjectOf = async (idToken: string) =>
      (await jwtVerify(idToken, createLocalJWKSet(keys), { currentDate: new Date(clock.now()) })).payload.sub
    const first = await signInAt(later)
    let last = first
    for (let hour = 1; hour <= 3; hour++) {
      clock.advance(3_600_000)
      const response = await refresh(later, last.refresh_token)
      expect(response.status).toBe(200)
      expect(response.headers.get('cache-control')).toBe('no-store')
      last = (await response.json()) as SignedIn
      expect(last).toEqual({
        id_token: expect.any(String),
        username: first.username,
        expires_at: first.expires_at + hour * 3600,
        refresh_token: expect.any(String),
      })
      expect(await subjectOf(last.id_token)).toBe(first.username)
    }
  })

  test("lets a room's owner manage its room and enter it beyond the end of the first token", async () => {
    const clock = manualClock()
    await using later = await startServer({}, { clock })
    const first = await signInAt(later)
    const room = await later.createRoom(first.id_token)
    const manage = (method: string, idToken: string, body?: object) =>
      fetch(`${later.http}/rooms/${room.room_id}`, {
        method,
        headers: bearer(idToken),
        ...(body && { body: JSON.stringify(body) }),
      })
    clock.advance(3_600_000)
    expect(await problemOf(await manage('GET', first.id_token))).toMatchObject({ status: 401, code: 'INVALID_TOKEN' })

    const { id_token } = (await (await refresh(later, first.refresh_token)).json()) as SignedIn
    const changed = await manage('PATCH', id_token, { locked: true })
    expect([changed.status, await changed.json()]).toEqual([200, expect.objectContaining({ locked: true })])
    await expect(later.join(room, 'stranger')).rejects.toThrow('ROOM_LOCKED')
    using owner = await later.join(room, 'owner', { id_token })
    expect((await manage('DELETE', id_token)).status).toBe(204)
    expect((await owner.closed).code).toBe(4504)
  })

  test('refuses what is no refresh token of this server, or has ended', async () => {
    const clock = manualClock()
    await using later = await startServer({ PARLEY_REFRESH_TOKEN_TTL_SECONDS: '7200' }, { clock })
    const ended = await signInAt(later)
    clock.advance(7_200_000)
    const { id_token } = await signInAt(later)
    for (const token of ['', 'wrong', id_token, (await signInAt(server)).refresh_token, ended.refresh_token]) {
      const response = await refresh(later, token)
      expect(response.headers.get('www-authenticate')).toStartWith('Bearer ')
      expect(await problemOf(response)).toMatchObject({ status: 401, code: 'INVALID_TOKEN', retryable: false })
    }
  })

  test('gives tokens that last for 30 days, and prove nothing anywhere else', async () => {
    const clock = manualClock()
    await using later = await startServer({}, { clock })
    const { refresh_token } = await signInAt(later)
    expect(await problemOf(await later.post('/create-room', undefined, bearer(refresh_token)))).toMatchObject({
      status: 401,
      code: 'INVALID_TOKEN',
    })
    const room = await later.createRoom(await later.signIn())
    await expect(later.join(room, 'a', { id_token: refresh_token })).rejects.toThrow('INVALID_TOKEN')
    clock.set(clock.now() + 2_592_000_000 - 1000)
    expect((await refresh(later, refresh_token)).status).toBe(200)
    clock.set(clock.now() + 1000)
    expect((await refresh(later, refresh_token)).status).toBe(401)
  })

  test('refuses a body of the wrong form', async () => {
    for (const body of [
      undefined,
      {},
      { refresh_token: 7 },
      { refresh_token: null },
      { refresh_token: 'a', b: 1 },
      [],
    ]) {
      expect(await problemOf(await server.post('/refresh-token', body))).toMatchObject({
        status: 400,
        code: 'INVALID_MESSAGE',
      })
    }
    const rubbish = await fetch(`${server.http}/refresh-token`, { method: 'POST', body: '{' })
    expect(await problemOf(rubbish)).toMatchObject({ status: 400, code: 'INVALID_JSON' })
    const long = await refresh(server, 'x'.repeat(70_000))
    expect(await problemOf(long)).toMatchObject({ status: 413, code: 'MESSAGE_TOO_BIG' })
  })

  describe('with tokens of a neighbour that are not good', () => {
    const strict = (clock: Clock) => startServer({ PARLEY_FAILED_REGISTRATIONS_PER_MINUTE: '2' }, { clock })
    const guess = async (at: TestServer) => {
      const statuses: number[] = []
      for (const wrong of ['wrong', 'a.b.c', 'wrong', await at.signIn()]) {
        statuses.push((await refresh(at, wrong)).status)
      }
      expect(statuses).toEqual([401, 401, 429, 429])
    }

    test('locks nobody out, neither with a good one nor from a sign-in', async () => {
      const clock = manualClock()
      await using at = await strict(clock)
      const { refresh_token } = await signInAt(at)
      await guess(at)
      const refused = await refresh(at, 'wrong')
      expect(Number(refused.headers.get('retry-after'))).toBeWithin(1, 61)
      expect(await problemOf(refused)).toMatchObject({ status: 429, code: 'RATE_LIMITED', retryable: true })
      const mixed = [...Array(40).fill('wrong'), refresh_token, ...Array(10).fill('wrong')]
      const statuses = await Promise.all(mixed.map(async token => (await refresh(at, token)).status))
      expect(statuses.filter(status => status === 200)).toHaveLength(1)
      expect(statuses[40]).toBe(200)
      expect((await at.post('/anonymous-signin')).status).toBe(200)
      clock.advance(60_000)
      expect((await refresh(at, 'wrong')).status).toBe(401)
    })

    test('asks the provider for one after the other, for as long as somebody waits, and for no more than 64', () =>
      inTemporaryFolder(async folder => {
        const clock = manualClock()
        const provider = await local({ folder, lifetime: 3600, refreshLifetime: 3600 }, clock)
        const asked: PromiseWithResolvers<void>[] = []
        let isSlow = false
        let heard = Promise.withResolvers<void>()
        const slow = async (token: string) => {
          const answered = Promise.withResolvers<void>()
          asked.push(answered)
          heard.resolve()
          if (isSlow) await answered.promise
          return provider.refresh(token)
        }
        const renewals = new Renewals({ ...provider, refresh: slow }, 2, clock)
        const { refreshToken } = await provider.signIn()
        const renew = (token: string, key = '192.0.2.1') =>
          renewals.renew(token, key).then(
            () => 'renewed',
            error => toSignalingError(error).code,
          )
        for (const code of ['INVALID_TOKEN', 'INVALID_TOKEN', 'RATE_LIMITED']) expect(await renew('wrong')).toBe(code)
        asked.length = 0
        isSlow = true
        heard = Promise.withResolvers()
        const junk = Array.from({ length: 62 }, () => renew('wrong'))
        const good = renew(refreshToken)
        const last = renew('wrong')
        // The line is full, whatever they have.
        expect(await renew(refreshToken)).toBe('RATE_LIMITED')
        await heard.promise
        const elsewhere = renew(refreshToken, '192.0.2.2')
        expect(asked).toHaveLength(2)
        asked[1]?.resolve()
        expect(await elsewhere).toBe('renewed')
        asked[0]?.resolve()
        isSlow = false
        expect(await Promise.all(junk)).toEqual(Array(62).fill('RATE_LIMITED'))
        expect(await good).toBe('renewed')
        expect(await last).toBe('RATE_LIMITED')

        isSlow = true
        heard = Promise.withResolvers()
        const held = renew(refreshToken)
        await heard.promise
        const waiting = renew(refreshToken)
        const count = asked.length
        clock.advance(4_500)
        expect(await held).toBe('UNAVAILABLE')
        expect(await waiting).toBe('RATE_LIMITED')
        expect(asked).toHaveLength(count)
      }))
  })

  test('counts renewals neither as sign-ins nor by address, but each token has a bound', async () => {
    const clock = manualClock()
    await using strict = await startServer({ PARLEY_SIGN_INS_PER_MINUTE: '2' }, { clock })
    const { refresh_token } = await signInAt(strict)
    for (let i = 0; i < 60; i++) expect((await refresh(strict, refresh_token)).status).toBe(200)
    expect(await problemOf(await refresh(strict, refresh_token))).toMatchObject({ status: 429, code: 'RATE_LIMITED' })
    const other = await signInAt(strict)
    expect((await refresh(strict, other.refresh_token)).status).toBe(200)
    expect((await strict.post('/anonymous-signin')).status).toBe(429)
    clock.advance(60_000)
    expect((await refresh(strict, refresh_token)).status).toBe(200)
  })

  test('is no sign-in to /metrics', async () => {
    await using fresh = await startServer()
    await refresh(fresh, (await signInAt(fresh)).refresh_token)
    expect(await (await fetch(`${fresh.http}/metrics`)).text()).toContain('\nparley_sign_ins_total 1\n')
  })
})

describe('POST /create-room', () => {
  test('gives the id, the token and the end of a room that lasts two hours', async () => {
    const response = await server.post('/create-room', undefined, bearer(await server.signIn()))
    expect(response.status).toBe(200)
    const room = (await response.json()) as { room_id: string; token: string; expires_at: number }
    expect(room).toEqual({ room_id: expect.any(String), token: expect.any(String), expires_at: expect.any(Number) })
    expect(room.expires_at).toBeWithin(Date.now() / 1000 + 7190, Date.now() / 1000 + 7210)
  })

  test('takes a life, a size, a name and metadata', async () => {
    const idToken = await server.signIn()
    const room = await server.createRoom(idToken, {
      ttl_seconds: 60,
      max_peers: 1,
      name: 'lab',
      metadata: { a: 1 },
      other: 1,
    })
    expect(room.expires_at).toBeWithin(Date.now() / 1000 + 50, Date.now() / 1000 + 61)
    using _only = await server.join(room, 'a')
    await expect(server.join(room, 'b')).rejects.toThrow('ROOM_FULL')
  })

  test('takes the bare token, too, as the original did', async () => {
    const response = await server.post('/create-room', undefined, { Authorization: await server.signIn() })
    expect(response.status).toBe(200)
  })

  test('makes a room without an end where the server sets no bound', async () => {
    await using free = await startServer({ PARLEY_MAX_ROOM_TTL_SECONDS: '0' })
    const headers = bearer(await free.signIn())
    const create = async (body?: object) => (await free.post('/create-room', body, headers)).json()
    const room = (await create({ ttl_seconds: null })) as { room_id: string; token: string }
    expect(room).toMatchObject({ expires_at: null })
    using peer = await free.connect()
    const register = { type: 'register', peer_id: 'a', ...room, id_token: await free.signIn() }
    expect(await peer.ask(register)).toMatchObject({ type: 'registered_auth', expires_at: null })
    const listed = await fetch(`${free.http}/rooms`, { headers })
    expect(await listed.json()).toMatchObject({ rooms: [{ room_id: room.room_id, expires_at: null }] })
    expect(await create()).toMatchObject({ expires_at: expect.any(Number) })
    expect(await create({ ttl_seconds: 86_400_000 })).toMatchObject({ expires_at: expect.any(Number) })
    const change = (body: object) =>
      fetch(`${free.http}/rooms/${room.room_id}`, { method: 'PATCH', headers, body: JSON.stringify(body) })
    expect(await (await change({ ttl_seconds: 60 })).json()).toMatchObject({ expires_at: expect.any(Number) })
    expect(await (await change({ ttl_seconds: null })).json()).toMatchObject({ expires_at: null })
  })

  test('makes no room without an end elsewhere, and says why', async () => {
    const refused = await server.post('/create-room', { ttl_seconds: null }, bearer(await server.signIn()))
    const { status, code, detail } = await problemOf(refused)
    expect([status, code]).toEqual([400, 'INVALID_MESSAGE'])
    expect(detail).toBe('ttl_seconds: this server has no rooms without an end (PARLEY_MAX_ROOM_TTL_SECONDS is not 0)')
  })

  test('refuses a body of the wrong form, and names what is wrong', async () => {
    const headers = bearer(await server.signIn())
    const wrong = [
      { ttl_seconds: 0 },
      { ttl_seconds: 1e9 },
      { ttl_seconds: '60' },
      { max_peers: 0 },
      { max_peers: 1.5 },
      { name: '' },
      { metadata: [] },
      { metadata: { a: 'x'.repeat(17_000) } },
    ]
    for (const body of wrong) {
      const problem = await problemOf(await server.post('/create-room', body, headers))
      expect(problem).toMatchObject({ status: 400, code: 'INVALID_MESSAGE' })
      expect(problem.detail).toStartWith(Object.keys(body)[0] ?? '')
    }
    for (const body of [[], 7, 'text', null]) {
      expect((await server.post('/create-room', body, headers)).status).toBe(400)
    }
    const rubbish = await fetch(`${server.http}/create-room`, { method: 'POST', headers, body: '{' })
    expect(await problemOf(rubbish)).toMatchObject({ status: 400, code: 'INVALID_JSON' })
    const long = await server.post('/create-room', { name: 'x'.repeat(70_000) }, headers)
    expect(await problemOf(long)).toMatchObject({ status: 413, code: 'MESSAGE_TOO_BIG' })
  })

  test('refuses whoever has no token, a wrong one, or one that has ended', async () => {
    const clock = manualClock()
    await using later = await startServer({}, { clock })
    const ended = await later.signIn()
    clock.advance(3_600_000)
    for (const headers of [
      {},
      { Authorization: 'Basic eA==' },
      bearer('wrong'),
      bearer(await server.signIn()),
      bearer(ended),
    ] as Record<string, string>[]) {
      const response = await later.post('/create-room', undefined, headers)
      expect(response.headers.get('www-authenticate')).toStartWith('Bearer ')
      expect(await problemOf(response)).toMatchObject({ status: 401, code: 'INVALID_TOKEN' })
    }
  })

  test('holds an identity to its live rooms', async () => {
    await using strict = await startServer({ PARLEY_MAX_ROOMS_PER_IDENTITY: '1' })
    const headers = bearer(await strict.signIn())
    expect((await strict.post('/create-room', undefined, headers)).status).toBe(200)
    expect(await problemOf(await strict.post('/create-room', undefined, headers))).toMatchObject({
      status: 409,
      code: 'LIMIT_REACHED',
    })
  })
})

describe('POST /delete-peers-and-room', () => {
  const statusOf = async (response: Response) => [
    response.status,
    ((await response.json()) as { status: string }).status,
  ]

  test('answers as the original did for what is unknown', async () => {
    expect(await statusOf(await server.post('/delete-peers-and-room', { peer_id: 'nobody' }))).toEqual([
      200,
      'peer not found',
    ])
    expect(await statusOf(await server.post('/delete-peers-and-room', { room_id: 'nowhere' }))).toEqual([
      200,
      'room not found',
    ])
  })

  test('works for a deployed client, which closes its WebSocket first and shows nothing but its address', async () => {
    const room = await server.createRoom(await server.signIn())
    using worker = await server.join(room, 'Worker-456')
    using client = await server.join(room, 'Client-123')
    client.socket.close()
    await client.closed
    const cleanUp = async (body: object) => statusOf(await server.post('/delete-peers-and-room', body))
    expect(await cleanUp({ peer_id: 'Client-123' })).toEqual([200, 'peer deleted successfully'])
    expect(await cleanUp({ peer_id: 'Client-123' })).toEqual([200, 'peer not found'])
    // Who stays is left alone, and so is the room.
    using next = await server.join(room, 'Client-123')
    expect(await worker.rest()).toEqual([])
    next.socket.close()
    await next.closed
    expect(await cleanUp({ peer_id: 'Client-123', token: room.token })).toEqual([200, 'peer deleted successfully'])
    expect(await worker.closed).toEqual({ code: 4504, reason: 'The room was deleted.' })
    await expect(server.join(room, 'a')).rejects.toThrow('ROOM_NOT_FOUND')
  })

  test('needs more than the address where PARLEY_DELETE_BY_ADDRESS is off', async () => {
    await using strict = await startServer({ PARLEY_DELETE_BY_ADDRESS: 'off' })
    const [creator, other] = [await strict.signIn(), await strict.signIn()]
    const attempts: [object, Record<string, string>, number, string][] = [
      [{}, {}, 403, 'FORBIDDEN'],
      [{ token: 'wrong' }, {}, 403, 'FORBIDDEN'],
      [{}, bearer('wrong'), 401, 'INVALID_TOKEN'],
      [{}, bearer(other), 403, 'FORBIDDEN'],
    ]
    for (const name of ['room', 'peer']) {
      const room = await strict.createRoom(creator)
      using peer = await strict.join(room, 'a')
      const named = name === 'room' ? { room_id: room.room_id } : { peer_id: 'a' }
      for (const [body, headers, status, code] of attempts) {
        const refused = await strict.post('/delete-peers-and-room', { ...named, ...body }, headers)
        const isHidden = name === 'peer' && headers.Authorization !== bearer(other).Authorization
        if (isHidden) expect(await statusOf(refused)).toEqual([200, 'peer not found'])
        else expect(await problemOf(refused)).toMatchObject({ status, code })
      }
      expect(await peer.rest()).toEqual([])
      const [body, headers] = name === 'room' ? [{ token: room.token }, bearer('wrong')] : [{}, bearer(creator)]
      expect(await statusOf(await strict.post('/delete-peers-and-room', { ...named, ...body }, headers))).toEqual([
        200,
        'peer deleted successfully',
      ])
      expect((await peer.closed).code).toBe(4504)
    }
  })

  test('takes the address of an unknown proxy for nobody, as it may be anybody behind it', async () => {
    const room = await server.createRoom(await server.signIn())
    using peer = await server.join(room, 'Hidden-1')
    const forwarded = { 'X-Forwarded-For': '203.0.113.9' }
    const refused = await server.post('/delete-peers-and-room', { peer_id: 'Hidden-1' }, forwarded)
    expect(await statusOf(refused)).toEqual([200, 'peer not found'])
    expect(await peer.rest()).toEqual([])
    const body = { peer_id: 'Hidden-1', token: room.token }
    expect((await server.post('/delete-peers-and-room', body, forwarded)).status).toBe(200)
  })

  test('finds no peer where none is named, as the original did', async () => {
    for (const body of [undefined, {}, { peer_id: '' }, { peer_id: null }]) {
      expect(await statusOf(await server.post('/delete-peers-and-room', body))).toEqual([200, 'peer not found'])
    }
  })

  test('refuses a body of the wrong form', async () => {
    for (const body of [{ peer_id: 7 }, { room_id: ['a'] }, []]) {
      expect(await problemOf(await server.post('/delete-peers-and-room', body))).toMatchObject({
        status: 400,
        code: 'INVALID_MESSAGE',
      })
    }
  })
})

test('POST /delete-peer answers in the words of v2', async () => {
  const room = await server.createRoom(await server.signIn())
  const peers = [
    await server.join(room, 'del-a'),
    await server.join(room, 'del-b'),
    await server.join(room, 'del-c'),
  ] as const
  const statusOf = async (peer_id: string) =>
    ((await (await server.post('/delete-peer', { peer_id, token: room.token })).json()) as { status: string }).status
  expect(await statusOf('nobody')).toBe('peer deleted from Cognito (already removed from room)')
  expect(await statusOf('del-a')).toBe('peer deleted successfully. Room status: active')
  expect(await peers[0].closed).toEqual({ code: 4507, reason: 'This peer was removed from the room.' })
  peers[1].socket.close()
  await peers[1].closed
  expect(await statusOf('del-b')).toBe('peer deleted from Cognito (already removed from room)')
  expect(await statusOf('del-c')).toBe('peer deleted successfully. Room status: deleted')
  await expect(server.join(room, 'a')).rejects.toThrow('ROOM_NOT_FOUND')
})

/** As Python's datetime.fromisoformat reads it, also before 3.11. */
const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/)

test('GET /health, /livez and /readyz tell how the server is', async () => {
  const get = async (path: string) => (await fetch(server.http + path)).json()
  expect(await get('/health')).toEqual({ status: 'healthy', timestamp: isoTime, version: '0.0.0-test' })
  expect(await get('/livez')).toEqual({ status: 'alive' })
  expect(await get('/readyz')).toEqual({ status: 'ready' })
})

test('GET /metrics speaks Prometheus, and JSON to whoever asks for it', async () => {
  await using fresh = await startServer()
  const room = await fresh.createRoom(await fresh.signIn())
  using worker = await fresh.join(room, 'w', { role: 'worker' })
  using client = await fresh.join(room, 'c')
  client.send({ type: 'offer', target: 'w' })
  await worker.next()
  await client.ask('nonsense')
  const text = await (await fetch(`${fresh.http}/metrics`)).text()
  const lines = [
    'parley_connections 2',
    'parley_peers 2',
    'parley_rooms 1',
    'parley_messages_relayed_total 1',
    'parley_errors_total{code="INVALID_JSON"} 1',
    'parley_sign_ins_total 3',
  ]
  for (const line of lines) expect(text).toContain(`\n${line}\n`)
  const json = await (await fetch(`${fresh.http}/metrics`, { headers: { Accept: 'application/json' } })).json()
  expect(json).toEqual({
    timestamp: isoTime,
    active_rooms: 1,
    active_connections: 2,
    peers_by_role: { worker: 1, peer: 1 },
    total_connections: 2,
    total_messages: 4,
    rooms_created: 1,
  })
})

describe('a store that fails or hangs', () => {
  const broken = (fail: () => Promise<never>): RoomStore => ({
    create: fail,
    get: fail,
    update: fail,
    createdBy: fail,
    delete: fail,
    ready: fail,
    close: async () => {},
  })

  test('is 503 with Retry-After, and not ready', async () => {
    await using server = await startServer({}, { store: broken(() => Promise.reject(new Error('secret cause'))) })
    const response = await server.post('/create-room', undefined, bearer(await server.signIn()))
    expect(response.headers.get('retry-after')).toBe('5')
    const problem = await problemOf(response)
    expect(problem).toMatchObject({ status: 503, code: 'UNAVAILABLE', retryable: true })
    expect(JSON.stringify(problem)).not.toContain('secret')
    expect((await fetch(`${server.http}/readyz`)).status).toBe(503)
    expect((await fetch(`${server.http}/livez`)).status).toBe(200)
  })

  test('is 503 within 5 s', async () => {
    const clock = manualClock()
    const asked = Promise.withResolvers<void>()
    const hung = broken(() => {
      asked.resolve()
      return new Promise<never>(() => {})
    })
    await using server = await startServer({}, { store: hung, clock })
    const response = server.post('/create-room', undefined, bearer(await server.signIn()))
    await asked.promise
    clock.advance(4_999)
    expect((await response).status).toBe(503)
  })

  test('leaves the room alone when it cannot delete it', async () => {
    const store = sqlite(':memory:', systemClock)
    await using server = await startServer({}, { store: { ...store, delete: () => Promise.reject(new Error('down')) } })
    const room = await server.createRoom(await server.signIn())
    using peer = await server.join(room, 'a')
    expect((await server.post('/delete-peers-and-room', { peer_id: 'a' })).status).toBe(503)
    expect(await peer.rest()).toEqual([])
  })
})

test('an identity provider that is down is 503 with Retry-After for whoever signs in, and INVALID_TOKEN for nobody', async () => {
  const down = () => Promise.reject(new Error('secret cause'))
  const members = { signIn: down, refresh: down, verify: down, signOut: down, keys: down, ready: down }
  await using server = await startServer({}, { identity: { ...members, close: async () => {} } })
  for (const [path, body, headers] of [
    ['/anonymous-signin', undefined, {}],
    ['/refresh-token', { refresh_token: 'any' }, {}],
    ['/create-room', undefined, bearer('any')],
  ] as const) {
    const response = await server.post(path, body, headers)
    expect(response.headers.get('retry-after')).toBe('5')
    expect(await problemOf(response)).toMatchObject({ status: 503, code: 'UNAVAILABLE', retryable: true })
  }
  using peer = await server.connect()
  const register = { type: 'register', peer_id: 'a', room_id: 'b', token: 'c', id_token: 'd' }
  expect(await peer.ask(register)).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
  expect((await fetch(`${server.http}/readyz`)).status).toBe(503)
})

describe('a sign-in that the provider is slow at', () => {
  const never = () => new Promise<never>(() => {})
  const slow = (asked: (gone?: AbortSignal) => void): Identity => ({
    signIn(gone) {
      asked(gone)
      return never()
    },
    refresh: never,
    verify: never,
    signOut: never,
    keys: never,
    ready: never,
    close: async () => {},
  })

  test('may take 25 s, not longer, and not so all else', async () => {
    const clock = manualClock()
    const asked = Promise.withResolvers<void>()
    await using server = await startServer({}, { identity: slow(() => asked.resolve()), clock })
    let isAnswered = false
    const response = server.post('/anonymous-signin').finally(() => {
      isAnswered = true
    })
    await asked.promise
    clock.advance(24_999)
    // Whatever is answered now is answered before this.
    expect((await fetch(`${server.http}/livez`)).status).toBe(200)
    expect(isAnswered).toBe(false)
    clock.advance(1)
    expect(await problemOf(await response)).toMatchObject({ status: 503, code: 'UNAVAILABLE' })
  })

  test('is given up when its client has gone', async () => {
    const asked = Promise.withResolvers<AbortSignal | undefined>()
    await using server = await startServer({}, { identity: slow(asked.resolve) })
    const client = new AbortController()
    const response = fetch(`${server.http}/anonymous-signin`, { method: 'POST', signal: client.signal })
    const gone = await asked.promise
    expect(gone?.aborted).toBe(false)
    const given = new Promise(resolve => gone?.addEventListener('abort', resolve))
    client.abort()
    await expect(response).rejects.toThrow()
    await given
  })
})

test.each(['GET', 'HEAD'])('%s / sends browsers to /docs', async method => {
  const response = await fetch(server.http, { method, redirect: 'manual' })
  expect([response.status, response.headers.get('location'), await response.text()]).toEqual([302, '/docs', ''])
  expect((await fetch(server.http, { method })).url).toBe(`${server.http}/docs`)
})

describe('an address or a method that is not there', () => {
  test('is a problem, too', async () => {
    expect(await problemOf(await fetch(`${server.http}/nowhere`))).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    const wrong = await fetch(`${server.http}/create-room`)
    expect(wrong.headers.get('allow')).toBe('POST')
    expect(await problemOf(wrong)).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED' })
  })
})

describe('CORS', () => {
  const preflight = (at: TestServer, origin: string) =>
    fetch(`${at.http}/create-room`, {
      method: 'OPTIONS',
      headers: {
        Origin: origin,
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization',
      },
    })

  test('is off unless origins are configured', async () => {
    expect((await preflight(server, 'https://app.example.com')).headers.get('access-control-allow-origin')).toBeNull()
  })

  test('lets the configured origins in, errors included, and no others', async () => {
    await using open = await startServer({ PARLEY_ALLOWED_ORIGINS: 'https://app.example.com, http://localhost:3000' })
    const allowed = await preflight(open, 'https://app.example.com')
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example.com')
    expect(allowed.headers.get('access-control-allow-headers')).toContain('Authorization')
    expect((await preflight(open, 'https://evil.example.com')).headers.get('access-control-allow-origin')).toBeNull()
    const refused = await open.post('/create-room', {}, { Origin: 'http://localhost:3000' })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, 'http://localhost:3000'])
    expect(refused.headers.get('access-control-expose-headers')).toContain('Retry-After')
  })

  const allowedOrigin = (response: Response) => response.headers.get('access-control-allow-origin')

  test('with * lets every page in, also one without an origin', async () => {
    await using open = await startServer({ PARLEY_ALLOWED_ORIGINS: '*' })
    for (const origin of ['https://anybody.example', 'null', 'app://.']) {
      expect(allowedOrigin(await preflight(open, origin))).toBe('*')
      const answer = await open.post('/anonymous-signin', {}, { Origin: origin })
      expect([answer.status, allowedOrigin(answer)]).toEqual([200, '*'])
      // With it, no page could be let in by *.
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
    }
  })

  test('lets apps and subdomains in', async () => {
    const list = 'capacitor://localhost, https://*.example.com, null'
    await using open = await startServer({ PARLEY_ALLOWED_ORIGINS: list })
    for (const origin of ['capacitor://localhost', 'https://a.b.example.com', 'null']) {
      const answer = await preflight(open, origin)
      expect([allowedOrigin(answer), answer.headers.get('vary')]).toEqual([origin, expect.stringContaining('Origin')])
    }
    for (const origin of ['https://example.com', 'https://evilexample.com', 'tauri://localhost']) {
      expect(allowedOrigin(await preflight(open, origin))).toBeNull()
    }
  })

  test.each(['', 'https://app.example.com'])(
    'tells operators once of a page that it refuses (list: "%s")',
    async list => {
      const log = recordingLog()
      await using strict = await startServer({ PARLEY_ALLOWED_ORIGINS: list }, { log })
      const signIn = (headers: Record<string, string>) => strict.post('/anonymous-signin', {}, headers)
      // Neither a page of the server itself, nor a form or a link elsewhere, nor a program.
      await signIn({ Origin: strict.http })
      await signIn({ Origin: 'https://parley.example.com', 'Sec-Fetch-Site': 'same-origin', 'Sec-Fetch-Mode': 'cors' })
      await signIn({ Origin: 'https://other.example', 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' })
      await signIn({})
      const warnings = () => log.lines.filter(({ level }) => level === 40)
      expect(warnings()).toEqual([])
      await preflight(strict, 'https://page.example')
      await signIn({ Origin: 'https://page.example' })
      await signIn({ Origin: 'http://localhost:5173', 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'cors' })
      expect(warnings()).toMatchObject([
        { origin: 'https://page.example', over: 'http', msg: expect.stringContaining('PARLEY_ALLOWED_ORIGINS') },
        { origin: 'http://localhost:5173', over: 'http' },
      ])
      const metrics = await (await fetch(`${strict.http}/metrics`)).text()
      expect(metrics).toContain('\nparley_origins_refused_total{over="http"} 3\n')
    },
  )
})
