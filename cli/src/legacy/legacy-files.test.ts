import { expect, test } from 'bun:test'
import type { FileSource } from '@parley/client/files'
import { nodeSha256 } from '../files/node-sha256.ts'
import type { ArrivingFile } from './arriving-file.ts'
import { receiveLegacyFiles, sendLegacyFile } from './legacy-files.ts'

/** A data channel whose other end is the test. */
class Channel extends EventTarget {
  binaryType = 'blob'
  bufferedAmount = 0
  bufferedAmountLowThreshold = 0
  readyState = 'open'
  readonly sent: unknown[] = []

  send(data: unknown): void {
    this.sent.push(data)
  }

  arrive(...messages: (string | Uint8Array<ArrayBuffer>)[]): void {
    for (const data of messages) {
      this.dispatchEvent(new MessageEvent('message', { data: typeof data === 'string' ? data : data.buffer }))
    }
  }
}

const bytes = (text: string) => new Uint8Array(new TextEncoder().encode(text))

/** What comes of the messages: files as their content, or why they failed, and text. */
function receiver() {
  const channel = new Channel()
  const texts: string[] = []
  const files: Promise<string>[] = []
  const names: string[] = []
  const take = (file: ArrivingFile) => {
    const content: Uint8Array[] = []
    names.push(file.name)
    const sink = {
      write: (chunk: Uint8Array) => void content.push(chunk),
      finish: async () => file.name,
      abort: async () => {},
    }
    files.push(
      file.save(sink).then(
        () => Buffer.concat(content).toString(),
        error => error.message,
      ),
    )
  }
  receiveLegacyFiles('peer', channel as unknown as RTCDataChannel, { file: take, text: text => texts.push(text) })
  return { channel, texts, files, names }
}

test('files arrive one after the other, whatever keeps the channel alive in between', async () => {
  const { channel, files, texts, names } = receiver()
  channel.arrive(bytes('KEEP_ALIVE'), 'a.txt:5', bytes('he'), bytes('KEEP_ALIVE'), 'KEEP_ALIVE', bytes('llo'))
  channel.arrive('END_OF_FILE', 'hello there', 'b:c.txt:0', bytes('END_OF_FILE'), bytes('lost'))
  expect(await Promise.all(files)).toEqual(['hello', ''])
  expect([names, texts]).toEqual([['a.txt', 'b_c.txt'], ['hello there']])
})

test('a file that is not what was announced fails', async () => {
  const { channel, files } = receiver()
  channel.arrive(
    'short:5',
    bytes('hell'),
    'END_OF_FILE',
    'long:5',
    bytes('hello!'),
    'END_OF_FILE',
    'cut:5',
    bytes('he'),
  )
  channel.dispatchEvent(new Event('close'))
  expect(await Promise.all(files)).toEqual([
    '4 bytes arrived instead of 5.',
    '6 bytes arrived instead of 5.',
    'The data channel was closed before the file was complete.',
  ])
})

test('names lead nowhere else', () => {
  const { channel, names } = receiver()
  channel.arrive('../../etc/passwd:0', 'END_OF_FILE', '..:0', 'END_OF_FILE', 'C:\\x\\y.bin:0', 'END_OF_FILE')
  for (const name of names) expect(name).not.toMatch(/[/\\]|^\./)
  expect(names).toHaveLength(3)
})

test('a file is sent as deployed programs expect it', async () => {
  const channel = new Channel()
  const content = new Uint8Array(40_000).map((_, at) => at)
  const source: FileSource = {
    name: 'a:b.bin',
    size: content.length,
    type: '',
    modified: undefined,
    read: async (at, length) => content.slice(at, at + length),
  }
  const hash = nodeSha256()
  const progress: number[] = []
  const onProgress = (sent: number) => progress.push(sent)
  await sendLegacyFile(channel as unknown as RTCDataChannel, source, hash, { onProgress })
  expect(channel.sent[0]).toBe('a_b.bin:40000')
  expect(channel.sent.at(-1)).toBe('END_OF_FILE')
  expect(Buffer.concat(channel.sent.slice(1, -1) as Uint8Array[])).toEqual(Buffer.from(content))
  expect(progress).toEqual([16_384, 32_768, 40_000])
  expect(hash.hex()).toBe(new Bun.CryptoHasher('sha256').update(content).digest('hex'))
})

test('whoever cancels sends no more', async () => {
  const channel = new Channel()
  const source: FileSource = { name: 'a', size: 5, type: '', modified: undefined, read: async () => bytes('hello') }
  const sending = sendLegacyFile(channel as unknown as RTCDataChannel, source, nodeSha256(), {
    signal: AbortSignal.abort(),
  })
  expect(await sending.catch(error => error.code)).toBe('ABORTED')
  expect(channel.sent).toEqual(['a:5'])
})
