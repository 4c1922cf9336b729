import { describe, expect, test } from 'bun:test'
import { metricOf, startServer, TestPeer, type TestServer } from '../../test/harness.ts'
import { manualClock } from '../clock.ts'

const resumable = { features: ['acks', 'resume'] }

/** A server that is told to stop, and has time for it, with peers in it. */
async function stopping({ notice = 0, seconds = 0 }, ...peers: object[]) {
  const clock = manualClock()
  const server = await startServer(
    { PARLEY_DRAIN_NOTICE_SECONDS: `${notice}`, PARLEY_DRAIN_SECONDS: `${seconds}` },
    { clock },
  )
  const room = await server.createRoom(await server.signIn())
  const joined: TestPeer[] = []
  for (const [i, members] of peers.entries()) joined.push(await server.join(room, `peer-${i}`, members))
  const hurry = new AbortController()
  let isOver = false
  const drained = server.drain(hurry.signal).then(() => (isOver = true))
  return { clock, server, room, peers: joined, hurry, drained, isOver: () => isOver }
}

const ready = async ({ http }: TestServer) => (await fetch(`${http}/readyz`)).status

describe('a server that is told to stop', () => {
  test('goes on as before while load balancers notice, but is not ready', async () => {
    const { clock, server, room, peers, drained, isOver } = await stopping({ notice: 30 }, {}, resumable)
    expect(await ready(server)).toBe(503)
    clock.advance(29_999)
    const late = await server.join(room, 'late')
    expect(await late.rest()).toEqual([])
    expect(await ready(server)).toBe(503)
    for (const peer of peers) expect(await peer.rest()).toEqual([])
    expect(isOver()).toBe(false)
    clock.advance(1)
    for (const peer of [...peers, late]) expect(await peer.closed).toMatchObject({ code: 1001 })
    await drained
  })

  test('asks those that can to move, spread over half of its time, and closes what is left at its end', async () => {
    const { clock, server, peers, drained } = await stopping(
      { seconds: 20 },
      ...Array.from({ length: 40 }, () => resumable),
      { features: ['acks'] },
      {},
    )
    const told: number[] = []
    for (let second = 1; second <= 10; second++) {
      clock.advance(1_000)
      for (const peer of peers.slice(0, 40)) {
        for (const message of await peer.rest()) {
          expect(message).toEqual({
            type: 'go_away',
            reason: 'shutting_down',
            reconnect_after_ms: expect.any(Number),
            deadline_ms: expect.any(Number),
          })
          expect(Math.abs(Number(message.deadline_ms) - (20_000 - second * 1_000) - 500)).toBeLessThanOrEqual(501)
          expect(Number(message.reconnect_after_ms)).toBeLessThanOrEqual(1_000)
          told.push(second)
        }
      }
    }
    expect(told).toHaveLength(40)
    // Of 40, so many in one of ten seconds come once in a million times.
    for (let second = 1; second <= 10; second++) expect(told.filter(n => n === second).length).toBeLessThan(18)
    clock.advance(9_999)
    for (const peer of peers) expect(await peer.rest()).toEqual([])
    clock.advance(1)
    for (const peer of peers.slice(0, 41)) {
      expect(await peer.next()).toMatchObject({ type: 'bye', code: 'SHUTTING_DOWN', retry_after: expect.any(Number) })
    }
    for (const peer of peers) expect(await peer.closed).toMatchObject({ code: 1001 })
    await drained
    await server[Symbol.asyncDispose]()
  })

  test('lets a peer move to its other port, and does not ask it again', async () => {
    const clock = manualClock()
    await using server = await startServer({ PARLEY_DRAIN_SECONDS: '10' }, { clock })
    const room = await server.createRoom(await server.signIn())
    const bob = await server.join(room, 'bob', { features: ['acks', 'presence'] })
    const ada = await server.connect()
    const id_token = await server.signIn()
    const auth = await ada.ask({ type: 'register', peer_id: 'ada', ...room, id_token, ...resumable })
    const { token } = auth.session as { token: string }
    expect(await bob.next()).toMatchObject({ type: 'peer_joined' })
    const drained = server.drain()
    await ready(server)
    clock.advance(5_000)
    expect(await ada.next()).toMatchObject({ type: 'go_away' })
    // Until it has moved, all is as before.
    bob.send({ type: 'offer', target: 'ada', n: 1, request_id: '1' })
    expect([await bob.next(), await ada.next()]).toMatchObject([{ status: 'delivered' }, { n: 1 }])
    const moved = await TestPeer.connect(`${server.http.replace('http', 'ws')}/ws`)
    const resume = { type: 'resume', room_id: room.room_id, peer_id: 'ada', token, received: 2 }
    expect(await moved.ask(resume)).toMatchObject({ type: 'resumed' })
    expect(await ada.closed).toMatchObject({ code: 4505 })
    bob.send({ type: 'offer', target: 'ada', n: 2, request_id: '2' })
    expect([await bob.next(), await moved.next()]).toMatchObject([{ status: 'delivered' }, { n: 2 }])
    clock.advance(4_999)
    expect([await bob.rest(), await moved.rest()]).toEqual([[], []])
    clock.advance(1)
    expect(await moved.next()).toMatchObject({ type: 'bye' })
    expect(await moved.closed).toMatchObject({ code: 1001 })
    await drained
  })

  test('takes its time also when it had no connection for a while before', async () => {
    const clock = manualClock()
    await using server = await startServer({ PARLEY_DRAIN_SECONDS: '10' }, { clock })
    const room = await server.createRoom(await server.signIn())
    const first = await server.join(room, 'first')
    first.socket.close()
    await first.closed
    while ((await metricOf(server, 'parley_connections')) > 0) await new Promise(setImmediate)
    const peer = await server.join(room, 'second', resumable)
    const drained = server.drain()
    await ready(server)
    clock.advance(5_000)
    expect(await peer.next()).toMatchObject({ type: 'go_away' })
    clock.advance(5_000)
    expect(await peer.next()).toMatchObject({ type: 'bye' })
    await drained
  })

  test('stops at once without a connection, or when the last one ends', async () => {
    const empty = await stopping({ notice: 30, seconds: 30 })
    await empty.drained
    const { peers, drained, server, clock } = await stopping({ notice: 30, seconds: 30 }, resumable, {})
    expect(await ready(server)).toBe(503)
    clock.advance(31_000)
    for (const peer of peers) peer.socket.close()
    await drained
  })

  test('stops at once when it is hurried', async () => {
    const { peers, drained, hurry, clock, server } = await stopping({ notice: 30, seconds: 30 }, resumable, {})
    clock.advance(20_000)
    expect(await ready(server)).toBe(503)
    hurry.abort()
    for (const peer of peers) expect(await peer.closed).toMatchObject({ code: 1001 })
    await drained
  })

  test('has no time for it unless it is given some', async () => {
    const { peers, drained } = await stopping({}, resumable, {})
    for (const peer of peers) expect(await peer.closed).toMatchObject({ code: 1001 })
    await drained
  })
})
