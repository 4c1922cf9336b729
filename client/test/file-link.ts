import { createHash } from 'node:crypto'
import { ParleyError } from '../src/errors.ts'
import type { FileHandler, FileReceiverOptions, FileSink, IncomingFile } from '../src/files/index.ts'
import type { OpenedChannel } from '../src/files/outgoing.ts'
import { FileReceiver } from '../src/files/receive-files.ts'
import type { ChannelRequest } from '../src/files/send-file.ts'
import { ChannelEnd } from './channel-pair.ts'

/** A way from a sender to a receiver that can be cut. */
export class FileLink {
  /** The channels that were opened, each as the sender and the receiver have it. */
  readonly channels: (readonly [ChannelEnd, ChannelEnd])[] = []
  /** Of each that is opened: bytes of content after which it is cut. */
  cuts: number[] = []
  /** What `open` rejects with, as while there is no way. */
  refusal: ParleyError | undefined
  maxMessageSize: number | undefined
  /** Before anything of the sender's arrives. */
  onArrival: (data: string | ArrayBuffer) => string | ArrayBuffer = data => data
  /** Bytes of content that have arrived, over all channels. */
  arrived = 0

  constructor(
    public receiver: FileReceiver,
    readonly peerId = 'ada',
  ) {}

  readonly open = async ({ signal }: ChannelRequest): Promise<OpenedChannel> => {
    signal.throwIfAborted()
    if (this.refusal) throw this.refusal
    const [near, far] = ChannelEnd.pair()
    let left = this.cuts.shift() ?? Number.POSITIVE_INFINITY
    far.onArrival = data => {
      if (typeof data !== 'string') {
        this.arrived += data.byteLength
        left -= data.byteLength
      }
      if (left < 0) queueMicrotask(() => this.cut())
      return this.onArrival(data)
    }
    this.channels.push([near, far])
    this.receiver.receive(this.peerId, far)
    return { channel: near, maxMessageSize: this.maxMessageSize }
  }

  /** The last channel that was opened. */
  get last(): readonly [ChannelEnd, ChannelEnd] {
    const last = this.channels.at(-1)
    if (!last) throw new Error('No channel was opened.')
    return last
  }

  /** Both sides see that the last channel is gone. */
  cut(): void {
    for (const end of this.last) end.cut()
  }
}

/** One end of a channel, for those who do not keep to the protocol. It closes the channel after the last word. */
export class RawEnd {
  readonly #arrived = waiting<object | number | 'closed'>()
  /** The next frame, the size of the next content, or `closed`. */
  readonly next = this.#arrived.next

  constructor(
    readonly end: ChannelEnd,
    isPolite = true,
  ) {
    end.binaryType = 'arraybuffer'
    end.addEventListener('message', event => {
      const { data } = event as MessageEvent<string | ArrayBuffer>
      const arrived = typeof data === 'string' ? JSON.parse(data) : data.byteLength
      this.#arrived.push(arrived)
      if (isPolite && ['kept', 'error'].includes(arrived.type)) end.close()
    })
    end.addEventListener('close', () => this.#arrived.push('closed'))
  }

  /** A text as it is, bytes, or a frame. */
  send(data: string | Uint8Array<ArrayBuffer> | object): void {
    this.end.send(typeof data === 'string' || data instanceof Uint8Array ? data : JSON.stringify(data))
  }
}

/** A link to a receiver with this handler. */
export function linkTo(handler: FileHandler | undefined, options: FileReceiverOptions = {}): FileLink {
  const receiver = new FileReceiver(options)
  receiver.handler = handler
  return new FileLink(receiver)
}

/** A link to a receiver that takes files into memory, what it is offered, and what becomes of that, in order. */
export function blobLink(options?: FileReceiverOptions) {
  const files: IncomingFile[] = []
  const blobs = waiting<Blob | ParleyError>()
  const link = linkTo(async file => {
    files.push(file)
    await file.blob().then(blobs.push, blobs.push)
  }, options)
  return { link, files, nextBlob: blobs.next }
}

/** Things that somebody waits for, in order. */
export function waiting<Value>() {
  const values: Value[] = []
  let wake = () => {}
  return {
    push(value: Value): void {
      values.push(value)
      wake()
    },
    async next(): Promise<Value> {
      while (values.length === 0) {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
      return values.shift() as Value
    },
  }
}

/** A sink that keeps what it gets and notes how it ends; `bend` does something before. */
export function recordingSink(bend: Partial<FileSink> = {}) {
  const chunks: Uint8Array[] = []
  const ends: string[] = []
  const sink: FileSink = {
    async write(bytes) {
      await bend.write?.(bytes)
      chunks.push(bytes)
    },
    async finish() {
      ends.push('finish')
      return bend.finish ? bend.finish() : 'kept.bin'
    },
    async abort(reason) {
      ends.push('abort')
      await bend.abort?.(reason)
    },
  }
  return { sink, ends, bytes: () => new Uint8Array(Buffer.concat(chunks)) }
}

const pages = new Uint8Array(24 * 1024 * 1024)
for (let at = 0, x = 1; at < pages.length; at++) {
  x = (x * 48_271) % 2_147_483_647
  pages[at] = x
}

/** Bytes of which no two pages are alike; always the same ones. */
export const content = (size: number): Uint8Array<ArrayBuffer> => pages.slice(0, size)

export const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Compares without printing megabytes. */
export async function isContent(data: Blob | Uint8Array | ParleyError, size: number): Promise<boolean> {
  if (data instanceof ParleyError) throw data
  const bytes = data instanceof Blob ? new Uint8Array(await data.arrayBuffer()) : data
  return Buffer.compare(bytes, pages.subarray(0, size)) === 0
}

export const errorOf = (promise: Promise<unknown>): Promise<ParleyError> =>
  promise.then(
    () => {
      throw new Error('It did not fail.')
    },
    error => error,
  )
