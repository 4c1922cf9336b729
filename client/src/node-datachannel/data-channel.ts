import { HandlerTarget } from './handler-target.ts'
import type { NativeDataChannel, NativeDataChannelInit, NativePeerConnection } from './library.ts'

/** What a channel tells its connection. */
export interface ChannelOwner {
  /** It is about to open. */
  channelOpens(): void
  /** It has ended, and its events have been told. */
  channelEnded(channel: NodeDataChannel): void
  /** Whether the way to the other peer has broken, which ends channels that nobody has closed. */
  readonly isBroken: boolean
}

/** What the library says for "no id yet". */
const noId = 65_535

/** Within so many milliseconds the library tells of an end that it was asked for, if it does at all (see `closeNative`). */
const overdueAfter = 1_000

/**
 * `RTCDataChannel` on a channel of the library. It hears what the library tells from its construction on. The library's
 * callbacks hold on to it, and to the native channel, until its end has been told: to let go of one of those earlier
 * makes `cleanup()` of the library crash.
 */
export class NodeDataChannel extends HandlerTarget {
  readonly protocol: string
  /** Of channels that the other peer has opened this and the next two are not known, and said to be the default. */
  readonly ordered: boolean
  readonly maxPacketLifeTime: number | null
  readonly maxRetransmits: number | null
  readonly negotiated: boolean
  #id: number | null
  #readyState: RTCDataChannelState = 'connecting'
  #hasOpened = false
  #hasEnded = false
  #overdue: ReturnType<typeof setTimeout> | undefined
  #lowThreshold = 0
  #maxMessageSize = 0

  /** Undefined while it is not created yet. */
  #native: NativeDataChannel | undefined

  /** @param init how this side creates it @param native what the other side has opened, or what is created by `createIn` */
  constructor(
    readonly label: string,
    private readonly owner: ChannelOwner,
    private readonly init?: NativeDataChannelInit,
    native?: NativeDataChannel,
  ) {
    super()
    this.protocol = native?.getProtocol() ?? init?.protocol ?? ''
    this.ordered = !init?.unordered
    this.maxPacketLifeTime = init?.maxPacketLifeTime ?? null
    this.maxRetransmits = init?.maxRetransmits ?? null
    this.negotiated = init?.negotiated ?? false
    this.#id = init?.id ?? null
    if (native) this.#use(native)
  }

  get id(): number | null {
    return this.#id
  }

  get readyState(): RTCDataChannelState {
    return this.#readyState
  }

  /** Bytes that have been sent and not left yet. */
  get bufferedAmount(): number {
    return this.#native?.bufferedAmount() ?? 0
  }

  get bufferedAmountLowThreshold(): number {
    return this.#lowThreshold
  }

  set bufferedAmountLowThreshold(bytes: number) {
    this.#lowThreshold = bytes
    if (!this.#isOver) this.#native?.setBufferedAmountLowThreshold(bytes)
  }

  get binaryType(): BinaryType {
    return 'arraybuffer'
  }

  /** @throws DOMException NotSupportedError for anything but "arraybuffer" */
  set binaryType(type: BinaryType) {
    if (type !== 'arraybuffer') throw new DOMException('Only "arraybuffer" is supported here.', 'NotSupportedError')
  }

  /**
   * Sends text, or bytes, which are copied, without waiting: see `bufferedAmount`.
   * @throws DOMException InvalidStateError unless the channel is open
   * @throws TypeError if it is longer than the other peer takes, or a Blob
   */
  send(data: string | ArrayBuffer | ArrayBufferView): void {
    const native = this.#native
    if (this.#readyState !== 'open' || !native) throw notOpen(this.label, this.#readyState)
    const bytes = typeof data === 'string' ? undefined : bytesOf(data)
    if ((bytes?.byteLength ?? this.#atLeast(data as string)) > this.#maxMessageSize) {
      throw new TypeError(`The other peer takes no message of more than ${this.#maxMessageSize} bytes.`)
    }
    try {
      if (bytes) native.sendMessageBinary(bytes)
      else native.sendMessage(data as string)
    } catch {
      // It is right before its event.
      throw notOpen(this.label, 'closed')
    }
  }

  /** What has been sent still arrives. */
  close(): void {
    if (this.#isOver) return
    this.#readyState = 'closing'
    this.#close()
  }

  // The members from here on are for the connection. The messages of a channel may come before the word that it is open.

  /** Opens it, and calls `announce` before its event. @internal */
  open(announce?: () => void): void {
    const native = this.#native
    if (this.#readyState !== 'connecting' || !native) return
    this.owner.channelOpens()
    this.#maxMessageSize = native.maxMessageSize()
    const id = native.getId()
    this.#id = id === noId ? this.#id : id
    this.#readyState = 'open'
    this.#hasOpened = true
    announce?.()
    if (this.readyState === 'open') this.fire('open')
    // The other side has closed it before this side could listen; the library does not tell that.
    if (!native.isOpen()) setTimeout(() => this.#end())
  }

  /** Creates it in a connection of the library: the first one, or the one with which its owner goes on. @internal */
  createIn(peer: NativePeerConnection): void {
    if (this.#readyState !== 'connecting' || !this.init) return
    const before = this.#native
    this.#use(peer.createDataChannel(this.label, this.init))
    before?.close()
  }

  /** The connection has been closed. @internal */
  abandon(): void {
    this.#readyState = 'closed'
    this.#close()
  }

  /** The connection has broken. The library sees to the channels that have been open. @internal */
  lose(): void {
    if (this.#readyState === 'connecting') this.#close()
  }

  #close(): void {
    if (this.#native) closeNative(this.#native, this.#hasOpened)
    this.#overdue ??= setTimeout(() => this.#end(), this.#native ? overdueAfter : 0)
  }

  #use(native: NativeDataChannel): void {
    this.#native = native
    native.setBufferedAmountLowThreshold(this.#lowThreshold)
    native.onOpen(() => this.open())
    native.onBufferedAmountLow(() => this.fire('bufferedamountlow'))
    // On Node, callbacks that wait are called in the order of these lines: what has arrived before the end of the channel.
    native.onMessage(data => this.#receive(data))
    // And in a task of its own what has arrived, before that end, on other channels.
    native.onClosed(() =>
      setTimeout(() => {
        if (native === this.#native) this.#end()
      }),
    )
  }

  get #isOver(): boolean {
    return this.#readyState === 'closing' || this.#readyState === 'closed'
  }

  #receive(data: string | ArrayBuffer | Uint8Array): void {
    if (this.#readyState !== 'open') {
      if (this.#readyState !== 'connecting') return
      this.open()
    }
    this.dispatchEvent(new MessageEvent('message', { data: ArrayBuffer.isView(data) ? wholeBuffer(data) : data }))
  }

  /** The library has ended it, because this side, the other side or the connection has. */
  #end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    clearTimeout(this.#overdue)
    if (!this.#isOver) {
      this.#readyState = 'closing'
      if (this.owner.isBroken) {
        const error = new DOMException('The connection of the data channel has broken.', 'OperationError')
        this.fire('error', { error: Object.assign(error, { errorDetail: 'sctp-failure' }) })
      } else this.fire('closing')
    }
    this.#readyState = 'closed'
    this.fire('close')
    this.owner.channelEnded(this)
  }

  /** Bytes of a text in UTF-8, as long as that matters. */
  #atLeast(text: string): number {
    return text.length * 3 <= this.#maxMessageSize ? text.length : new TextEncoder().encode(text).length
  }
}

NodeDataChannel.giveHandlers(NodeDataChannel.prototype, [
  'open',
  'message',
  'bufferedamountlow',
  'error',
  'closing',
  'close',
])

/**
 * Closes a channel of the library. One that has been open and is not any more is being closed by the library, as the other
 * side wants it: to close it in that moment keeps the library from telling of its end, and the program from ending
 * (docs/upstream/libdatachannel-close-twice.md). What is left of that is a moment between the two calls.
 */
export function closeNative(native: NativeDataChannel, hasOpened: boolean): void {
  if (!hasOpened || native.isOpen()) native.close()
}

const notOpen = (label: string, state: RTCDataChannelState) =>
  new DOMException(`The data channel ${label} is ${state}.`, 'InvalidStateError')

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  if (data instanceof Uint8Array) return data
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  throw new TypeError('Text, an ArrayBuffer or a view of one can be sent.')
}

/** The bytes as W3C wants them. The library gives each message memory of its own, so it need not be copied. */
function wholeBuffer({ buffer, byteOffset, byteLength }: Uint8Array): ArrayBufferLike {
  const isWhole = byteOffset === 0 && byteLength === buffer.byteLength
  return isWhole ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)
}
