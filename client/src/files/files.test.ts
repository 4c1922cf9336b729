import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { manualClock } from '../../../server/src/clock.ts'
import {
  blobLink,
  content,
  errorOf,
  FileLink,
  isContent,
  linkTo,
  recordingSink,
  sha256Of,
  waiting,
} from '../../test/file-link.ts'
import { ParleyError } from '../errors.ts'
import { type FileProgress, type FileReceipt, fileSource } from './index.ts'
import { sendOver } from './send-file.ts'

describe('a file', () => {
  test.each([0, 1, 65_535, 65_536, 65_537, 1_048_576, 3_145_729, 20_000_000])('of %i bytes arrives', async size => {
    const { link, nextBlob } = blobLink()
    const receipt = await sendOver(link.open, new Blob([content(size)]), { name: 'data.bin' })
    expect(receipt).toEqual({ name: 'data.bin', size, sha256: sha256Of(content(size)) })
    expect(await isContent(await nextBlob(), size)).toBe(true)
    expect(link.channels).toHaveLength(1)
  })

  test('is offered with its name made safe, its size, type and date', async () => {
    const { link, nextBlob, files } = blobLink()
    const lastModified = Date.UTC(2024, 1, 29)
    const file = new File(['{}'], '../../.ssh/no\u202Etes.json', { type: 'application/json; v=1', lastModified })
    expect((await sendOver(link.open, file)).name).toBe('notes.json')
    expect(files[0]).toMatchObject({ peerId: 'ada', name: 'notes.json', size: 2, modified: new Date(lastModified) })
    const blob = (await nextBlob()) as Blob
    expect(files[0]?.type).toBe('application/json')
    // Bun adds the charset.
    expect(blob.type).toStartWith('application/json')
    expect(await blob.text()).toBe('{}')
  })

  test('may have a type that is none, a name that is too long, and an age', async () => {
    const { link, nextBlob, files } = blobLink()
    await sendOver(link.open, {
      ...fileSource(new Blob(['x']), `${'n'.repeat(5000)}.txt`),
      type: '"><script>',
      modified: -1000.5,
    })
    expect(await nextBlob()).toMatchObject({ type: '', size: 1 })
    expect(files[0]).toMatchObject({ type: '', name: `${'n'.repeat(251)}.txt`, modified: new Date(0) })
  })

  test('has one receipt, the same for both, with the name under which it is kept', async () => {
    const { sink, ends, bytes } = recordingSink({ finish: async () => 'photo (1).jpg' })
    const kept = waiting<FileReceipt>()
    const link = linkTo(async file => kept.push(await file.save(sink)))
    const receipt = await sendOver(link.open, new File([content(100_000)], 'photo.jpg'))
    expect(receipt).toEqual({ name: 'photo (1).jpg', size: 100_000, sha256: sha256Of(content(100_000)) })
    expect(await kept.next()).toEqual(receipt)
    expect(ends).toEqual(['finish'])
    expect(await isContent(bytes(), 100_000)).toBe(true)
  })

  test('goes into a stream, as of the File System API', async () => {
    const chunks: Uint8Array[] = []
    let isClosed = false
    const stream = new WritableStream<Uint8Array<ArrayBuffer>>({
      write: chunk => void chunks.push(chunk),
      close: () => {
        isClosed = true
      },
    })
    const link = linkTo(file => file.save(Promise.resolve(stream)))
    await sendOver(link.open, new File([content(200_000)], 'a.bin'))
    expect(isClosed).toBe(true)
    expect(await isContent(new Uint8Array(Buffer.concat(chunks)), 200_000)).toBe(true)
  })

  test('is sent in messages that the other side can take', async () => {
    const { link, nextBlob } = blobLink()
    link.maxMessageSize = 10_000
    const sizes: number[] = []
    link.onArrival = data => {
      if (typeof data !== 'string') sizes.push(data.byteLength)
      return data
    }
    await sendOver(link.open, new Blob([content(25_000)]))
    expect(sizes).toEqual([10_000, 10_000, 5_000])
    expect(await isContent(await nextBlob(), 25_000)).toBe(true)
  })

  test('shows its progress on both sides: what is written', async () => {
    const size = 5_000_000
    const sent: FileProgress[] = []
    const received: FileProgress[] = []
    const link = linkTo(file => file.blob({ onProgress: progress => received.push(progress) }))
    await sendOver(link.open, new Blob([content(size)]), { onProgress: progress => sent.push(progress) })
    expect(sent.slice(0, 2)).toEqual([
      { status: 'connecting', bytes: 0, size },
      { status: 'waiting', bytes: 0, size },
    ])
    for (const all of [sent.slice(2), received]) {
      const bytes = all.map(({ bytes }) => bytes)
      expect(all.length).toBeGreaterThan(4)
      expect(all.every(({ status }) => status === 'transferring')).toBe(true)
      expect(bytes).toEqual(bytes.toSorted((a, b) => a - b))
      expect([bytes[0], bytes.at(-1)]).toEqual([0, size])
    }
  })

  test('is one of several at once: eight at a time, the others wait', async () => {
    const { link, nextBlob } = blobLink()
    const underWay = new Set<number>()
    let most = 0
    const sends = Array.from({ length: 30 }, async (_, index) => {
      const receipt = await sendOver(link.open, new Blob([content(100_000 + index)]), {
        onProgress({ status }) {
          if (status === 'transferring') most = Math.max(most, underWay.add(index).size)
        },
      })
      underWay.delete(index)
      expect(receipt.sha256).toBe(sha256Of(content(100_000 + index)))
    })
    await Promise.all(sends)
    const sizes: number[] = []
    for (const _ of sends) sizes.push(((await nextBlob()) as Blob).size)
    expect(sizes.sort()).toEqual(sends.map((_, index) => 100_000 + index))
    expect(most).toBe(8)
  })
})

test('a disk that does not write makes the sender wait, with no more than a window on its way', async () => {
  const size = 40 * 1024 * 1024
  const disk = waiting<void>()
  const isWriting = disk.next()
  const { sink } = recordingSink({ write: () => isWriting })
  const link = linkTo(file => file.save(sink))
  let read = 0
  let written = 0
  const source = {
    name: 'a',
    size,
    type: '',
    modified: undefined,
    async read(offset: number, length: number) {
      read = Math.max(read, offset + length)
      return new Uint8Array(length)
    },
  }
  const done = sendOver(link.open, source, {
    onProgress({ bytes }) {
      written = bytes
    },
  })
  // Until nothing has happened in many turns of the event loop.
  for (let quiet = 0, before = -1; quiet < 20; quiet = link.arrived === before ? quiet + 1 : 0) {
    before = link.arrived
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(link.arrived).toBe(8 * 1024 * 1024)
  expect(read).toBeLessThanOrEqual(10 * 1024 * 1024)
  expect(written).toBe(0)
  disk.push()
  expect((await done).size).toBe(size)
  expect(link.last[0].peak).toBeLessThanOrEqual(1024 * 1024 + 65_536 + 1000)
})

describe('a connection that drops', () => {
  test('does not matter: the file arrives once, as it was, wherever the cuts are', async () => {
    const place = fc.oneof(fc.integer({ min: 0, max: 1_500_000 }), fc.constantFrom(0, 65_536, 1_048_576))
    await fc.assert(
      fc.asyncProperty(place, fc.array(place, { maxLength: 5 }), fc.boolean(), async (size, cuts, isSlow) => {
        const turn = () => new Promise<void>(resolve => setImmediate(resolve))
        const { sink, ends, bytes } = recordingSink(isSlow ? { write: turn } : {})
        const link = linkTo(file => file.save(sink))
        link.cuts = cuts
        const receipt = await sendOver(link.open, new Blob([content(size)]), { random: () => 0 })
        expect(receipt.sha256).toBe(sha256Of(content(size)))
        expect(await isContent(bytes(), size)).toBe(true)
        expect(ends).toEqual(['finish'])
      }),
      { numRuns: 25 },
    )
  })

  test('costs only what was on its way', async () => {
    const size = 6_000_000
    const { link, nextBlob, files } = blobLink()
    link.cuts = [4_000_000]
    const dropped: number[] = []
    await sendOver(link.open, new Blob([content(size)]), {
      random: () => 0,
      onProgress: ({ status, bytes }) => status === 'connecting' && dropped.push(bytes),
    })
    expect(await isContent(await nextBlob(), size)).toBe(true)
    expect([files.length, link.channels.length, dropped.length]).toEqual([1, 2, 2])
    expect(dropped[1]).toBeGreaterThan(2_500_000)
    expect(link.arrived).toBe(size)
  })

  test('after the file was kept does not have it kept twice', async () => {
    const { sink, ends } = recordingSink()
    let offers = 0
    const link = linkTo(file => {
      offers++
      return file.save(sink)
    })
    const receipt = await sendOver(link.open, new Blob([content(1000)]), {
      random: () => 0,
      onProgress({ status }) {
        if (status !== 'waiting') return
        link.last[0].onArrival = data => {
          if (!`${data}`.includes('kept')) return data
          queueMicrotask(() => link.cut())
          return '{"type":"something that never was"}'
        }
      },
    })
    expect(receipt.name).toBe('kept.bin')
    expect([offers, link.channels.length, ends]).toEqual([1, 2, ['finish']])
  })

  test('before the other side could answer does not matter either', async () => {
    const { link, nextBlob } = blobLink()
    await sendOver(link.open, new Blob([content(1000)]), {
      random: () => 0,
      onProgress({ status }) {
        if (status === 'connecting' && link.channels.length === 0) {
          link.onArrival = data => {
            link.onArrival = data => data
            link.cut()
            return data
          }
        }
      },
    })
    expect(await isContent(await nextBlob(), 1000)).toBe(true)
    expect(link.channels).toHaveLength(2)
  })

  test('may be noticed by the receiver only when the sender comes back', async () => {
    const { link, nextBlob, files } = blobLink()
    await sendOver(link.open, new Blob([content(3_000_000)]), {
      random: () => 0,
      onProgress({ bytes }) {
        if (bytes > 0 && link.channels.length === 1) link.last[0].cut()
      },
    })
    expect(await isContent(await nextBlob(), 3_000_000)).toBe(true)
    expect([files.length, link.channels.length]).toEqual([1, 2])
    expect(link.channels[0]?.[1].readyState).not.toBe('open')
  })

  test('may be noticed by the sender only from what cannot be sent', async () => {
    const { link, nextBlob } = blobLink()
    await sendOver(link.open, new Blob([content(3_000_000)]), {
      random: () => 0,
      onProgress({ bytes }) {
        if (bytes > 0 && link.channels.length === 1) link.last[0].readyState = 'closed'
      },
    })
    expect(await isContent(await nextBlob(), 3_000_000)).toBe(true)
    expect(link.channels).toHaveLength(2)
  })

  test('lets a receiver that has forgotten begin again', async () => {
    const { link } = blobLink()
    const later = blobLink()
    link.cuts = [2_000_000]
    const progress: number[] = []
    await sendOver(link.open, new Blob([content(3_000_000)]), {
      random: () => 0,
      onProgress({ status, bytes }) {
        if (status === 'connecting' && bytes > 0) link.receiver = later.link.receiver
        progress.push(bytes)
      },
    })
    expect(await isContent(await later.nextBlob(), 3_000_000)).toBe(true)
    const last = progress.lastIndexOf(0)
    expect(Math.max(...progress.slice(0, last))).toBeGreaterThan(0)
    link.receiver.close()
  })

  test('lets nobody else go on with the transfer', async () => {
    const { link, files, nextBlob } = blobLink()
    link.cuts = [500_000]
    const mallory = new FileLink(link.receiver, 'mallory')
    const open: FileLink['open'] = request => (link.channels.length === 0 ? link : mallory).open(request)
    await sendOver(open, new Blob([content(1_000_000)]), { random: () => 0 })
    expect(await isContent(await nextBlob(), 1_000_000)).toBe(true)
    expect(files.map(({ peerId }) => peerId)).toEqual(['ada', 'mallory'])
    // The other half is still waited for, and is all that has arrived from her.
    expect(mallory.arrived).toBe(1_000_000)
    link.receiver.close()
    expect((await nextBlob()) as ParleyError).toMatchObject({ code: 'ABORTED', message: 'The receiver has left.' })
  })

  test('is not waited for longer than a minute', async () => {
    const clock = manualClock()
    const { link } = blobLink()
    link.cuts = [2_000_000]
    let minutes = 0
    const error = await errorOf(
      sendOver(link.open, new Blob([content(3_000_000)]), {
        clock,
        random: () => 1,
        onProgress({ status, bytes }) {
          if (status !== 'connecting' || bytes === 0) return
          link.refusal = new ParleyError('PEER_NOT_FOUND', 'Bob is not here.')
          // Whatever was planned until then happens, and what that leads to.
          const pass = () => {
            clock.advance(1000)
            minutes += 1 / 60
            if (minutes < 1) setImmediate(pass)
          }
          if (minutes === 0) setImmediate(pass)
        },
      }),
    )
    expect(error).toMatchObject({ code: 'CHANNEL_CLOSED', retryable: true, cause: { code: 'PEER_NOT_FOUND' } })
    expect(error.message).toBe('There was no connection for the file for 60 s.')
    expect(Math.round(minutes)).toBe(1)
    link.receiver.close()
  })

  test('that never was there is told as it is, unless it may come', async () => {
    const { link } = blobLink()
    link.refusal = new ParleyError('DECLINED', 'Bob does not want to connect.')
    expect(await errorOf(sendOver(link.open, new Blob([])))).toBe(link.refusal)
    link.refusal = new ParleyError('UNREACHABLE', 'There is no way to Bob.', { retryable: true })
    const attempts: number[] = []
    const open: FileLink['open'] = request => {
      if (attempts.push(Date.now()) === 4) link.refusal = undefined
      return link.open(request)
    }
    expect((await sendOver(open, new Blob([content(5)]), { random: () => 0 })).size).toBe(5)
    expect(attempts).toHaveLength(4)
  })

  test('leaves nothing of a file whose sender does not come back', async () => {
    const clock = manualClock()
    const { sink, ends } = recordingSink()
    const failed = waiting<ParleyError>()
    let offered: AbortSignal | undefined
    const link = linkTo(
      async file => {
        offered = file.signal
        failed.push(await errorOf(file.save(sink)))
      },
      { clock },
    )
    link.cuts = [500_000]
    const quit = new AbortController()
    await errorOf(
      sendOver(link.open, new Blob([content(1_000_000)]), {
        signal: quit.signal,
        onProgress: ({ status }) => status === 'connecting' && link.channels.length === 1 && quit.abort(),
      }),
    )
    clock.advance(119_999)
    expect([offered?.aborted, ends]).toEqual([false, []])
    clock.advance(1)
    expect((await failed.next()).code).toBe('CHANNEL_CLOSED')
    expect([offered?.aborted, ends]).toEqual([true, ['abort']])
  })
})
