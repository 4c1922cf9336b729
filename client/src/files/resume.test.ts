import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { ChannelEnd } from '../../test/channel-pair.ts'
import {
  content,
  errorOf,
  FileLink,
  isContent,
  linkTo,
  RawEnd,
  recordingSink,
  sha256Of,
  waiting,
} from '../../test/file-link.ts'
import { ParleyError } from '../errors.ts'
import type { EarlierPart, FileProgress, IncomingFile } from './index.ts'
import { FileReceiver } from './receive-files.ts'
import { sendOver } from './send-file.ts'

const size = 3_000_000
const id = '0123456789abcdef0123456789abcdef'
const broken = (what: string) => ({
  type: 'error',
  code: 'FILE_FAILED',
  message: `The other peer broke the file protocol (${what}).`,
})

/** A sink that has these bytes from before. */
function sinkWith(bytes: Uint8Array<ArrayBuffer>) {
  const written: Uint8Array[] = [bytes]
  const recording = recordingSink({ write: chunk => void written.push(chunk) })
  const calls: string[] = []
  const earlier: EarlierPart = {
    size: bytes.length,
    read: async (offset, length) => bytes.slice(offset, offset + length),
    async discard() {
      calls.push('discard')
      written.length = 0
    },
  }
  return { sink: { ...recording.sink, earlier }, ends: recording.ends, calls, bytes: () => Buffer.concat(written) }
}

/** A receiver that has these bytes of whatever comes. */
function receiverWith(bytes: Uint8Array<ArrayBuffer>) {
  const to = sinkWith(bytes)
  const progress: FileProgress[] = []
  const link = linkTo(file => file.save(to.sink, { onProgress: each => progress.push(each) }))
  return { ...to, link, progress }
}

const nodeHash = () => {
  const hash = createHash('sha256')
  return { update: (bytes: Uint8Array) => void hash.update(bytes), hex: () => hash.digest('hex') }
}

describe('what the receiver has from an earlier transfer', () => {
  test.each([1, 65_536, 1_234_567, size])('is not sent again: %p bytes', async bytes => {
    const { link, calls, ends, ...to } = receiverWith(content(bytes))
    const sent: FileProgress[] = []
    const options = { onProgress: (each: FileProgress) => sent.push(each), sha256: nodeHash }
    const receipt = await sendOver(link.open, new Blob([content(size)]), options)
    expect([receipt.sha256, link.arrived]).toEqual([sha256Of(content(size)), size - bytes])
    expect([await isContent(to.bytes(), size), calls, ends]).toEqual([true, [], ['finish']])
    // Both sides see that it goes on there.
    const first = { status: 'transferring', bytes, size } as const
    expect(sent.find(({ status }) => status === 'transferring')).toEqual(first)
    expect(to.progress.slice(0, 2)).toEqual([{ status: 'waiting', bytes: 0, size }, first])
  })

  test('is put aside if it is of another file, of which nothing is kept', async () => {
    const other = content(1_234_567)
    other[1_000_000] = (other[1_000_000] ?? 0) ^ 1
    const { link, calls, ...to } = receiverWith(other)
    await sendOver(link.open, new Blob([content(size)]))
    expect([link.arrived, calls, await isContent(to.bytes(), size)]).toEqual([size, ['discard'], true])
  })

  test('is put aside if the sender cannot say what it has', async () => {
    const { link, calls } = receiverWith(content(10))
    const [near, far] = ChannelEnd.pair()
    link.receiver.receive('old', far)
    const raw = new RawEnd(near)
    raw.send({ type: 'offer', id, name: 'a', size })
    expect([await raw.next(), await raw.next()]).toEqual([{ type: 'waiting' }, { type: 'accept', offset: 0 }])
    expect(calls).toEqual(['discard'])
    link.receiver.close()
  })

  test('is asked for again when the connection drops before the answer', async () => {
    const { link, ...to } = receiverWith(content(1_234_567))
    let drops = 2
    link.onArrival = data => {
      if (`${data}`.includes('"hash"') && drops-- > 0) {
        link.cut()
        return '{"type":"lost"}'
      }
      return data
    }
    await sendOver(link.open, new Blob([content(size)]), { random: () => 0, sha256: nodeHash })
    expect([link.channels.length, link.arrived]).toEqual([3, size - 1_234_567])
    expect(await isContent(to.bytes(), size)).toBe(true)
  })

  test('that cannot be read fails the file for both', async () => {
    const { sink } = sinkWith(content(10))
    const read = () => Promise.reject(Object.assign(new Error('?'), { code: 'EACCES' }))
    const link = linkTo(file => file.save({ ...sink, earlier: { ...sink.earlier, read } }))
    const { code, message } = await errorOf(sendOver(link.open, new Blob([content(size)])))
    expect([code, message]).toEqual(['FILE_FAILED', 'The receiver could not keep the file: that is not permitted.'])
  })
})

test('a receiver that stops and starts again goes on where it was, with a sender that has waited for it', async () => {
  const stop = new AbortController()
  const reason = new ParleyError('CHANNEL_CLOSED', 'The receiver stops.', { retryable: true })
  const first = recordingSink()
  const ended = waiting<ParleyError>()
  const receiver = new FileReceiver()
  receiver.handler = async file => {
    const onProgress = ({ bytes }: FileProgress) => bytes > 1_000_000 && stop.abort(reason)
    ended.push(await errorOf(file.save(first.sink, { signal: stop.signal, onProgress })))
  }
  const link = new FileLink(receiver)
  const done = sendOver(link.open, new Blob([content(size)]), { random: () => 0, sha256: nodeHash })
  expect(await ended.next()).toBe(reason)
  expect(first.ends).toEqual(['abort'])
  // The next program, with what the first one has left.
  const left = new Uint8Array(first.bytes())
  const second = sinkWith(left)
  link.arrived = 0
  link.receiver = new FileReceiver()
  link.receiver.handler = file => file.save(second.sink)
  await done
  expect([link.arrived, await isContent(second.bytes(), size)]).toEqual([size - left.length, true])
})

test('a file goes on that has been sent to its end, with a hash that cannot be added to any more', async () => {
  const asked = waiting<IncomingFile>()
  const { sink } = recordingSink()
  const link = linkTo(file => asked.push(file))
  const first = link.receiver
  link.onArrival = data => {
    if (!`${data}`.includes('"done"') || link.channels.length > 1) return data
    // The program has ended; the next one knows nothing of it.
    link.cut()
    link.receiver = new FileReceiver()
    link.receiver.handler = file => file.save(sink)
    return '{"type":"lost"}'
  }
  const done = sendOver(link.open, new Blob([content(100_000)]), { random: () => 0, sha256: nodeHash })
  const saved = errorOf((await asked.next()).save(recordingSink().sink))
  expect((await done).sha256).toBe(sha256Of(content(100_000)))
  first.close()
  expect((await saved).code).toBe('ABORTED')
})

describe('a comparison', () => {
  /** A sender whose other end is the test, which has its offer. */
  async function asking() {
    const [near, far] = ChannelEnd.pair()
    const raw = new RawEnd(far)
    const done = errorOf(sendOver(async () => ({ channel: near }), new Blob([content(100)])))
    expect(await raw.next()).toMatchObject({ type: 'offer', resume: 1 })
    return { raw, done }
  }

  test.each<[string, object[]]>([
    ['of more than there is', [{ type: 'have', offset: 101 }]],
    [
      'twice',
      [
        { type: 'have', offset: 5 },
        { type: 'have', offset: 5 },
      ],
    ],
    [
      'when the file was accepted',
      [
        { type: 'accept', offset: 0 },
        { type: 'have', offset: 5 },
      ],
    ],
  ])('is not made %s', async (_, frames) => {
    const { raw, done } = await asking()
    for (const frame of frames) raw.send(frame)
    expect((await done).message).toBe(broken('have').message)
  })

  test('lets the receiver go on where it has asked, and not behind', async () => {
    const { raw, done } = await asking()
    raw.send({ type: 'have', offset: 40 })
    expect(await raw.next()).toEqual({ type: 'hash', sha256: sha256Of(content(40)) })
    raw.send({ type: 'accept', offset: 41 })
    expect((await done).message).toBe(broken('accept').message)
  })

  test('is not answered unasked', async () => {
    // Eight are transferred at a time; the ninth is not asked before its turn.
    const { link } = receiverWith(content(40))
    const connect = (n: number) => {
      const [near, far] = ChannelEnd.pair()
      link.receiver.receive('mallory', far)
      const raw = new RawEnd(near)
      raw.send({ type: 'offer', id: `${n}`, name: 'a', size, resume: 1 })
      return raw
    }
    const raws = Array.from({ length: 9 }, (_, n) => connect(n))
    for (const raw of raws.slice(0, 8)) {
      expect([await raw.next(), await raw.next()]).toEqual([{ type: 'waiting' }, { type: 'have', offset: 40 }])
    }
    const [last] = raws.slice(-1)
    last?.send({ type: 'hash', sha256: sha256Of(content(40)) })
    expect([await last?.next(), await last?.next()]).toEqual([{ type: 'waiting' }, broken('hash')])
    link.receiver.close()
  })
})
