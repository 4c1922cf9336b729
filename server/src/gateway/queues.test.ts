import { describe, expect, test } from 'bun:test'
import { startServer, type TestServer } from '../../test/harness.ts'
import { clientFrame, rawConnection } from '../../test/raw-connection.ts'
import { manualClock } from '../clock.ts'
import { sqlite } from '../room-store/sqlite.ts'

type Room = Awaited<ReturnType<TestServer['createRoom']>>
type Raw = Awaited<ReturnType<typeof rawConnection>>

const MiB = 1024 * 1024
const big = 'x'.repeat(500_000)
const textFrame = (message: object) => clientFrame(1, Buffer.from(JSON.stringify(message)))

/** The value of a metric. */
async function metric(server: TestServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.http}/metrics`)).text()
  const line = text.split('\n').find(line => line.startsWith(`${name} `))
  if (!line) throw new Error(`no metric ${name}`)
  return Number(line.split(' ').at(-1))
}
const queued = (server: TestServer) => metric(server, 'parley_queued_bytes')
const cutOff = (server: TestServer, limit: string) => metric(server, `parley_slow_consumers_total{limit="${limit}"}`)

/** A registered peer that reads nothing more, unless it is told to. */
async function nonReader(server: TestServer, room: Room, peerId: string, members: object = {}): Promise<Raw> {
  const raw = await rawConnection(server.ws)
  const id_token = await server.signIn()
  const { room_id, token } = room
  raw.write(textFrame({ type: 'register', peer_id: peerId, room_id, token, id_token, ...members }))
  await raw.until(bytes => bytes.includes('"registered_auth"'))
  raw.pause()
  return raw
}

async function world(settings: Record<string, string> = {}) {
  const clock = manualClock()
  // No pings meanwhile, which nobody would answer.
  const limits = {
    PARLEY_SIGN_INS_PER_MINUTE: '10000',
    PARLEY_DEAD_AFTER_SECONDS: '900',
    // These tests are about memory, not about the work that large messages are.
    PARLEY_MAX_FAN_OUT_PER_SECOND: '1000000000',
  }
  const server = await startServer({ ...limits, ...settings }, { clock })
  const room = await server.createRoom(await server.signIn())
  const sender = await server.join(room, 'sender', { features: ['acks'] })
  let count = 0
  /** Sends it to a peer. @returns `ack`, or the code of the error */
  const send = async (target: string, text: string) => {
    const request_id = `r${++count}`
    const reply = await sender.ask({ type: 'offer', sender: 'sender', target, sdp: text, request_id })
    return reply.code ?? reply.type
  }
  /** Sends until so many bytes wait in all queues together. */
  const fill = async (target: string, bytes: number, text = big) => {
    while ((await queued(server)) < bytes) expect(await send(target, text)).toBe('ack')
  }
  /** Lets time go by where timers run: not below the handler of another socket, which has a buffer of its own open. */
  const pass = async (ms: number) => {
    await new Promise(resolve => setImmediate(resolve))
    clock.advance(ms)
  }
  /** Seconds that have gone by since the kernel last took something. It may be that one of them is not counted. */
  let untaken = 0
  /**
   * Lets seconds go by until so many in a row in which the kernel takes nothing, or until nothing waits. Although nobody
   * reads, it does take some for a while: as real time goes by, it sends again what did not fit.
   * @param already of these seconds; those of the last call if nothing is said
   */
  const untakenFor = async (seconds: number, already = untaken) => {
    untaken = already
    for (let before = await queued(server); before > 0 && untaken < seconds; ) {
      await pass(1_000)
      const now = await queued(server)
      untaken = now === before ? untaken + 1 : 0
      before = now
    }
  }
  return { server, room, sender, send, fill, untakenFor, pass }
}

describe('a peer that does not read', () => {
  test('is closed after 10 s in which it took nothing, and cut off 5 s later', async () => {
    const { server, room, send, fill, untakenFor } = await world()
    await using _ = server
    const raw = await nonReader(server, room, 'deaf')
    await fill('deaf', MiB)
    await untakenFor(8)
    expect(await cutOff(server, 'stalled')).toBe(0)
    await untakenFor(10)
    expect(await cutOff(server, 'stalled')).toBe(1)
    expect(await send('deaf', 'gone')).toBe('PEER_NOT_FOUND')
    // What waits has a last chance.
    await untakenFor(3, 0)
    expect(await queued(server)).toBeGreaterThan(0)
    await untakenFor(6)
    expect(await queued(server)).toBe(0)
    raw.resume()
    await raw.closed
  })

  test('and reads again when it is being closed gets all that was accepted for it, and 4410', async () => {
    const { server, room, fill, untakenFor } = await world()
    await using _ = server
    const raw = await nonReader(server, room, 'late')
    await fill('late', MiB)
    await untakenFor(10)
    expect(await cutOff(server, 'stalled')).toBe(1)
    raw.resume()
    expect(await raw.closeCode()).toBe(4410)
    expect((await raw.closed).length).toBeGreaterThan(MiB)
    expect(await queued(server)).toBe(0)
  })

  test('keeps its queue for 5 s when it is closed for another reason', async () => {
    const { server, room, fill, untakenFor } = await world()
    await using _ = server
    const raw = await nonReader(server, room, 'deaf', { features: ['presence'] })
    await fill('deaf', MiB)
    await server.post('/delete-peers-and-room', { room_id: room.room_id, token: room.token })
    await untakenFor(3, 0)
    expect(await queued(server)).toBeGreaterThan(0)
    await untakenFor(6)
    expect(await queued(server)).toBe(0)
    raw.resume()
    await raw.closed
  })

  test('has its pongs counted, too', async () => {
    const { server, room, fill, untakenFor } = await world()
    await using _ = server
    const raw = await nonReader(server, room, 'pinger')
    await fill('pinger', MiB)
    await untakenFor(2)
    const before = await queued(server)
    raw.write(Buffer.concat(Array.from({ length: 60 }, () => clientFrame(9, Buffer.alloc(125)))))
    while ((await queued(server)) === before);
    raw.end()
  })
})

test('a peer that takes some of its queue has its 10 s again', async () => {
  const { pass, server, room, fill, untakenFor, send } = await world()
  await using _ = server
  const raw = await nonReader(server, room, 'slow')
  await fill('slow', 3 * MiB)
  await untakenFor(8)
  const before = await queued(server)
  raw.resume()
  while ((await queued(server)) >= before);
  raw.pause()
  await fill('slow', 3 * MiB)
  await pass(9_000)
  expect(await cutOff(server, 'stalled')).toBe(0)
  expect(await send('slow', 'still there')).toBe('ack')
  raw.end()
})

test('a connection that never answers the farewell is ended after 30 s', async () => {
  const { pass, server, room } = await world()
  await using _ = server
  const raw = await nonReader(server, room, 'mute', { features: ['acks'] })
  raw.resume()
  await server.post('/delete-peers-and-room', { room_id: room.room_id, token: room.token })
  await raw.until(bytes => bytes.includes('"bye"'))
  await pass(30_000)
  await raw.closed
})

describe('the budget of all queues', () => {
  test('is never exceeded, and those who wait for little stay', async () => {
    const { server, room, sender, send, fill } = await world({ PARLEY_QUEUE_MEMORY_BYTES: String(4 * MiB) })
    await using _ = server
    const honest = await server.join(room, 'honest')
    const modest = await nonReader(server, room, 'modest')
    await fill('modest', 1, 'y'.repeat(20_000))
    const deaf: Raw[] = []
    for (let i = 0; i < 5; i++) {
      deaf.push(await nonReader(server, room, `deaf-${i}`))
      for (let n = 0; n < 12; n++) {
        await send(`deaf-${i}`, big)
        expect(await queued(server)).toBeLessThanOrEqual(2 * MiB)
        // Others notice nothing of it.
        expect(await send('honest', 'hello')).toBe('ack')
        expect(await honest.next()).toMatchObject({ sdp: 'hello' })
      }
    }
    expect(await cutOff(server, 'budget')).toBeGreaterThan(0)
    expect(await send('modest', 'last')).toBe('ack')
    modest.resume()
    await modest.until(bytes => bytes.subarray(-200).includes('last'))
    for (const raw of [modest, ...deaf]) raw.end()
    sender.socket.close()
  })

  test('holds within one broadcast to many, and their room hears that they are gone', async () => {
    const { server, room, sender } = await world({ PARLEY_QUEUE_MEMORY_BYTES: String(2 * MiB) })
    await using _ = server
    const watcher = await server.join(room, 'watcher', { features: ['presence'] })
    const deaf = await Promise.all(Array.from({ length: 6 }, (_, i) => nonReader(server, room, `deaf-${i}`)))
    for (let i = 0; i < 6; i++) expect(await watcher.next()).toMatchObject({ type: 'peer_joined' })
    const gone = new Set<unknown>()
    for (let n = 0; n < 20 && gone.size < 4; n++) {
      await sender.ask({ type: 'broadcast', payload: big, request_id: `b${n}` })
      expect(await queued(server)).toBeLessThanOrEqual(MiB)
      for (const { type, peer_id } of await watcher.rest()) if (type === 'peer_left') gone.add(peer_id)
    }
    expect(gone.size).toBeGreaterThanOrEqual(4)
    for (const raw of deaf) raw.end()
  })

  test('holds for what waits for a register, too', async () => {
    const clock = manualClock()
    const asked = Promise.withResolvers<undefined>()
    const store = sqlite(':memory:', clock)
    const hung = { ...store, get: () => asked.promise }
    const server = await startServer({ PARLEY_QUEUE_MEMORY_BYTES: String(MiB) }, { clock, store: hung })
    await using _ = server
    const register = { type: 'register', room_id: 'r', token: 't', id_token: await server.signIn() }
    const peers = await Promise.all(Array.from({ length: 12 }, () => server.connect()))
    for (const [i, peer] of peers.entries()) {
      peer.send({ ...register, peer_id: `p${i}` })
      for (let n = 0; n < 4; n++) peer.send({ type: 'offer', sender: `p${i}`, target: 'q', sdp: 'z'.repeat(50_000) })
    }
    const closed = await Promise.race(peers.map(peer => peer.closed))
    expect(closed.code).toBe(4429)
    expect(await queued(server)).toBeLessThanOrEqual(MiB / 2)
    asked.resolve(undefined)
    for (const peer of peers) peer.socket.close()
  })
})
