import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { turns } from '../../test/events.ts'
import { badNode, bytes, closedBy, frame, stranger, testNode, text } from '../../test/link-nodes.ts'
import { testProxy } from '../../test/link-proxy.ts'
import { manualClock } from '../clock.ts'
import { longestBody } from './frames.ts'

/** A change to a stream: at a place, some bytes are replaced by others. */
const change = fc.tuple(fc.nat(100_000), fc.nat(12), fc.uint8Array({ maxLength: 12 }))
type Change = [at: number, removed: number, put: Uint8Array]

function changed(stream: Buffer, changes: readonly Change[]): Buffer {
  let now = stream
  for (const [place, removed, put] of changes) {
    const at = place % (now.length + 1)
    now = Buffer.concat([now.subarray(0, at), put, now.subarray(at + removed)])
  }
  return now
}

/** Cuts a stream into pieces. */
function pieces(stream: Buffer, sizes: readonly number[]): Buffer[] {
  const cut: Buffer[] = []
  let rest = stream
  for (const size of sizes) {
    cut.push(rest.subarray(0, size))
    rest = rest.subarray(size)
  }
  return [...cut, rest].filter(piece => piece.length > 0)
}

const sizes = fc.array(fc.nat(60), { maxLength: 6 })

/** Why a node may send somebody away. Anything else would be an error that nobody has foreseen. */
const reasons = new Set([
  'a frame that is too long',
  'an unexpected frame in the handshake',
  'a malformed handshake',
  'it means another node',
  'it bears the id of this node',
  'it does not know a secret that this node accepts',
  'no proof in 5000 ms',
  'a frame of an unknown type',
  'a malformed heartbeat',
  'text that is not UTF-8',
  'closed by the other node',
  'ECONNRESET',
])

test('nothing that somebody without a secret sends is ever delivered, be it noise or a changed recording', async () => {
  const clock = manualClock()
  const [a, b] = [testNode('a'), testNode('b', { clock })]
  const proxy = await testProxy(b.links.port)
  const link = await a.links.to({ id: 'b', address: `127.0.0.1:${proxy.port}` })
  link.send(text, 1, 'the only one', 'relay')
  await b.until(() => b.received[0])
  const recording = Buffer.from(proxy.seen.to)
  const recorded = fc.array(change, { maxLength: 4 }).map(changes => changed(recording, changes))
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map(one => Buffer.from(one)),
    fc
      .array(fc.tuple(fc.nat(20), fc.nat(3), fc.uint8Array({ maxLength: 260 })), { maxLength: 4 })
      .map(frames => Buffer.concat(frames.map(one => frame(...one)))),
  )
  await fc.assert(
    fc.asyncProperty(fc.oneof(recorded, noise), sizes, async (stream, cuts) => {
      const thief = await stranger(b.links.port)
      for (const piece of pieces(stream, cuts)) {
        thief.send(piece)
        await turns(1)
      }
      let isClosed = false
      void thief.closed.then(() => {
        isClosed = true
      })
      // Something may wait for the rest of a frame.
      for (let turn = 0; turn < 5 && !isClosed; turn++) await turns(1)
      while (!isClosed) {
        clock.advance(2_500)
        // That must not end the link that was there before.
        link.send(bytes, 2, Buffer.alloc(1), 'relay')
        await turns(3)
      }
    }),
    { numRuns: 300 },
  )
  expect(b.opened).toHaveLength(1)
  expect(new Set(b.received.map(({ link: over }) => over))).toEqual(new Set(b.opened))
  const said = b.lines.filter(({ reason }) => reason !== undefined).map(({ reason }) => reason as string)
  expect(said.filter(reason => !reasons.has(reason))).toEqual([])
  expect(b.lines.filter(({ msg }) => msg === 'unforeseen error')).toEqual([])
})

/** What a stream of frames says, read the plain way, and whether it is to be broken off. */
function read(stream: Buffer): { delivered: unknown[]; isBroken: boolean } {
  const delivered: unknown[] = []
  for (let at = 0; stream.length - at >= 9; ) {
    const length = stream.readUInt32BE(at)
    if (length > longestBody) return { delivered, isBroken: true }
    if (stream.length < at + 9 + length) break
    const [type, handle] = [stream.readUInt8(at + 4), stream.readUInt32BE(at + 5)]
    const body = stream.subarray(at + 9, at + 9 + length)
    at += 9 + length
    const isText = type === text && Buffer.from(body.toString()).equals(body)
    if (isText || type === bytes) delivered.push([type, handle, body.toString('hex')])
    else if (type !== 0 || handle !== 0 || length > 0) return { delivered, isBroken: true }
  }
  return { delivered, isBroken: false }
}

test('of a changed stream of a node, what stands in it is delivered, up to the first fault', async () => {
  const b = testNode('b')
  const body = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.uint8Array({ maxLength: 40 }))
  const frames = fc.array(fc.tuple(fc.constantFrom(text, text, bytes, bytes, 0), fc.nat(), body), { maxLength: 6 })
  let broken = 0
  await fc.assert(
    fc.asyncProperty(frames, fc.array(change, { maxLength: 3 }), sizes, async (all, changes, cuts) => {
      const valid = all.map(([type, handle, content]) => (type === 0 ? frame(0, 0, '') : frame(type, handle, content)))
      const stream = changed(Buffer.concat(valid), changes)
      const expected = read(stream)
      b.received.length = b.opened.length = 0
      const bad = await badNode('bad', b.node)
      const link = await b.until(() => b.opened[0])
      for (const piece of pieces(stream, cuts)) {
        bad.send(piece)
        await turns(1)
      }
      await b.until(() => b.received.length >= expected.delivered.length)
      if (expected.isBroken) {
        expect(reasons).toContain(await closedBy(link))
        broken++
      } else {
        await turns(3)
        expect(link.isOpen).toBe(true)
      }
      const got = b.received.map(one => [one.type, one.handle, Buffer.from(one.body as string).toString('hex')])
      expect(got).toEqual(expected.delivered as never)
    }),
    { numRuns: 300 },
  )
  expect(broken).toBeGreaterThan(20)
  expect(b.lines.filter(({ msg }) => msg === 'unforeseen error')).toEqual([])
})
