import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { frame, testNode, text } from '../../test/link-nodes.ts'
import { testProxy } from '../../test/link-proxy.ts'
import { FrameReader, headerBytes } from './frames.ts'
import { Handles } from './handles.ts'
import { Outbox } from './outbox.ts'

type Taken = readonly [type: number, handle: number, body: string]

function reader(longest = 100, goesOn = (_: Taken) => true) {
  const taken: Taken[] = []
  const made = new FrameReader(longest, (type, handle, body) => {
    taken.push([type, handle, body.toString()])
    return goesOn([type, handle, body.toString()])
  })
  return { taken, push: (chunk: Uint8Array) => made.push(Buffer.from(chunk)) }
}

const frames: readonly Taken[] = [
  [16, 1, 'first'],
  [0, 0, ''],
  [255, 2 ** 32 - 1, 'third'],
  [17, 256, ''],
]
const stream = Buffer.concat(frames.map(one => frame(...one)))

describe('the reader of frames', () => {
  test('finds the same frames wherever the stream is cut in three', () => {
    for (let first = 0; first <= stream.length; first++) {
      for (let second = first; second <= stream.length; second++) {
        const { taken, push } = reader()
        const cuts = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)]
        expect(cuts.map(push)).toEqual([true, true, true])
        expect(taken).toEqual([...frames])
      }
    }
  })

  test('finds them when each byte comes alone', () => {
    const { taken, push } = reader()
    for (const byte of stream) push(Buffer.from([byte]))
    expect(taken).toEqual([...frames])
  })

  test('takes a body of the greatest length, and refuses a longer one by its header, whole or split', () => {
    for (const cut of [0, 1, 4, 8, 9]) {
      const [good, bad] = [reader(5), reader(4)]
      const one = frame(16, 1, 'first')
      expect([good.push(one.subarray(0, cut)), good.push(one.subarray(cut))]).toEqual([true, true])
      expect(good.taken).toHaveLength(1)
      expect([bad.push(one.subarray(0, cut)), bad.push(one.subarray(cut, headerBytes))]).toContain(false)
      expect(reader(4).push(one)).toBe(false)
      expect(bad.taken).toEqual([])
    }
  })

  test('reads nothing after a frame that ends it', () => {
    for (const cut of [0, 3, 9, 12, 14]) {
      const { taken, push } = reader(100, () => false)
      expect(push(stream.subarray(0, cut))).toBe(true)
      expect(push(stream.subarray(cut))).toBe(true)
      expect(taken).toEqual(cut === 14 ? [...frames.slice(0, 2)] : [...frames.slice(0, 1)])
    }
  })

  test('never throws, whatever comes in whatever pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), pieces => {
        const { push, taken } = reader(20)
        for (const piece of pieces) if (!push(piece)) break
        for (const [, , body] of taken) expect(body.length).toBeLessThanOrEqual(20)
      }),
      { numRuns: 2_000 },
    )
  })
})

test('what waits to be written comes out whole and in order, however little is taken at a time', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ size: fc.oneof(fc.nat(50), fc.nat(5_000), fc.nat(300_000)), takes: fc.array(fc.nat(200_000)) }),
        { maxLength: 20 },
      ),
      steps => {
        const outbox = new Outbox()
        const written: Buffer[] = []
        const expected: Buffer[] = []
        const takes = (most: number) => ({
          write(data: Uint8Array, offset: number, length: number) {
            const taken = Math.min(most, length)
            written.push(Buffer.from(data.subarray(offset, offset + taken)))
            return taken
          },
        })
        let number = 0
        for (const { size, takes: amounts } of steps) {
          const body = Buffer.alloc(size, ++number)
          outbox.add(16, number, body, size)
          expected.push(frame(16, number, body))
          for (const amount of amounts) expect(outbox.writeTo(takes(amount))).toBe(true)
        }
        const total = Buffer.concat(expected)
        expect(outbox.waiting).toBe(total.length - Buffer.concat(written).length)
        outbox.writeTo(takes(Number.POSITIVE_INFINITY))
        expect(outbox.waiting).toBe(0)
        expect(Buffer.concat(written).equals(total)).toBe(true)
      },
    ),
    { numRuns: 300 },
  )
})

test('what was sent in one turn is written at once', () => {
  const outbox = new Outbox()
  let writes = 0
  const sink = {
    write(_: Uint8Array, _offset: number, length: number) {
      writes++
      return length
    },
  }
  const send = () => {
    for (let number = 0; number < 100; number++) outbox.add(16, 1, 'x'.repeat(200), 200)
    writes = 0
    outbox.writeTo(sink)
    return writes
  }
  // The first chunks are small.
  for (let time = 0; time < 3; time++) send()
  expect(send()).toBe(1)
})

test('a link works over a connection that cuts and joins what is sent, from its first byte', async () => {
  for (const most of [1, 2, 9, 40, 1_000]) {
    const [a, b] = [testNode('a'), testNode('b')]
    const proxy = await testProxy(b.links.port)
    let size = 0
    proxy.pieceBytes = () => 1 + (size++ % most)
    const link = await a.links.to({ id: 'b', address: `127.0.0.1:${proxy.port}` })
    const back = await b.until(() => b.opened[0])
    const bodies = Array.from({ length: 20 }, (_, index) => `${index}`.repeat(index * (most > 9 ? 50 : 1)))
    for (const [index, body] of bodies.entries()) {
      link.send(text, index, body, 'relay')
      back.send(text, index, body, 'answer')
    }
    for (const node of [a, b]) {
      await node.until(() => node.received.length === bodies.length)
      expect(node.received.map(({ handle, body }) => [handle, body])).toEqual([...bodies.entries()])
    }
    link.close()
  }
})

describe('handles', () => {
  test('begin with 1, and none that is in use is given again', () => {
    const handles = new Handles(2 ** 32 - 4)
    const given = Array.from({ length: 5 }, () => handles.take())
    expect(given).toEqual([2 ** 32 - 3, 2 ** 32 - 2, 2 ** 32 - 1, 1, 2])
    const again = new Handles()
    expect(again.take()).toBe(1)
    expect(again.size).toBe(1)
  })

  test('that were given back come again after all others', () => {
    const handles = new Handles()
    const [first, second] = [handles.take(), handles.take()]
    handles.giveBack(first)
    expect(handles.take()).toBe(3)
    expect(handles.size).toBe(2)
    expect(second).toBe(2)
    // Where numbers begin again, those in use are left out.
    const few = new Handles(0, 5)
    const all = [few.take(), few.take(), few.take(), few.take(), few.take()]
    for (const handle of [4, 2, 2]) few.giveBack(handle)
    expect([...all, few.take(), few.take()]).toEqual([1, 2, 3, 4, 5, 2, 4])
  })
})
