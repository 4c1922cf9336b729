import { describe, expect, test } from 'bun:test'
import { manualClock } from '../../../server/src/clock.ts'
import { ChannelEnd } from '../../test/channel-pair.ts'
import { content, errorOf, linkTo, RawEnd, recordingSink, sha256Of, waiting } from '../../test/file-link.ts'
import type { ParleyError } from '../errors.ts'
import type { FileReceiverOptions, IncomingFile } from './index.ts'
import type { Frame } from './protocol.ts'
import { sendOver } from './send-file.ts'

const id = '0123456789abcdef0123456789abcdef'
const offer = { type: 'offer', id, name: 'a.bin', size: 100_000 } as const
const broken = (what: string) => ({
  type: 'error',
  code: 'FILE_FAILED',
  message: `The other peer broke the file protocol (${what}).`,
})

/** A sender that does as the test says, and what becomes of its file. */
function sender(options?: FileReceiverOptions, sink = recordingSink()) {
  const here = waiting<ParleyError>()
  const offered = waiting<IncomingFile>()
  const link = linkTo(file => {
    offered.push(file)
    file.save(sink.sink).catch(here.push)
  }, options)
  const connect = (peerId = 'mallory') => {
    const [near, far] = ChannelEnd.pair()
    link.receiver.receive(peerId, far)
    return new RawEnd(near)
  }
  return { connect, raw: connect(), offered, here, sink, receiver: link.receiver }
}

/** The same, once it may send. */
async function accepted(size: number = offer.size, sink = recordingSink()) {
  const all = sender({}, sink)
  all.raw.send({ ...offer, size })
  expect(await all.raw.next()).toEqual({ type: 'waiting' })
  expect(await all.raw.next()).toEqual({ type: 'accept', offset: 0 })
  return all
}

describe('a sender', () => {
  test.each([
    ['says nothing of a file first', { type: 'done', sha256: 'x' }, 'offer'],
    ['sends content first', new Uint8Array(5), 'offer'],
    ['does not speak the protocol', 'NAME:SIZE', 'JSON'],
    ['offers a file of a size that is none', { ...offer, size: -1 }, 'size'],
  ])('that %s is told', async (_, message, what) => {
    const { raw, receiver } = sender()
    raw.send(message)
    expect([await raw.next(), await raw.next()]).toEqual([broken(what), 'closed'])
    receiver.close()
  })

  test.each<[string, (raw: RawEnd) => void, string]>([
    ['more than it has announced', raw => raw.send(content(100_001)), 'size'],
    [
      'content behind the end',
      raw => {
        raw.send(content(100_000))
        raw.send({ type: 'done', sha256: sha256Of(content(100_000)) })
        raw.send(new Uint8Array(1))
      },
      'content',
    ],
    ['the end before the content', raw => raw.send({ type: 'done', sha256: 'x' }), 'done'],
    ['a hash that is none', raw => raw.send({ type: 'done', sha256: 5 }), 'sha256'],
    ['what is not JSON', raw => raw.send('END_OF_FILE'), 'JSON'],
  ])('that sends %s fails', async (_, act, what) => {
    // The disk is slow, so that nothing is kept yet.
    const { raw, here, sink } = await accepted(
      100_000,
      recordingSink({ write: () => new Promise(resolve => setImmediate(resolve)) }),
    )
    act(raw)
    expect([await raw.next(), await raw.next()]).toEqual([broken(what), 'closed'])
    expect(await here.next()).toMatchObject({ code: 'FILE_FAILED', message: broken(what).message })
    expect(sink.ends).toEqual(['abort'])
  })

  test('that sends content before it may fails', async () => {
    const asked = waiting<IncomingFile>()
    const link = linkTo(file => asked.push(file))
    const [near, far] = ChannelEnd.pair()
    link.receiver.receive('mallory', far)
    const raw = new RawEnd(near)
    raw.send(offer)
    await asked.next()
    raw.send(content(10))
    expect([await raw.next(), await raw.next()]).toEqual([{ type: 'waiting' }, broken('content')])
  })

  test('that does not wait for the disk is stopped at the window', async () => {
    const { raw, here } = await accepted(
      2 ** 40,
      recordingSink({ write: () => new Promise(() => {}), abort: async () => {} }),
    )
    for (let sent = 0; sent < 8 * 1024 * 1024; sent += 65_536) raw.send(content(65_536))
    raw.send(new Uint8Array(1))
    expect(await raw.next()).toEqual(broken('window'))
    expect(here).toBeDefined()
  })

  test('that says nothing at all has 15 seconds', async () => {
    const clock = manualClock()
    const { raw } = sender({ clock })
    clock.advance(14_999)
    expect(raw.end.readyState).toBe('open')
    clock.advance(1)
    expect([await raw.next(), await raw.next()]).toEqual([broken('offer'), 'closed'])
  })

  test('that begins 257 files at once begins 256', async () => {
    const { connect, raw, receiver } = sender()
    const more = Array.from({ length: 256 }, () => connect())
    expect(await more.at(-1)?.next()).toEqual({
      type: 'error',
      code: 'DECLINED',
      message: 'More than 256 files at once are too many.',
    })
    // Others are not affected, and one that is done makes room.
    const other = connect('bob')
    other.send(offer)
    expect(await other.next()).toEqual({ type: 'waiting' })
    raw.end.close()
    expect(await raw.next()).toBe('closed')
    const next = connect()
    next.send(offer)
    expect(await next.next()).toEqual({ type: 'waiting' })
    receiver.close()
    expect(await more[0]?.next()).toMatchObject({ code: 'ABORTED' })
  })

  test('that offers another file under the same id is refused, and the first is not affected', async () => {
    const { connect, raw, receiver } = await accepted()
    const again = connect()
    again.send({ ...offer, size: 5 })
    expect(await again.next()).toEqual(broken('offer'))
    raw.send(content(100_000))
    raw.send({ type: 'done', sha256: sha256Of(content(100_000)) })
    expect(await raw.next()).toEqual({ type: 'kept', name: 'kept.bin' })
    receiver.close()
  })

  test('that asks again is told how it has ended', async () => {
    const { connect, raw, offered } = await accepted()
    raw.send(content(100_000))
    raw.send({ type: 'done', sha256: 'wrong' })
    const ended = { type: 'error', code: 'CORRUPTED', message: 'What has arrived is not what was sent.' }
    expect(await raw.next()).toEqual(ended)
    const again = connect()
    again.send(offer)
    expect([await again.next(), await again.next()]).toEqual([ended, 'closed'])
    // Another peer with the same id has another file.
    const other = connect('bob')
    other.send(offer)
    expect(await other.next()).toEqual({ type: 'waiting' })
    expect([(await offered.next()).peerId, (await offered.next()).peerId]).toEqual(['mallory', 'bob'])
  })

  test('that takes no note of the end is left after five seconds', async () => {
    const clock = manualClock()
    const kept = waiting<string>()
    const link = linkTo(async file => kept.push((await file.save(recordingSink().sink)).name), { clock })
    const [near, far] = ChannelEnd.pair()
    link.receiver.receive('mallory', far)
    const raw = new RawEnd(near, false)
    raw.send({ ...offer, size: 0 })
    expect([await raw.next(), await raw.next()]).toMatchObject([{ type: 'waiting' }, { type: 'accept' }])
    raw.send({ type: 'done', sha256: sha256Of(content(0)) })
    expect(await raw.next()).toEqual({ type: 'kept', name: 'kept.bin' })
    clock.advance(5000)
    expect(await kept.next()).toBe('kept.bin')
    expect(await raw.next()).toBe('closed')
  })

  test('cannot say anything that is not to be shown, or that is no error of a file', async () => {
    const { raw, here } = await accepted()
    raw.send({ type: 'error', code: 'LEFT', message: '\u001b]0;owned\u0007Hello \u202Eolleh' })
    expect(await here.next()).toMatchObject({ code: 'FILE_FAILED', message: ']0;ownedHello olleh', retryable: false })
  })
})

/** A receiver that answers an offer as the test says, and how the sender sees that end. */
async function answering(act: (raw: RawEnd, offer: Frame) => void | Promise<void>, size = 3_000_000) {
  const [near, far] = ChannelEnd.pair()
  const raw = new RawEnd(far)
  const done = errorOf(sendOver(async () => ({ channel: near }), new Blob([content(size)])))
  const first = (await raw.next()) as Frame
  await act(raw, first)
  return done
}

describe('a receiver', () => {
  test.each<[string, string, (raw: RawEnd) => void | Promise<void>]>([
    ['wants the end of a file of which it has nothing', 'accept', raw => raw.send({ type: 'accept', offset: 1 })],
    ['wants to begin before the beginning', 'offset', raw => raw.send({ type: 'accept', offset: -1 })],
    [
      'accepts twice',
      'accept',
      raw => {
        raw.send({ type: 'accept', offset: 0 })
        raw.send({ type: 'accept', offset: 0 })
      },
    ],
    ['has written what it did not ask for', 'progress', raw => raw.send({ type: 'progress', offset: 0 })],
    [
      'has written what it was not sent',
      'progress',
      raw => {
        raw.send({ type: 'accept', offset: 0 })
        raw.send({ type: 'progress', offset: 3_000_000 })
      },
    ],
    [
      'has less than it had',
      'progress',
      async raw => {
        raw.send({ type: 'accept', offset: 0 })
        for (let at = 0; at < 10; at++) await raw.next()
        raw.send({ type: 'progress', offset: 65_536 })
        raw.send({ type: 'progress', offset: 65_535 })
      },
    ],
    ['keeps what it was not sent', 'kept', raw => raw.send({ type: 'kept', name: 'x' })],
    ['sends content', 'content', raw => raw.send(new Uint8Array(1))],
    ['does not speak the protocol', 'JSON', raw => raw.send('ok')],
  ])('that %s fails', async (_, what, act) => {
    const error = await answering(act)
    expect(error).toMatchObject({ code: 'FILE_FAILED', message: broken(what).message })
  })

  test('of a newer version may say more', async () => {
    const [near, far] = ChannelEnd.pair()
    const raw = new RawEnd(far)
    const done = sendOver(async () => ({ channel: near }), new Blob([content(5)]), { name: 'x' })
    expect(await raw.next()).toMatchObject({ type: 'offer', name: 'x', size: 5 })
    raw.send({ type: 'thumbnail', wanted: true })
    raw.send({ type: 'accept', offset: 0, window: 5 })
    expect(await raw.next()).toBe(5)
    expect(await raw.next()).toEqual({ type: 'done', sha256: sha256Of(content(5)) })
    raw.send({ type: 'kept', name: 'y' })
    expect((await done).name).toBe('y')
    expect(await raw.next()).toBe('closed')
  })

  test('that does not answer within 15 seconds takes no files', async () => {
    const clock = manualClock()
    const [near, far] = ChannelEnd.pair()
    const raw = new RawEnd(far)
    const done = errorOf(sendOver(async () => ({ channel: near }), new Blob(['x']), { clock }))
    await raw.next()
    clock.advance(15_000)
    expect(await done).toMatchObject({ code: 'TIMEOUT', message: 'The other peer does not answer.', retryable: false })
    expect(await raw.next()).toBe('closed')
  })

  test('that closes the channel without a word twice takes no files', async () => {
    let opened = 0
    const open = async () => {
      opened++
      const [near, far] = ChannelEnd.pair()
      far.close()
      return { channel: near }
    }
    const error = await errorOf(sendOver(open, new Blob(['x']), { random: () => 0 }))
    expect(error).toMatchObject({ code: 'DECLINED', message: 'The other peer takes no files.' })
    expect(opened).toBe(2)
  })

  test('that has answered before may be away', async () => {
    const clock = manualClock()
    const ends: RawEnd[] = []
    const opened = waiting<RawEnd>()
    const done = sendOver(
      async () => {
        const [near, far] = ChannelEnd.pair()
        ends.push(new RawEnd(far))
        opened.push(ends.at(-1) as RawEnd)
        return { channel: near }
      },
      new Blob([content(5)]),
      { clock, random: () => 0 },
    )
    const first = await opened.next()
    await first.next()
    first.send({ type: 'waiting' })
    await new Promise(resolve => setImmediate(resolve))
    first.end.close()
    const second = await opened.next()
    await second.next()
    clock.advance(15_000)
    const third = await opened.next()
    await third.next()
    third.send({ type: 'accept', offset: 0 })
    expect([await third.next(), await third.next()]).toMatchObject([5, { type: 'done' }])
    third.send({ type: 'kept', name: 'z' })
    expect((await done).name).toBe('z')
  })
})
