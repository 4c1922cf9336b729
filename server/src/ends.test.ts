import { describe, expect, test } from 'bun:test'
import { recordingLog, startServer, type TestPeer, type TestServer } from '../test/harness.ts'
import { manualClock } from './clock.ts'
import { adapterTimeout } from './resilience/deadline.ts'
import type { RoomStore } from './room-store/room-store.ts'
import { sqlite } from './room-store/sqlite.ts'

// What is true when a service fails before or after it has done what it was asked for, over HTTP and WebSockets.

type Act = 'create' | 'update' | 'delete'
/** `fails`: nothing is done. `loses`: it is done, but the answer is an error. `hangs`: it is done when it is let go. */
type Fault = 'fails' | 'loses' | 'hangs'

/** The embedded store, which has a fault whenever it is told to. */
function faultyStore(store: RoomStore) {
  let fault: { readonly act: Act; readonly kind: Fault } | undefined
  let reached = Promise.withResolvers<void>()
  let gate = Promise.withResolvers<void>()
  const faulty =
    (act: Act) =>
    async <T>(work: () => Promise<T>): Promise<T> => {
      if (fault?.act !== act) return work()
      const { kind } = fault
      fault = undefined
      reached.resolve()
      if (kind === 'fails') throw new Error('the disk is gone')
      if (kind === 'hangs') await gate.promise
      const done = await work()
      if (kind === 'loses') throw new Error('the answer is lost')
      return done
    }
  const [creating, updating, deleting] = [faulty('create'), faulty('update'), faulty('delete')]
  return {
    store: {
      ...store,
      create: (room, maxLive, now) => creating(() => store.create(room, maxLive, now)),
      update: (roomId, change) => updating(() => store.update(roomId, change)),
      delete: roomId => deleting(() => store.delete(roomId)),
    } satisfies RoomStore,
    /** The next `act` has this fault. */
    next(act: Act, kind: Fault) {
      fault = { act, kind }
      reached = Promise.withResolvers()
      gate = Promise.withResolvers()
    },
    /** Resolves when that has been reached. */
    reached: () => reached.promise,
    letGo: () => gate.resolve(),
  }
}

interface Scene extends AsyncDisposable {
  readonly server: TestServer
  readonly clock: ReturnType<typeof manualClock>
  readonly log: ReturnType<typeof recordingLog>
  readonly faults: ReturnType<typeof faultyStore>
  readonly room: { room_id: string; token: string }
  /** What the owner of the room is answered below `/rooms`. */
  owner(method: string, path?: string, body?: object): Promise<{ status: number; body: Record<string, unknown> }>
}

async function scene(): Promise<Scene> {
  const clock = manualClock()
  const log = recordingLog()
  const faults = faultyStore(sqlite(':memory:', clock))
  const server = await startServer({}, { clock, log, store: faults.store })
  const idToken = await server.signIn()
  const room = await server.createRoom(idToken)
  return {
    ...{ server, clock, log, faults, room },
    async owner(method, path = `/${room.room_id}`, body) {
      const headers = { Authorization: `Bearer ${idToken}` }
      const response = await fetch(`${server.http}/rooms${path}`, {
        ...{ method, headers },
        ...(body && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

const withPresence = { features: ['presence', 'acks'] }

async function metric(server: TestServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.http}/metrics`)).text()
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
}

/** Whether the two can still speak to each other. */
async function speaks(from: TestPeer, to: TestPeer, target: string): Promise<void> {
  from.send({ type: 'offer', target, sdp: 'still here' })
  expect(await to.next()).toMatchObject({ type: 'offer', sdp: 'still here' })
}

/** The room is gone, here and for everybody. */
async function expectGone({ server, room, owner }: Scene, peer: TestPeer, code = 4504): Promise<void> {
  expect((await peer.closed).code).toBe(code)
  expect((await owner('GET')).status).toBe(404)
  await expect(server.join(room, 'late')).rejects.toThrow('ROOM_NOT_FOUND')
  expect(await metric(server, 'parley_rooms')).toBe(0)
}

describe('a deletion that the store', () => {
  test('refuses has not happened: the peers stay, and it can be asked for again', async () => {
    await using there = await scene()
    const { server, room, faults, owner } = there
    const [a, b] = [await server.join(room, 'a', withPresence), await server.join(room, 'b')]
    await a.next()
    faults.next('delete', 'fails')
    expect(await owner('DELETE')).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } })
    await speaks(a, b, 'b')
    expect((await owner('GET')).body.peer_count).toBe(2)
    expect((await owner('DELETE')).status).toBe(204)
    await expectGone(there, a)
  })

  test.each(['DELETE /rooms', 'POST /delete-peers-and-room'])(
    'makes without being able to say so is ended here by the next %s',
    async way => {
      await using there = await scene()
      const { server, room, faults, owner } = there
      const peer = await server.join(room, 'a', withPresence)
      faults.next('delete', 'loses')
      expect((await owner('DELETE')).status).toBe(503)
      const again = way === 'DELETE /rooms' ? owner('DELETE') : server.post('/delete-peers-and-room', room)
      expect((await again).status).toBeOneOf([200, 204])
      await expectGone(there, peer)
    },
  )

  test('makes without being able to say so is ended here by the next peer that wants to enter', async () => {
    await using there = await scene()
    const { server, room, faults, owner } = there
    const [peer, plain] = [await server.join(room, 'a', withPresence), await server.join(room, 'b')]
    faults.next('delete', 'loses')
    expect((await owner('DELETE')).status).toBe(503)
    await expect(server.join(room, 'c')).rejects.toThrow('ROOM_NOT_FOUND')
    await expectGone(there, peer)
    expect((await plain.closed).code).toBe(4504)
  })

  test('makes too late is not known yet to who asked, and ends the room here when it is made', async () => {
    await using there = await scene()
    const { server, room, faults, clock, owner } = there
    const [a, b] = [await server.join(room, 'a', withPresence), await server.join(room, 'b')]
    await a.next()
    faults.next('delete', 'hangs')
    const deletion = owner('DELETE')
    await faults.reached()
    clock.advance(adapterTimeout)
    expect(await deletion).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } })
    await speaks(a, b, 'b')
    faults.letGo()
    await expectGone(there, a)
  })

  test('refuses leaves a room without the peer that was named, and says so', async () => {
    await using there = await scene()
    const { server, room, faults, log } = there
    const peer = await server.join(room, 'a', withPresence)
    faults.next('delete', 'fails')
    const response = await server.post('/delete-peer', { peer_id: 'a', token: room.token })
    expect(await response.json()).toEqual({ status: 'peer deleted successfully. Room status: active' })
    expect((await peer.closed).code).toBe(4507)
    expect(log.lines.filter(({ level }) => level === 40)).toMatchObject([{ room: room.room_id }])
    await server.join(room, 'a')
  })
})

describe('a change that the store has made', () => {
  test('too late takes effect here when it is made', async () => {
    await using there = await scene()
    const { server, room, faults, clock, owner } = there
    const peer = await server.join(room, 'a', withPresence)
    faults.next('update', 'hangs')
    const removal = owner('DELETE', `/${room.room_id}/peers/a`)
    await faults.reached()
    clock.advance(adapterTimeout)
    expect((await removal).status).toBe(503)
    faults.letGo()
    expect((await peer.closed).code).toBe(4507)
  })

  test('too late is taken back where it was an invitation, as nobody knows its token', async () => {
    await using there = await scene()
    const { room, faults, clock, owner } = there
    faults.next('update', 'hangs')
    const invitation = owner('POST', `/${room.room_id}/invites`, {})
    await faults.reached()
    clock.advance(adapterTimeout)
    expect((await invitation).status).toBe(503)
    faults.letGo()
    // Answered behind both changes, as the embedded store makes them in order.
    expect((await owner('PATCH', `/${room.room_id}`, { name: 'later' })).status).toBe(200)
    expect((await owner('GET')).body.invites).toEqual([])
  })

  test('too late is taken back where it was a new room', async () => {
    await using there = await scene()
    const { server, faults, clock, owner } = there
    const before = (await owner('GET', '')).body
    faults.next('create', 'hangs')
    const { room } = there
    const idToken = await server.signIn()
    const headers = { Authorization: `Bearer ${idToken}` }
    const creation = server.post('/create-room', {}, headers)
    await faults.reached()
    clock.advance(adapterTimeout)
    expect((await creation).status).toBe(503)
    faults.letGo()
    const mine = await fetch(`${server.http}/rooms`, { headers })
    expect(await mine.json()).toEqual({ rooms: [] })
    expect((await owner('GET', '')).body).toEqual(before)
    await server.join(room, 'a')
  })
})

describe('an invitation for one peer that was used up by one that did not get in', () => {
  test('still lets the same identity in, and nobody else', async () => {
    await using there = await scene()
    const { server, room, faults, clock, owner } = there
    const { body } = await owner('POST', `/${room.room_id}/invites`, { single_use: true })
    const id_token = await server.signIn()
    const register = { type: 'register', peer_id: 'guest', room_id: room.room_id, token: body.token, id_token }

    const late = await server.connect()
    faults.next('update', 'hangs')
    late.send(register)
    await faults.reached()
    clock.advance(adapterTimeout)
    expect(await late.next()).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    faults.letGo()
    await expect(server.join({ ...room, token: String(body.token) }, 'other')).rejects.toThrow('INVITE_USED')
    expect(await late.ask(register)).toMatchObject({ type: 'registered_auth' })
  })

  test('or whose connection ended meanwhile', async () => {
    await using there = await scene()
    const { server, room, faults, owner } = there
    const { body } = await owner('POST', `/${room.room_id}/invites`, { single_use: true })
    const id_token = await server.signIn()
    const register = { type: 'register', peer_id: 'guest', room_id: room.room_id, token: body.token, id_token }
    const gone = await server.connect()
    faults.next('update', 'hangs')
    gone.send(register)
    await faults.reached()
    gone.socket.close()
    await gone.closed
    faults.letGo()
    const back = await server.connect()
    expect(await back.ask(register)).toMatchObject({ type: 'registered_auth' })
  })
})

test('a room that is deleted while somebody waits to enter it is not entered', async () => {
  await using there = await scene()
  const { server, room, faults, owner } = there
  const { body } = await owner('POST', `/${room.room_id}/invites`, { single_use: true })
  const entering = await server.connect()
  faults.next('update', 'hangs')
  const id_token = await server.signIn()
  entering.send({ type: 'register', peer_id: 'guest', room_id: room.room_id, token: body.token, id_token })
  await faults.reached()
  expect((await owner('DELETE')).status).toBe(204)
  faults.letGo()
  expect(await entering.next()).toMatchObject({ code: 'ROOM_NOT_FOUND' })
})
