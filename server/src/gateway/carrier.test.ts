import { expect, test } from 'bun:test'
import { silentLog } from '../../test/harness.ts'
import { manualClock } from '../clock.ts'
import { createMetrics } from '../metrics.ts'
import { CarriedSocket } from './carried-socket.ts'
import { Carrier } from './carrier.ts'
import { Crossing, type NodeLink } from './crossing.ts'
import { crossing, frameBytes } from './crossing-frames.ts'
import { Queues } from './queues.ts'
import type { Socket } from './socket.ts'

/** A socket that takes what it is told to. */
function fakeSocket() {
  const self = {
    remoteAddress: '',
    buffered: 0,
    /** What it takes when it is asked to. */
    takes: 0,
    /** What `sendText` answers, if not that it waits. */
    outcome: -1,
    done: [] as unknown[],
    sendText(text: string) {
      if (self.outcome !== 0) self.buffered += frameBytes(text)
      return self.outcome
    },
    ping: () => 1,
    getBufferedAmount: () => self.buffered,
    cork<R>(act: (socket: never) => R): R {
      self.buffered -= self.takes
      return act(undefined as never)
    },
    close: (code?: number) => void self.done.push(code),
    terminate: () => void self.done.push('terminated'),
  }
  return self satisfies Socket
}

function world() {
  const clock = manualClock()
  const queues = new Queues({ clock, log: silentLog, metrics: createMetrics(), budget: 100_000_000 })
  const socket = fakeSocket()
  const sent: [number, string][] = []
  const events: unknown[] = []
  const way = {
    takesRelays: true,
    send(type: number, body: string | Uint8Array, kind: string) {
      if (kind === 'relay' && !way.takesRelays) return false
      sent.push([type, Buffer.from(body as string).toString()])
      return true
    },
  }
  const carrier = new Carrier(socket, way, {
    ...{ clock, queues },
    ended: () => void events.push('ended'),
    returned: back => void events.push(back.map(String)),
  })
  const said = (type: number) => sent.filter(([other]) => other === type).map(([, body]) => body)
  return { clock, queues, socket, sent, events, way, carrier, said }
}

test('the owner hears of each byte that a slow socket takes, once a second', () => {
  const { clock, socket, carrier, said, queues } = world()
  const text = 'é'.repeat(10_000)
  carrier.text(text)
  expect(said(crossing.taken)).toEqual([])
  socket.takes = 1
  for (let i = 1; i <= 3; i++) {
    clock.advance(1000)
    expect(said(crossing.taken).at(-1)).toBe(String(i))
  }
  socket.buffered = 0
  carrier.outgoing.drained()
  expect(said(crossing.taken).at(-1)).toBe(String(frameBytes(text)))
  expect(queues.bytes).toBe(0)
})

test('both nodes count the bytes that the runtime counts, whatever the text is', () => {
  const { clock, socket, carrier, way } = world()
  const owner = new CarriedSocket(way, clock, () => {})
  for (const text of ['x'.repeat(125), 'é'.repeat(63), 'x'.repeat(65_536), '😀'.repeat(20_000)]) {
    owner.sendText(text)
    carrier.text(text)
  }
  expect(owner.getBufferedAmount()).toBe(socket.buffered)
  expect(socket.buffered).toBe(127 + 130 + 65_546 + 80_010)
})

test('a socket whose runtime throws a frame away is ended, so that nothing is missing in between', () => {
  const { socket, carrier } = world()
  socket.outcome = 0
  carrier.text('x')
  expect(socket.done).toEqual(['terminated'])
})

test('a frame that the way cannot take ends this socket, with a code that clients come back from', () => {
  const { socket, sent, way, carrier } = world()
  carrier.receive('first')
  way.takesRelays = false
  carrier.receive('second')
  way.takesRelays = true
  carrier.receive('third')
  expect(sent).toEqual([
    [crossing.text, 'first'],
    [crossing.close, '{"code":1006}'],
  ])
  expect(socket.done).toEqual([1012])
})

test('a text that the link cannot take ends the connection, for its peer to come back for it', async () => {
  const { clock, sent, way } = world()
  way.takesRelays = false
  const ended = Promise.withResolvers<void>()
  const socket = new CarriedSocket(way, clock, ended.resolve)
  expect(socket.sendText('x')).toBe(0)
  await ended.promise
  expect(sent.map(([type]) => type)).toEqual([crossing.terminate])
})

test('what is given back is handled here, with what came since, in order', () => {
  const { carrier, clock, events, said } = world()
  carrier.receive('a')
  carrier.elsewhere('a')
  carrier.receive('c')
  carrier.elsewhere('b')
  expect(said(crossing.close)).toEqual(['{"code":1000}'])
  carrier.close({ code: 1000 })
  // All of it is here: that the way ends now, too, changes nothing.
  carrier.lost()
  carrier.receive('d')
  expect(events).toEqual([])
  clock.advance(100)
  expect(events).toEqual([['a', 'b', 'c', 'd']])
})

test('a socket whose frames were not all given back when the way was lost is closed', () => {
  const { carrier, events, socket } = world()
  carrier.receive('a')
  carrier.elsewhere('a')
  carrier.lost()
  expect(events).toEqual([])
  expect(socket.done).toEqual([1012])
})

test.each([
  [0, 1006],
  [1000, 1000],
  [4999, 4999],
  [65_535, 1006],
])('a socket that ends with %d is told to have ended with %d', (code, told) => {
  const { carrier, said, events } = world()
  carrier.closed(code)
  expect(said(crossing.close)).toEqual([JSON.stringify({ code: told })])
  expect(events).toEqual(['ended'])
})

test('a socket that is handed over to a link that has ended meanwhile is closed', async () => {
  const { clock, queues, socket } = world()
  const link: NodeLink = { isCaller: true, send: () => false, onClosed: act => act(), close() {} }
  const parts = { clock, log: silentLog, queues, link: async () => link }
  const between = new Crossing({
    ...parts,
    connect: () => {
      throw new Error('nobody opens one here')
    },
    disconnected() {},
  })
  const handOver = await between.to('other')
  const client = { address: undefined, hidden: undefined, limitKey: '', nearest: '', isDirect: true }
  handOver({ socket, client, openedAt: 0, frames: ['x'] }, { ended() {}, returned() {} })
  await Promise.resolve()
  expect(socket.done).toEqual([1012])
  expect(between.size).toEqual({ away: 0, here: 0 })
})

test('what waited for a socket that was given back does not count any more', () => {
  const { clock, way } = world()
  const socket = new CarriedSocket(way, clock, () => {})
  socket.sendText('x'.repeat(100_000))
  expect(socket.getBufferedAmount()).toBeGreaterThan(100_000)
  socket.giveBack([])
  expect(socket.getBufferedAmount()).toBe(0)
})
