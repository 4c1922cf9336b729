import { describe, expect, test } from 'bun:test'
import { turns } from '../../test/events.ts'
import { badNode, bytes, closedBy, frame, stranger, testNode, text } from '../../test/link-nodes.ts'
import { testProxy } from '../../test/link-proxy.ts'
import { manualClock } from '../clock.ts'
import { longestBody } from './frames.ts'

const unavailable = { code: 'UNAVAILABLE' }

/** A server at whose port somebody answers the phone and says nothing. */
async function silentPort() {
  const [connected, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const socket = { data: () => connected.resolve(), close: () => closed.resolve() }
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket })
  return {
    address: `127.0.0.1:${server.port}`,
    connected: connected.promise,
    closed: closed.promise,
    [Symbol.dispose]: () => server.stop(true),
  }
}

describe('a call', () => {
  test('is given up after 1 s, for all that wait for it, and the next one begins from the start', async () => {
    const clock = manualClock()
    const a = testNode('a', { clock })
    using silent = await silentPort()
    const calls = [a.links.to({ id: 'b', address: silent.address }), a.links.to({ id: 'b', address: silent.address })]
    const outcomes = Promise.allSettled(calls)
    await silent.connected
    clock.advance(999)
    expect(await Promise.race([outcomes, turns(5)])).toBeUndefined()
    clock.advance(1)
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: unavailable })
    expect(await a.said('link not opened')).toMatchObject({ node: 'b', reason: 'no answer in 1000 ms' })
    await silent.closed
    const b = testNode('b')
    expect((await a.links.to(b.node)).isOpen).toBe(true)
  })

  test('fails when nobody is there, and when the address is none', async () => {
    const a = testNode('a')
    const gone = testNode('b')
    gone.links.close()
    for (const address of [gone.node.address, 'nothing', '127.0.0.1', '127.0.0.1:99999', ':80', '[::1:80', '']) {
      await expect(a.links.to({ id: 'b', address })).rejects.toMatchObject(unavailable)
      expect(await a.links.answers({ id: 'b', address })).toBe(false)
    }
    await expect(a.links.to({ id: 'not an id', address: gone.node.address })).rejects.toMatchObject(unavailable)
  })

  test('asks whether a node answers without touching the links that there are', async () => {
    const clock = manualClock()
    const [a, b] = [testNode('a', { clock }), testNode('b')]
    const link = await a.links.to(b.node)
    await b.until(() => b.opened[0])
    expect(await a.links.answers(b.node)).toBe(true)
    expect([link.isOpen, b.opened.length, b.opened[0]?.isOpen]).toEqual([true, 1, true])
    using silent = await silentPort()
    const answer = a.links.answers({ id: 'b', address: silent.address })
    await silent.connected
    clock.advance(1_000)
    expect(await answer).toBe(false)
  })
})

describe('a link whose other side has gone without a word', () => {
  test('is dead after 5 s, on both sides', async () => {
    const clock = manualClock()
    const [a, b] = [testNode('a', { clock }), testNode('b', { clock })]
    const proxy = await testProxy(b.links.port)
    const link = await a.links.to({ id: 'b', address: `127.0.0.1:${proxy.port}` })
    const back = await b.until(() => b.opened[0])
    proxy.swallows = true
    clock.advance(4_999)
    expect([link.isOpen, back.isOpen]).toEqual([true, true])
    link.send(text, 1, 'into the void', 'relay')
    clock.advance(1)
    expect([link.isOpen, back.isOpen]).toEqual([false, false])
    expect(await closedBy(link)).toBe('nothing came for 5000 ms')
    expect(await b.said('link broken')).toMatchObject({
      node: 'a',
      isCaller: false,
      reason: 'nothing came for 5000 ms',
    })
    expect(b.received).toEqual([])
  })

  test('is not dead while one heartbeat a second comes, which it sends when it has nothing else to send', async () => {
    const clock = manualClock()
    const [a, b] = [testNode('a', { clock }), testNode('b', { clock })]
    const proxy = await testProxy(b.links.port)
    const link = await a.links.to({ id: 'b', address: `127.0.0.1:${proxy.port}` })
    const back = await b.until(() => b.opened[0])
    const { to, from } = { to: proxy.seen.to.length, from: proxy.seen.from.length }
    const seen = () => [proxy.seen.to.length - to, proxy.seen.from.length - from]
    // What the handshake was is a sign of life, too.
    clock.advance(1_000)
    for (let second = 1; second <= 12; second++) {
      clock.advance(1_000)
      await proxy.until(() => seen().every(length => length >= 9 * second))
      expect(seen()).toEqual([9 * second, 9 * second])
      await turns(5)
    }
    expect([link.isOpen, back.isOpen]).toEqual([true, true])
    link.send(bytes, 1, Buffer.alloc(1), 'relay')
    await b.until(() => b.received[0])
    clock.advance(1_000)
    await proxy.until(() => seen()[1] === 9 * 13)
    expect(seen()).toEqual([9 * 12 + 10, 9 * 13])
  })

  test('is given another second when it was this process that stood still', async () => {
    const clock = manualClock()
    let stood = 0
    const a = testNode('a', { clock: { ...clock, uptime: () => clock.uptime() + stood } })
    const link = await a.links.to(testNode('b').node)
    stood = 20_000
    clock.advance(1_000)
    expect(link.isOpen).toBe(true)
    clock.advance(999)
    expect(link.isOpen).toBe(true)
    clock.advance(1)
    expect(link.isOpen).toBe(false)
  })
})

test('a node that does not read is refused relays, then answers end the link; what was taken arrives if it reads', async () => {
  const bound = 1024 * 1024
  const relay = Buffer.alloc(50_000, 1)
  for (const reads of [true, false]) {
    const [a, b] = [testNode('a', { bound }), testNode('b')]
    const proxy = await testProxy(b.links.port)
    const link = await a.links.to({ id: 'b', address: `127.0.0.1:${proxy.port}` })
    await b.until(() => b.opened[0])
    proxy.pause()
    let sent = 0
    while (link.send(bytes, sent, relay, 'relay')) {
      sent++
      await turns(1)
    }
    expect(link.waiting).toBeGreaterThan(bound * 0.75 - 50_009)
    expect(link.waiting).toBeLessThanOrEqual(bound * 0.75)
    // Smaller ones may still have room, as a relay each.
    expect(link.send(bytes, sent, relay, 'answer')).toBe(true)
    sent++
    if (reads) {
      proxy.resume()
      await b.until(() => b.received.length === sent)
      expect(link.send(bytes, sent++, relay, 'relay')).toBe(true)
      await b.until(() => b.received.length === sent)
      expect(b.received.map(({ handle }) => handle)).toEqual(Array.from({ length: sent }, (_, index) => index))
    } else {
      let answers = 0
      while (link.send(bytes, sent, relay, 'answer')) answers++
      expect(answers).toBeGreaterThanOrEqual(3)
      expect(answers).toBeLessThanOrEqual(6)
      expect([link.isOpen, link.waiting]).toEqual([false, 0])
      expect(link.send(bytes, sent, relay, 'answer')).toBe(false)
      expect(await a.said('link broken')).toMatchObject({ node: 'b', reason: 'too much waits for it' })
    }
  }
})

test('much that is sent in one turn is refused only when the socket does not take it', async () => {
  const [a, b] = [testNode('a', { bound: 100_000 }), testNode('b')]
  const link = await a.links.to(b.node)
  for (let number = 0; number < 20; number++) expect(link.send(bytes, number, Buffer.alloc(40_000), 'relay')).toBe(true)
  await b.until(() => b.received.length === 20)
  // What is longer than the bound finds no room at all.
  expect(link.send(bytes, 0, Buffer.alloc(80_000), 'relay')).toBe(false)
  expect(link.isOpen).toBe(true)
})

test.each([
  ['a frame that is too long', frame(bytes, 1, Buffer.alloc(longestBody + 1)).subarray(0, 9)],
  ['a frame of an unknown type', frame(18, 1, 'nobody knows this')],
  ['a frame of an unknown type', frame(1, 0, 'a second handshake')],
  ['text that is not UTF-8', frame(text, 1, Buffer.from([0xc3, 0x28]))],
  ['text that is not UTF-8', frame(text, 1, Buffer.from('\ud83d\ude00').subarray(0, 3))],
  ['a malformed heartbeat', frame(0, 0, 'x')],
  ['a malformed heartbeat', frame(0, 1, '')],
])('%s breaks the link, and nothing after it is read', async (reason, fault) => {
  const b = testNode('b')
  const bad = await badNode('bad', b.node)
  bad.send(Buffer.concat([frame(text, 1, 'good'), frame(0, 0, ''), fault, frame(text, 2, 'behind')]))
  await bad.closed
  expect(await b.said('link broken')).toMatchObject({ node: 'bad', reason })
  expect(b.received.map(({ body }) => body)).toEqual(['good'])
  expect(b.opened[0]?.isOpen).toBe(false)
})

describe('somebody who has not proved anything', () => {
  test('is sent away with the first frame that does not belong there', async () => {
    const b = testNode('b')
    for (const [said, reason] of [
      ['GET / HTTP/1.1\r\n\r\n', 'a frame that is too long'],
      [frame(text, 1, 'too early'), 'an unexpected frame in the handshake'],
      [frame(0, 0, ''), 'an unexpected frame in the handshake'],
      [frame(1, 0, 'hello'), 'a malformed handshake'],
      [frame(1, 0, Buffer.alloc(257)).subarray(0, 9), 'a frame that is too long'],
    ] as const) {
      b.lines.length = 0
      const somebody = await stranger(b.links.port)
      somebody.send(Buffer.from(said))
      await somebody.closed
      expect(await b.said('link refused')).toMatchObject({ address: '127.0.0.1', reason })
      expect(somebody.heard).toHaveLength(0)
    }
    expect([b.opened, b.received]).toEqual([[], []])
  })

  test('has 5 s for it, and makes way for the next when there are 64', async () => {
    const clock = manualClock()
    const [a, b] = [testNode('a'), testNode('b', { clock })]
    const first = await stranger(b.links.port)
    const ended: number[] = []
    void first.closed.then(() => ended.push(0))
    const others = []
    for (let number = 1; number < 64; number++) {
      const next = await stranger(b.links.port)
      void next.closed.then(() => ended.push(number))
      others.push(next)
    }
    // The 65th.
    expect((await a.links.to(b.node)).isOpen).toBe(true)
    await first.closed
    expect(ended).toEqual([0])
    expect(await b.said('link refused')).toMatchObject({ reason: 'too many others try to open a link' })
    clock.advance(4_999)
    await turns(5)
    expect(ended).toEqual([0])
    clock.advance(1)
    await Promise.all(others.map(other => other.closed))
    expect(b.lines.filter(line => line.reason === 'no proof in 5000 ms').length).toBeGreaterThan(10)
  })

  test('does not fill the log', async () => {
    const clock = manualClock()
    const b = testNode('b', { clock })
    for (let number = 0; number < 30; number++) {
      const somebody = await stranger(b.links.port)
      somebody.send(Buffer.from('anything else'))
      await somebody.closed
    }
    const refused = () => b.lines.filter(line => line.msg === 'link refused').length
    expect(refused()).toBe(20)
    clock.advance(60_000)
    expect(b.lines.at(-1)).toMatchObject({ msg: 'more links refused than are logged', links: 10 })
    const somebody = await stranger(b.links.port)
    somebody.send(Buffer.from('anything else'))
    await somebody.closed
    expect(refused()).toBe(21)
  })
})
