import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { startServer, type TestServer } from '../../test/harness.ts'
import { clientFrame, rawConnection } from '../../test/raw-connection.ts'
import { manualClock } from '../clock.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

/** A room with peers in these channels, by name. */
async function roomWith<const Names extends string>(peers: Record<Names, readonly string[]>, members: object = {}) {
  const room = await server.createRoom(await server.signIn())
  const joined: Partial<Record<Names, Awaited<ReturnType<TestServer['join']>>>> = {}
  for (const name in peers) joined[name] = await server.join(room, name, { channels: peers[name], ...members })
  for (const peer of Object.values<Awaited<ReturnType<TestServer['join']>>>(joined as never)) await peer.rest()
  return { room, ...(joined as Record<Names, Awaited<ReturnType<TestServer['join']>>>) }
}

const offerTo = (target: string) => ({ type: 'offer', target, sdp: 'v=0' })

describe('peers in channels', () => {
  test('signal, see and find only those that share one', async () => {
    const { room, a, b } = await roomWith({ a: ['x'], b: ['x', 'y'], c: ['y'], d: [] })
    a.send(offerTo('b'))
    expect(await b.next()).toMatchObject({ type: 'offer', sender: 'a' })
    for (const target of ['c', 'd']) {
      expect(await a.ask(offerTo(target))).toMatchObject({ code: 'PEER_NOT_FOUND', target })
      expect(await a.ask({ type: 'peer_message', to_peer_id: target, payload: 1 })).toMatchObject({
        code: 'PEER_NOT_IN_ROOM',
      })
      expect(await a.ask({ type: 'mesh_connect', target_peer_id: target, offer: 1 })).toMatchObject({
        code: 'PEER_NOT_FOUND',
      })
    }
    expect(await a.ask({ type: 'query' })).toMatchObject({ peers: ['b'] })
    expect(await b.ask({ type: 'query' })).toMatchObject({ peers: ['a', 'c'] })
    expect(await a.ask({ type: 'discover_peers', filters: {} })).toMatchObject({ count: 1 })
    using late = await server.connect()
    const id_token = await server.signIn()
    const reply = await late.ask({ type: 'register', peer_id: 'e', ...room, id_token, channels: ['y'] })
    expect(reply).toMatchObject({ peer_list: ['b', 'c'], peer_metadata: { b: {}, c: {} } })
  })

  test('in none are in the common channel of the room', async () => {
    const { a, b } = await roomWith({ a: [], b: [], c: ['x'] })
    expect(await a.ask({ type: 'query' })).toMatchObject({ peers: ['b'] })
    a.send(offerTo('b'))
    expect(await b.next()).toMatchObject({ type: 'offer' })
  })

  test('may change them: who leaves the last is in the common one again', async () => {
    const { a, b } = await roomWith({ a: [], b: ['x'] }, { features: ['acks'] })
    const done = (request_id: string) => ({ type: 'ack', request_id, status: 'delivered' })
    expect(await a.ask({ type: 'join_channel', channel: 'x', request_id: '1' })).toEqual(done('1'))
    expect(await a.ask({ type: 'join_channel', channel: 'x', request_id: '2' })).toEqual(done('2'))
    expect(await a.ask({ type: 'query' })).toMatchObject({ peers: ['b'] })
    expect(await b.ask({ type: 'leave_channel', channel: 'x', request_id: '3' })).toEqual(done('3'))
    expect(await a.ask({ type: 'query' })).toMatchObject({ peers: [] })
    expect(await a.ask({ type: 'leave_channel', channel: 'x', request_id: '4' })).toEqual(done('4'))
    expect(await a.ask({ type: 'query' })).toMatchObject({ peers: ['b'] })
    expect(await a.ask({ type: 'leave_channel', channel: 'x' })).toMatchObject({ code: 'NOT_IN_CHANNEL' })
  })

  test('may be in 32 of them', async () => {
    const { a } = await roomWith({ a: Array.from({ length: 32 }, (_, n) => `channel ${n}`) })
    expect(await a.ask({ type: 'join_channel', channel: 'one more' })).toMatchObject({ code: 'LIMIT_REACHED' })
  })
})

describe('a broadcast', () => {
  test('reaches all that share a channel with its sender, itself excepted', async () => {
    const { a, b, c, d } = await roomWith({ a: ['x', 'y'], b: ['x', 'y'], c: ['y'], d: [] })
    a.send('{"type":"broadcast","payload":{"n":1.0}}')
    expect(await b.nextText()).toBe('{"type":"broadcast","from_peer_id":"a","payload":{"n":1.0}}')
    expect(await c.next()).toMatchObject({ from_peer_id: 'a' })
    for (const peer of [a, b, c, d]) expect(await peer.rest()).toEqual([])
  })

  test('to a channel reaches its members, and is theirs alone to send', async () => {
    const { a, b, c } = await roomWith({ a: ['x', 'y'], b: ['x'], c: ['y'] }, { features: ['acks'] })
    const message = { type: 'broadcast', channel: 'x', payload: 7, request_id: 'r-1' }
    expect(await a.ask(message)).toEqual({ type: 'ack', request_id: 'r-1', status: 'delivered' })
    expect(await b.next()).toEqual({ type: 'broadcast', from_peer_id: 'a', channel: 'x', payload: 7 })
    expect(await c.rest()).toEqual([])
    expect(await c.ask(message)).toMatchObject({ code: 'NOT_IN_CHANNEL', request_id: 'r-1' })
    expect(await c.ask({ ...message, channel: 'y', from_peer_id: 'a' })).toMatchObject({ code: 'SENDER_MISMATCH' })
    expect(await b.rest()).toEqual([])
  })

  test('in a room without channels reaches everybody, plain peers too, and nobody of another room', async () => {
    const { a, b, c } = await roomWith({ a: [], b: [], c: [] })
    const other = await roomWith({ a: [], b: [] })
    a.send({ type: 'broadcast', payload: 'hello' })
    for (const peer of [b, c]) expect(await peer.next()).toMatchObject({ type: 'broadcast', payload: 'hello' })
    expect(await other.b.rest()).toEqual([])
  })

  test('that some do not read reaches the others, and its sender is told whom it did not reach', async () => {
    await using small = await startServer({ PARLEY_MAX_QUEUE_BYTES: '65536' })
    const idToken = await small.signIn()
    const room = await small.createRoom(idToken)
    using a = await small.join(room, 'a', { features: ['acks'] })
    using b = await small.join(room, 'b')
    const deaf = await rawConnection(small.ws)
    const { room_id, token } = room
    const register = { type: 'register', peer_id: 'deaf', room_id, token, id_token: await small.signIn() }
    deaf.write(clientFrame(1, Buffer.from(JSON.stringify(register))))
    while (!((await a.ask({ type: 'query' })).peers as string[]).includes('deaf'));
    deaf.pause()
    const payload = 'x'.repeat(500_000)
    for (;;) {
      const answer = await a.ask({ type: 'broadcast', payload, request_id: 'r' })
      expect(await b.next()).toMatchObject({ payload })
      if (answer.type === 'ack') continue
      expect(answer).toMatchObject({ code: 'DELIVERY_FAILED', undelivered: ['deaf'], request_id: 'r', retryable: true })
      break
    }
    deaf.end()
  })
})

test('what reaches many peers is limited, so that it does not hold up the others', async () => {
  const clock = manualClock()
  await using strict = await startServer({ PARLEY_MAX_FAN_OUT_PER_SECOND: '100' }, { clock })
  const room = await strict.createRoom(await strict.signIn())
  const [a, b, c] = [await strict.join(room, 'a'), await strict.join(room, 'b'), await strict.join(room, 'c')]
  for (let n = 0; n < 45; n++) a.send({ type: 'broadcast', payload: n })
  const refused = await a.rest()
  const delivered = 45 - refused.length
  expect(delivered).toBeGreaterThan(20)
  expect(refused[0]).toMatchObject({ code: 'RATE_LIMITED', retryable: true, retry_after: 1 })
  for (const message of [
    { type: 'broadcast', payload: 2 },
    { type: 'query' },
    { type: 'discover_peers' },
    { type: 'update_metadata', metadata: {} },
    { type: 'join_channel', channel: 'x' },
    { type: 'leave_channel', channel: 'x' },
  ]) {
    expect(await a.ask(message)).toMatchObject({ code: 'RATE_LIMITED', retryable: true, retry_after: 1 })
  }
  a.send(offerTo('b'))
  expect((await b.rest()).at(-1)).toMatchObject({ type: 'offer' })
  expect(await c.rest()).toHaveLength(delivered)
  expect(await c.ask({ type: 'query' })).toMatchObject({ peers: ['a', 'b'] })
  clock.advance(1000)
  expect(await a.ask({ type: 'query' })).toMatchObject({ peers: ['b', 'c'] })
})
