import { describe, expect, test } from 'bun:test'
import { SignalingError } from '@parley/protocol'
import { bytes, closedBy, secret, stranger, testNode, text } from '../../test/link-nodes.ts'
import { type Clock, manualClock, systemClock } from '../clock.ts'
import { longestBody } from './frames.ts'

const utf8 = (value: string) => new Uint8Array(Buffer.from(value))

describe('a link', () => {
  test('is one for all that call the same node, and carries frames both ways', async () => {
    const [a, b] = [testNode('a'), testNode('b')]
    const [link, same] = await Promise.all([a.links.to(b.node), a.links.to(b.node)])
    expect(same).toBe(link)
    expect(await a.links.to(b.node)).toBe(link)
    const other = await b.until(() => b.opened[0])
    expect([link.nodeId, link.isCaller, link.version, link.isOpen]).toEqual(['b', true, 1, true])
    expect([other.nodeId, other.isCaller, other.version, other.isOpen]).toEqual(['a', false, 1, true])

    expect(link.send(text, 7, 'there', 'relay')).toBe(true)
    expect(link.send(bytes, 2 ** 32 - 1, utf8('and more'), 'answer')).toBe(true)
    await b.until(() => b.received.length === 2)
    expect(b.received.map(({ type, handle, body }) => [type, handle, body.toString()])).toEqual([
      [text, 7, 'there'],
      [bytes, 2 ** 32 - 1, 'and more'],
    ])
    expect(b.received[0]?.link).toBe(other)

    expect(other.send(text, 7, 'and back', 'answer')).toBe(true)
    const back = await a.until(() => a.received[0])
    expect([back.link, back.handle, back.body]).toEqual([link, 7, 'and back'])
    expect(b.opened).toHaveLength(1)
  })

  test('is there twice for two nodes that call each other, and each breaks alone', async () => {
    const [a, b, c] = [testNode('a'), testNode('b'), testNode('c')]
    const there = await a.links.to(b.node)
    const back = await b.links.to(a.node)
    const third = await c.links.to(a.node)
    await a.until(() => a.opened.length === 2)
    await b.until(() => b.opened.length === 1)
    const ended = closedBy(b.opened[0] ?? there)
    there.close()
    expect(await ended).toBe('closed by the other node')
    expect([there.isOpen, back.isOpen, third.isOpen]).toEqual([false, true, true])
    for (const link of [back, third]) link.send(text, 1, link === back ? 'b' : 'c', 'relay')
    await a.until(() => a.received.length === 2)
    expect(a.received.map(({ link, body }) => [link.nodeId, body]).toSorted()).toEqual([
      ['b', 'b'],
      ['c', 'c'],
    ])
    expect(await a.links.to(b.node)).not.toBe(there)
  })

  test('carries each text as it is, and each body up to the longest', async () => {
    const [a, b] = [testNode('a'), testNode('b')]
    const link = await a.links.to(b.node)
    const texts = ['', '\ufeffwith a byte order mark', 'ä€😀', '\0', 'x'.repeat(longestBody)]
    for (const body of [...texts, 'half \ud800 a pair']) expect(link.send(text, 0, body, 'answer')).toBe(true)
    await b.until(() => b.received.length === 6)
    expect(b.received.map(({ body }) => body)).toEqual([...texts, 'half \ufffd a pair'])
    for (const body of ['x'.repeat(longestBody + 1), `${'x'.repeat(longestBody - 2)}€`])
      expect(() => link.send(text, 0, body, 'answer')).toThrow(new SignalingError('MESSAGE_TOO_BIG'))
  })

  test('sends nothing of what there is not, and goes on', async () => {
    const [a, b] = [testNode('a'), testNode('b')]
    const link = await a.links.to(b.node)
    for (const [type, body] of [
      [text, utf8('bytes')],
      [bytes, 'text'],
      [18, 'text'],
      [0, ''],
      [3, utf8('a proof')],
    ] as const)
      expect(() => link.send(type, 0, body, 'answer')).toThrow(TypeError)
    for (const handle of [-1, 2 ** 32]) expect(() => link.send(text, handle, '', 'answer')).toThrow(RangeError)
    link.send(text, 0, 'good', 'answer')
    await b.until(() => b.received.length === 1)
    expect(b.received[0]?.body).toBe('good')
  })

  test('sends bytes as they were, whatever is done to them afterwards', async () => {
    const [a, b] = [testNode('a'), testNode('b')]
    const body = utf8('as it was')
    const link = await a.links.to(b.node)
    link.send(bytes, 0, body, 'relay')
    body.fill(0)
    const { body: came } = await b.until(() => b.received[0])
    expect(came.toString()).toBe('as it was')
  })

  test('goes on when its listener throws, which the log tells', async () => {
    const a = testNode('a')
    const listener = {
      opened: () => {
        throw new Error('when opened')
      },
      received: () => {
        throw new Error('when received')
      },
    }
    const b = testNode('b', { listener })
    const link = await a.links.to(b.node)
    link.onClosed(() => {
      throw new Error('when closed')
    })
    for (const body of ['1', '2']) link.send(text, 0, body, 'relay')
    await b.until(() => b.received.length === 2)
    const errors = () => [...b.lines, ...a.lines].filter(line => line.msg === 'unforeseen error')
    expect(errors()).toHaveLength(3)
    expect(link.isOpen).toBe(true)
    link.close()
    expect(errors()).toHaveLength(4)
  })

  test('takes the place of the one that the same node had called before', async () => {
    const [a, b] = [testNode('a'), testNode('b')]
    await a.links.to(b.node)
    const former = await b.until(() => b.opened[0])
    // Another process under the id of the first, which b thinks is connected.
    const again = testNode('a')
    const next = await again.links.to(b.node)
    expect(await closedBy(former)).toBe('replaced by a newer one')
    await b.until(() => b.opened.length === 2)
    next.send(text, 0, 'here', 'relay')
    await b.until(() => b.received[0])
    expect(b.received[0]?.link).toBe(b.opened[1] as never)
  })
})

describe('close', () => {
  test('ends all links after what was sent, and opens no more', async () => {
    const [a, b, c] = [testNode('a'), testNode('b'), testNode('c')]
    const link = await a.links.to(b.node)
    const other = await c.links.to(a.node)
    await a.until(() => a.opened[0])
    link.send(text, 1, 'the last word', 'answer')
    const [ended, otherEnded] = [closedBy(b.opened[0] ?? link), closedBy(other)]
    a.links.close()
    expect(link.isOpen).toBe(false)
    expect(link.send(text, 1, 'too late', 'answer')).toBe(false)
    expect(await closedBy(link)).toBe('closed by this node')
    expect([await ended, await otherEnded]).toEqual(['closed by the other node', 'closed by the other node'])
    expect(b.received.map(({ body }) => body)).toEqual(['the last word'])
    await expect(a.links.to(b.node)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(b.links.to(a.node)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await b.links.answers(a.node)).toBe(false)
    // Nothing of it was a fault.
    for (const node of [a, b, c]) expect(node.lines.filter(line => line.msg === 'link broken')).toEqual([])
  })

  test('ends what has just begun, on either side', async () => {
    const [a, b] = [testNode('a'), testNode('b')]
    const call = a.links.to(b.node)
    a.links.close()
    await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await b.said('link refused')
    expect(b.opened).toEqual([])
    const somebody = await stranger(b.links.port)
    // Once this one is open, the other was heard of.
    await testNode('c').links.to(b.node)
    b.links.close()
    await somebody.closed
  })

  test('leaves nothing that runs', async () => {
    const clock = manualClock()
    let planned = 0
    const after: Clock['after'] = (ms, act) => {
      planned++
      return clock.after(ms, act)
    }
    const [a, b] = [testNode('a', { clock: { ...clock, after } }), testNode('b')]
    const link = await a.links.to(b.node)
    clock.advance(2_000)
    link.close()
    planned = 0
    clock.advance(20_000)
    expect(planned).toBe(0)
  })
})

test('100,000 frames of mixed sizes arrive both ways at once, in order, byte for byte', async () => {
  const count = 100_000
  const bodies = Array.from({ length: 97 }, (_, index) => {
    if (index === 0) return 'x'.repeat(longestBody)
    const size = index < 4 ? 400_000 * index : (index * index * 13) % 12_000
    return Buffer.from(Array.from({ length: Math.min(size, 256) }, (_, at) => 32 + ((at * index) % 90)))
      .toString()
      .padEnd(size, `${index} ä€😀 `)
      .slice(0, Math.floor(size / 4))
      .toWellFormed()
  })
  const asBytes = bodies.map(body => Buffer.from(body))
  // The big ones come seldom.
  const indexOf = (number: number) => (number % 500 === 0 ? (number / 500) % 4 : 4 + (number % (bodies.length - 4)))
  const wrong: number[] = []
  const reads = () => {
    let next = 0
    const done = Promise.withResolvers<void>()
    const received = (_: unknown, type: number, handle: number, body: string | Uint8Array) => {
      const index = indexOf(next)
      const isRight = type === text ? body === bodies[index] : asBytes[index]?.equals(body as Uint8Array)
      if (handle !== next || type !== (next % 3 === 0 ? text : bytes) || !isRight) wrong.push(next)
      if (++next === count) done.resolve()
      a.received.length = b.received.length = 0
    }
    return { listener: { opened: () => {}, received }, done: done.promise }
  }
  const [readsA, readsB] = [reads(), reads()]
  const a = testNode('a', { listener: readsA.listener, clock: systemClock })
  const b = testNode('b', { listener: readsB.listener, clock: systemClock })
  const link = await a.links.to(b.node)
  const back = await b.until(() => b.opened[0])
  const sends = async (over: typeof link) => {
    for (let next = 0; next < count; ) {
      for (let turn = 0; turn < 500 && next < count; turn++) {
        const index = indexOf(next)
        const isText = next % 3 === 0
        const body = (isText ? bodies : asBytes)[index] ?? ''
        if (over.send(isText ? text : bytes, next, body, 'relay')) next++
      }
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  await Promise.all([sends(link), sends(back), readsA.done, readsB.done])
  expect(wrong).toEqual([])
  expect([link.waiting, back.waiting]).toEqual([0, 0])
  expect(JSON.stringify([a.lines, b.lines])).not.toContain(secret)
})
