import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { startServer, type TestServer } from '../../test/harness.ts'
import { manualClock } from '../clock.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

/** A request of the identity that `idToken` proves; of nobody without it. */
async function ask(at: TestServer, idToken: string | undefined, method: string, path: string, body?: unknown) {
  const headers = idToken === undefined ? {} : { Authorization: `Bearer ${idToken}` }
  const response = await fetch(at.http + path, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const json = (text === '' ? undefined : JSON.parse(text)) as Record<string, unknown>
  return { status: response.status, headers: response.headers, body: json }
}

/** A room, and `owner`, which asks for a path below it as its owner. */
async function ownRoom(at: TestServer, options?: object) {
  const idToken = await at.signIn()
  const room = await at.createRoom(idToken, options)
  const path = `/rooms/${room.room_id}`
  return {
    idToken,
    room,
    path,
    owner: (method: string, below = '', body?: unknown) => ask(at, idToken, method, path + below, body),
  }
}

const named = (peerId: string) => `/peers/${encodeURIComponent(peerId)}`

describe('GET /rooms', () => {
  test('lists the live rooms of the caller and no others, in order of their end', async () => {
    const clock = manualClock()
    await using later = await startServer({}, { clock })
    const mine = await later.signIn()
    expect((await ask(later, mine, 'GET', '/rooms')).body).toEqual({ rooms: [] })
    const long = await later.createRoom(mine, { name: 'long', max_peers: 4, metadata: { a: 1 } })
    const short = await later.createRoom(mine, { ttl_seconds: 60 })
    await later.createRoom(await later.signIn())
    using _peer = await later.join(long, 'a')

    const list = await ask(later, mine, 'GET', '/rooms')
    expect(list).toMatchObject({ status: 200 })
    expect(list.headers.get('cache-control')).toBe('no-store')
    expect(list.body).toEqual({
      rooms: [
        { ...short, name: null, max_peers: null, locked: false, metadata: {}, peer_count: 0 },
        { ...long, name: 'long', max_peers: 4, locked: false, metadata: { a: 1 }, peer_count: 1 },
      ],
    })
    clock.advance(60_000)
    expect((await ask(later, mine, 'GET', '/rooms')).body).toMatchObject({ rooms: [{ name: 'long' }] })
  })
})

describe('GET /rooms/{room_id}', () => {
  test('tells of the peers, the invitations and who was removed', async () => {
    const { room, owner } = await ownRoom(server, { name: 'lab' })
    using _admin = await server.join(room, 'a', { is_admin: true, role: 'worker', channels: ['one', 'two'] })
    using _other = await server.join(room, 'b', { metadata: { gpu: true } })
    using unwanted = await server.join(room, 'c')
    const invite = (await owner('POST', '/invites', { role: 'guest' })).body
    await owner('DELETE', named('c'))
    await unwanted.closed

    const details = await owner('GET')
    expect(details.status).toBe(200)
    expect(details.headers.get('cache-control')).toBe('no-store')
    const { token: _, ...listed } = invite
    const connected_at = expect.any(Number)
    expect(details.body).toEqual({
      ...room,
      name: 'lab',
      max_peers: null,
      locked: false,
      metadata: {},
      peer_count: 2,
      peers: [
        { peer_id: 'a', role: 'worker', metadata: {}, connected_at, channels: ['one', 'two'] },
        { peer_id: 'b', role: 'peer', metadata: { gpu: true }, connected_at, channels: [] },
      ],
      admin_peer_id: 'a',
      removed: ['c'],
      invites: [listed],
    })
  })
})

describe('PATCH /rooms/{room_id}', () => {
  test('moves the end, which is then the one that counts', async () => {
    const clock = manualClock()
    await using later = await startServer({ PARLEY_DEAD_AFTER_SECONDS: '900' }, { clock })
    const { room, owner } = await ownRoom(later, { ttl_seconds: 60 })
    using peer = await later.join(room, 'a', { features: ['acks'] })
    const id_token = await later.signIn()
    clock.advance(59_000)
    const changed = await owner('PATCH', '', { ttl_seconds: 600 })
    expect(changed).toMatchObject({ status: 200, body: { expires_at: clock.now() / 1000 + 600, name: null } })
    expect(changed.headers.get('cache-control')).toBe('no-store')

    clock.advance(599_000)
    expect(await peer.rest()).toEqual([])
    clock.advance(1_000)
    expect(await peer.next()).toMatchObject({ type: 'error', code: 'ROOM_EXPIRED' })
    expect((await owner('GET')).status).toBe(410)
    using late = await later.connect()
    const register = { type: 'register', peer_id: 'b', ...room, id_token }
    expect(await late.ask(register)).toMatchObject({ code: 'ROOM_EXPIRED' })
  })

  test('can end a room sooner, too', async () => {
    const clock = manualClock()
    await using later = await startServer({}, { clock })
    const { room, owner } = await ownRoom(later)
    using peer = await later.join(room, 'a', { features: ['presence'] })
    expect((await owner('PATCH', '', { ttl_seconds: 1 })).status).toBe(200)
    clock.advance(1_000)
    expect(await peer.next()).toEqual({ type: 'room_closed', reason: 'expired' })
  })

  test('changes the name and the size, and nothing that it does not name', async () => {
    const { room, owner } = await ownRoom(server, { name: 'lab', max_peers: 1 })
    using _first = await server.join(room, 'a')
    await expect(server.join(room, 'b')).rejects.toThrow('ROOM_FULL')
    expect((await owner('PATCH', '', { max_peers: 2 })).body).toMatchObject({ name: 'lab', max_peers: 2 })
    using _second = await server.join(room, 'b')
    await expect(server.join(room, 'c')).rejects.toThrow('ROOM_FULL')
    expect((await owner('PATCH', '', { max_peers: null })).body).toMatchObject({ name: 'lab', max_peers: null })
    using _third = await server.join(room, 'c')
    expect((await owner('PATCH', '', { name: 'hall' })).body).toMatchObject({ name: 'hall', peer_count: 3 })
    expect((await owner('PATCH', '', { name: null })).body).toMatchObject({ name: null })
    expect((await owner('GET')).body).toMatchObject({ expires_at: room.expires_at, locked: false })
  })

  test('locks a room for who is new; who was in it may come back, and its owner enters', async () => {
    const { idToken, room, owner } = await ownRoom(server)
    const id_token = await server.signIn()
    using before = await server.join(room, 'a', { id_token })
    expect((await owner('PATCH', '', { locked: true })).body).toMatchObject({ locked: true })
    await expect(server.join(room, 'b')).rejects.toThrow('ROOM_LOCKED')
    const invite = (await owner('POST', '/invites')).body as { token: string }
    await expect(server.join({ ...room, token: invite.token }, 'b')).rejects.toThrow('ROOM_LOCKED')
    // Its name alone lets nobody in.
    before.socket.close()
    await before.closed
    await expect(server.join(room, 'a')).rejects.toThrow('ROOM_LOCKED')
    using _again = await server.join(room, 'a', { id_token })
    using _owner = await server.join(room, 'o', { id_token: idToken })
    expect((await owner('PATCH', '', { locked: false })).body).toMatchObject({ locked: false, peer_count: 2 })
    using _new = await server.join({ ...room, token: invite.token }, 'b')
  })

  test('refuses what is too much, what it does not know, and a body that changes nothing', async () => {
    await using strict = await startServer({ PARLEY_MAX_ROOM_TTL_SECONDS: '9000', PARLEY_MAX_PEERS_PER_ROOM: '9' })
    const { owner } = await ownRoom(strict)
    const before = (await owner('GET')).body
    const wrong: [unknown, string][] = [
      [{ ttl_seconds: 9001 }, 'ttl_seconds'],
      [{ ttl_seconds: 0 }, 'ttl_seconds'],
      [{ ttl_seconds: null }, 'ttl_seconds'],
      [{ max_peers: 10 }, 'max_peers'],
      [{ max_peers: '4' }, 'max_peers'],
      [{ name: '' }, 'name'],
      [{ locked: 1 }, 'locked'],
      [{ locked: null }, 'locked'],
      [{ name: 'lab', lokced: true }, 'lokced'],
      [{}, 'nothing'],
      [undefined, 'nothing'],
      [[], ''],
      [null, ''],
    ]
    for (const [body, what] of wrong) {
      const refused = await owner('PATCH', '', body)
      expect(refused).toMatchObject({ status: 400, body: { code: 'INVALID_MESSAGE' } })
      expect(refused.body.detail).toContain(what)
    }
    expect((await owner('GET')).body).toEqual(before)
    expect((await owner('PATCH', '', { ttl_seconds: 9000, max_peers: 9 })).status).toBe(200)
  })
})

test('DELETE /rooms/{room_id} ends the room for all', async () => {
  const { room, owner } = await ownRoom(server)
  using peer = await server.join(room, 'a', { features: ['presence'] })
  const deleted = await owner('DELETE')
  expect(deleted.status).toBe(204)
  expect(await peer.next()).toEqual({ type: 'room_closed', reason: 'deleted' })
  expect(await peer.next()).toMatchObject({ type: 'bye', code: 'ROOM_DELETED', reason: 'room_closed' })
  expect((await peer.closed).code).toBe(4504)
  await expect(server.join(room, 'a')).rejects.toThrow('ROOM_NOT_FOUND')
  expect(await owner('DELETE')).toMatchObject({ status: 404, body: { code: 'ROOM_NOT_FOUND' } })
})

describe('DELETE /rooms/{room_id}/peers/{peer_id}', () => {
  test('disconnects the peer with all others of its identity, keeps it out, and tells those who stay', async () => {
    const { room, owner } = await ownRoom(server)
    const id_token = await server.signIn()
    using witness = await server.join(room, 'w', { features: ['presence'] })
    using removed = await server.join(room, 'a', { id_token, features: ['acks'] })
    using plain = await server.join(room, 'a2', { id_token })
    expect([(await witness.next()).type, (await witness.next()).type]).toEqual(['peer_joined', 'peer_joined'])

    expect((await owner('DELETE', named('a'))).status).toBe(204)
    expect(await removed.next()).toMatchObject({
      type: 'bye',
      code: 'PEER_REMOVED',
      reason: 'removed',
      close_code: 4507,
    })
    expect((await removed.closed).code).toBe(4507)
    expect((await plain.closed).code).toBe(4507)
    expect([await witness.next(), await witness.next()]).toEqual([
      { type: 'peer_left', peer_id: 'a', reason: 'removed' },
      { type: 'peer_left', peer_id: 'a2', reason: 'removed' },
    ])

    using back = await server.connect()
    for (const peer_id of ['a', 'a2', 'somebody-else']) {
      const register = { type: 'register', peer_id, ...room, id_token }
      expect(await back.ask(register)).toMatchObject({ type: 'error', code: 'PEER_REMOVED', retryable: false })
    }
    // Who has another identity is another one.
    using _namesake = await server.join(room, 'a')
  })

  test('knows a peer that has left, and lets it in again once it is readmitted', async () => {
    const { room, owner } = await ownRoom(server)
    const id_token = await server.signIn()
    const gone = await server.join(room, 'a', { id_token })
    gone.socket.close()
    await gone.closed
    expect((await owner('DELETE', named('a'))).status).toBe(204)
    await expect(server.join(room, 'b', { id_token })).rejects.toThrow('PEER_REMOVED')
    expect((await owner('GET')).body).toMatchObject({ removed: ['a'] })

    const readmit = await owner('POST', `${named('a')}/readmit`)
    expect(readmit.status).toBe(204)
    using _back = await server.join(room, 'b', { id_token })
    expect((await owner('GET')).body).toMatchObject({ removed: [], peers: [{ peer_id: 'b' }] })
    expect(await owner('POST', `${named('a')}/readmit`)).toMatchObject({
      status: 404,
      body: { code: 'PEER_NOT_FOUND' },
    })
  })

  test('takes every name that a peer may have, percent-encoded', async () => {
    const { room, owner } = await ownRoom(server)
    for (const name of ['a/b', '/', '%2F', '100%', 'ü 🙂', '?', '#', 'a+b', '*', ':peer_id']) {
      const id_token = await server.signIn()
      using peer = await server.join(room, name, { id_token })
      expect([name, (await owner('DELETE', named(name))).status]).toEqual([name, 204])
      expect((await peer.closed).code).toBe(4507)
      expect([name, (await owner('POST', `${named(name)}/readmit`)).status]).toEqual([name, 204])
      using _back = await server.join(room, name, { id_token })
    }
  })

  test('is not taken for something else when a client makes "." and ".." of the path', async () => {
    const { room, owner } = await ownRoom(server)
    using peer = await server.join(room, 'a')
    for (const name of ['.', '..']) expect((await owner('DELETE', named(name))).status).toBe(404)
    expect(await peer.rest()).toEqual([])
  })

  test("disconnects the owner's own peer, which may come back", async () => {
    const { idToken, room, owner } = await ownRoom(server)
    using mine = await server.join(room, 'o', { id_token: idToken })
    expect((await owner('DELETE', named('o'))).status).toBe(204)
    expect((await mine.closed).code).toBe(4507)
    using _again = await server.join(room, 'o', { id_token: idToken })
  })

  test('does not know who never was there', async () => {
    const { owner } = await ownRoom(server)
    expect(await owner('DELETE', named('nobody'))).toMatchObject({ status: 404, body: { code: 'PEER_NOT_FOUND' } })
  })
})

describe('invitations', () => {
  type Invite = { invite_id: string; token: string }

  test('are told once, with all that was decided of them', async () => {
    const clock = manualClock()
    await using later = await startServer({}, { clock })
    const { owner } = await ownRoom(later)
    const plain = await owner('POST', '/invites')
    expect(plain.status).toBe(201)
    expect(plain.headers.get('cache-control')).toBe('no-store')
    const common = { invite_id: expect.any(String), token: expect.any(String), used_by: null }
    expect(plain.body).toEqual({ ...common, single_use: true, expires_at: null, role: null, channels: null })
    const body = { single_use: false, ttl_seconds: 60, role: 'viewer', channels: ['stage'] }
    const { ttl_seconds: _, ...decided } = body
    const full = await owner('POST', '/invites', body)
    expect(full.body).toEqual({ ...common, ...decided, expires_at: clock.now() / 1000 + 60 })
    const details = JSON.stringify((await owner('GET')).body)
    expect(details).toContain((full.body as Invite).invite_id)
    expect(details).not.toContain((full.body as Invite).token)
  })

  test('let one peer in, which may come back, and nobody after it', async () => {
    const { room, owner } = await ownRoom(server)
    const { token } = (await owner('POST', '/invites')).body as Invite
    const invited = { room_id: room.room_id, token }
    const id_token = await server.signIn()
    const first = await server.join(invited, 'a', { id_token })
    await expect(server.join(invited, 'b')).rejects.toThrow('INVITE_USED')
    await expect(server.join(invited, 'a')).rejects.toThrow('INVITE_USED')
    await expect(server.join(invited, 'b', { id_token })).rejects.toThrow('INVITE_USED')
    first.socket.close()
    await first.closed
    using _back = await server.join(invited, 'a', { id_token })
    expect((await owner('GET')).body).toMatchObject({ invites: [{ used_by: 'a' }] })
    using _other = await server.join(room, 'b')
  })

  test('for several let in several', async () => {
    const { room, owner } = await ownRoom(server)
    const { token } = (await owner('POST', '/invites', { single_use: false })).body as Invite
    using _a = await server.join({ ...room, token }, 'a')
    using _b = await server.join({ ...room, token }, 'b')
    expect((await owner('GET')).body).toMatchObject({ peer_count: 2, invites: [{ used_by: null }] })
  })

  test('end at their time', async () => {
    const clock = manualClock()
    await using later = await startServer({}, { clock })
    const { room, owner } = await ownRoom(later)
    const { token } = (await owner('POST', '/invites', { single_use: false, ttl_seconds: 60 })).body as Invite
    clock.advance(59_000)
    using _early = await later.join({ ...room, token }, 'a')
    clock.advance(1_000)
    await expect(later.join({ ...room, token }, 'b')).rejects.toThrow('INVITE_EXPIRED')
    using _other = await later.join(room, 'b')
  })

  test("fix role and channels, and do not tell the room's token", async () => {
    const { room, owner } = await ownRoom(server)
    const body = { role: 'viewer', channels: ['stage'] }
    const { token } = (await owner('POST', '/invites', body)).body as Invite
    using guest = await server.connect()
    const id_token = await server.signIn()
    const said = { role: 'admin', channels: ['backstage'], features: ['channels'] }
    const reply = await guest.ask({ type: 'register', peer_id: 'a', room_id: room.room_id, token, id_token, ...said })
    expect(reply).toMatchObject({ type: 'registered_auth', token, ...body })
    expect(JSON.stringify(reply)).not.toContain(room.token)
    expect((await owner('GET')).body).toMatchObject({ peers: [{ peer_id: 'a', ...body }] })
    guest.send({ type: 'join_channel', channel: 'backstage', request_id: 'r' })
    expect(await guest.next()).toMatchObject({ type: 'error', code: 'FORBIDDEN', request_id: 'r' })
    expect((await owner('GET')).body).toMatchObject({ peers: [{ peer_id: 'a', channels: ['stage'] }] })
  })

  test('can be taken back', async () => {
    const { room, owner } = await ownRoom(server)
    const { invite_id, token } = (await owner('POST', '/invites', { single_use: false })).body as Invite
    using guest = await server.join({ ...room, token }, 'a')
    const revoked = await owner('DELETE', `/invites/${invite_id}`)
    expect(revoked.status).toBe(204)
    await expect(server.join({ ...room, token }, 'b')).rejects.toThrow('INVALID_ROOM_TOKEN')
    expect(await guest.rest()).toEqual([])
    const again = await owner('DELETE', `/invites/${invite_id}`)
    expect(again).toMatchObject({ status: 404, body: { code: 'INVITE_NOT_FOUND' } })
    using _other = await server.join(room, 'b')
  })

  test('have the form that they should have', async () => {
    const { owner } = await ownRoom(server)
    const wrong: [unknown, string][] = [
      [{ single_use: 'yes' }, 'single_use'],
      [{ ttl_seconds: 0 }, 'ttl_seconds'],
      [{ ttl_seconds: 86_401 }, 'ttl_seconds'],
      [{ role: '' }, 'role'],
      [{ role: 'x'.repeat(65) }, 'role'],
      [{ role: 'a\u0000b' }, 'role'],
      [{ channels: 'stage' }, 'channels'],
      [{ channels: ['a\u200bb'] }, 'channels'],
      [{ channels: Array.from({ length: 33 }, (_, i) => `c${i}`) }, 'channels'],
      [{ chanels: ['stage'] }, 'chanels'],
      [[], ''],
    ]
    for (const [body, what] of wrong) {
      const refused = await owner('POST', '/invites', body)
      expect(refused).toMatchObject({ status: 400, body: { code: 'INVALID_MESSAGE' } })
      expect(refused.body.detail).toContain(what)
    }
    expect((await owner('GET')).body).toMatchObject({ invites: [] })
  })

  test('are no more than a hundred', async () => {
    const { owner } = await ownRoom(server)
    for (let n = 0; n < 100; n++) expect((await owner('POST', '/invites')).status).toBe(201)
    expect(await owner('POST', '/invites')).toMatchObject({ status: 409, body: { code: 'LIMIT_REACHED' } })
  })
})

describe('each of these requests', () => {
  const requests = (peerId: string, inviteId: string): [method: string, below: string, body?: object][] => [
    ['GET', ''],
    ['PATCH', '', { locked: true }],
    ['DELETE', ''],
    ['DELETE', named(peerId)],
    ['POST', `${named(peerId)}/readmit`],
    ['POST', '/invites'],
    ['DELETE', `/invites/${inviteId}`],
  ]

  test('is refused to whoever is not the owner, who learns nothing, be it a peer of the room', async () => {
    const { room, path, owner } = await ownRoom(server, { name: 'secret name' })
    const { invite_id } = (await owner('POST', '/invites')).body as { invite_id: string }
    const stranger = await server.signIn()
    using peer = await server.join(room, 'a', { id_token: stranger })
    const before = (await owner('GET')).body
    for (const [method, below, body] of requests('a', invite_id)) {
      const refused = await ask(server, stranger, method, path + below, body)
      expect([method, below, refused.status]).toEqual([method, below, 403])
      expect(refused.body).toMatchObject({ code: 'FORBIDDEN' })
      expect(JSON.stringify(refused.body)).not.toMatch(/secret name|peer_id/)
      expect(JSON.stringify(refused.body)).not.toContain(room.token)

      for (const token of [undefined, 'wrong']) {
        const unknown = await ask(server, token, method, path + below, body)
        expect(unknown).toMatchObject({ status: 401, body: { code: 'INVALID_TOKEN' } })
        expect(unknown.headers.get('www-authenticate')).toStartWith('Bearer ')
      }
    }
    expect((await owner('GET')).body).toEqual(before)
    expect(await peer.rest()).toEqual([])
    expect(await ask(server, undefined, 'GET', '/rooms')).toMatchObject({ status: 401 })
    expect((await ask(server, stranger, 'GET', '/rooms')).body).toEqual({ rooms: [] })
  })

  test('is told that a room is not there, or has ended', async () => {
    const clock = manualClock()
    await using later = await startServer({}, { clock })
    const { idToken, owner } = await ownRoom(later, { ttl_seconds: 60 })
    clock.advance(60_000)
    for (const [method, below, body] of requests('a', 'b')) {
      const missing = await ask(later, idToken, method, `/rooms/nowhere${below}`, body)
      expect(missing).toMatchObject({ status: 404, body: { code: 'ROOM_NOT_FOUND' } })
      expect(await owner(method, below, body)).toMatchObject({ status: 410, body: { code: 'ROOM_EXPIRED' } })
    }
  })
})

describe('the way to these routes', () => {
  test('is shown to who comes with another method', async () => {
    const { path, owner } = await ownRoom(server)
    for (const [method, below, allowed] of [
      ['POST', '', ['GET', 'PATCH', 'DELETE']],
      ['GET', named('a'), ['DELETE']],
      ['DELETE', `${named('a')}/readmit`, ['POST']],
      ['GET', '/invites', ['POST']],
      ['GET', '/invites/x', ['DELETE']],
    ] as const) {
      const refused = await owner(method, below)
      expect(refused).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } })
      expect(refused.headers.get('allow')?.split(', ').toSorted()).toEqual([...allowed].toSorted())
    }
    expect((await ask(server, undefined, 'GET', `${path}/`)).status).toBe(404)
  })

  test('is open to the pages of configured origins', async () => {
    const origin = 'https://app.example.com'
    await using open = await startServer({ PARLEY_ALLOWED_ORIGINS: origin })
    for (const method of ['PATCH', 'DELETE']) {
      const response = await fetch(`${open.http}/rooms/x`, {
        method: 'OPTIONS',
        headers: { Origin: origin, 'Access-Control-Request-Method': method },
      })
      expect(response.headers.get('access-control-allow-origin')).toBe(origin)
      expect(response.headers.get('access-control-allow-methods')?.split(',')).toContain(method)
    }
  })
})

describe('GET /ice-servers', () => {
  test('gives credentials to whoever proves an identity, in its name', async () => {
    const clock = manualClock()
    const turn = {
      PARLEY_TURN_URLS: 'turn:turn.example.com:3478',
      PARLEY_TURN_SECRET: 'a-secret-of-the-turn-servers-000',
    }
    await using later = await startServer({ PARLEY_STUN_URLS: 'stun:stun.example.com:3478', ...turn }, { clock })
    const { status, headers, body } = await ask(later, await later.signIn(), 'GET', '/ice-servers')
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
    const stun = { urls: ['stun:stun.example.com:3478'] }
    const username = expect.stringMatching(/^\d+:./)
    expect(body).toEqual({
      ice_servers: [stun, { urls: ['turn:turn.example.com:3478'], username, credential: expect.any(String) }],
      mesh_ice_servers: [stun],
      expires_at: expect.any(Number),
    })
    expect(body.expires_at).toBeGreaterThan(clock.now() / 1000)
    const other = await ask(later, await later.signIn(), 'GET', '/ice-servers')
    expect(other.body).not.toEqual(body)
  })

  test('gives none to nobody, and none where the operator says none', async () => {
    expect(await ask(server, undefined, 'GET', '/ice-servers')).toMatchObject({ status: 401 })
    await using without = await startServer({ PARLEY_STUN_URLS: 'none' })
    expect((await ask(without, await without.signIn(), 'GET', '/ice-servers')).body).toEqual({
      ice_servers: [],
      mesh_ice_servers: [],
    })
  })
})
