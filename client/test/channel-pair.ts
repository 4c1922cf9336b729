import type { FileChannel } from '../src/files/wire.ts'

/** Bytes that arrive before the event loop turns. */
const burst = 256 * 1024

type Data = string | ArrayBuffer

const sizeOf = (data: Data) => (typeof data === 'string' ? data.length : data.byteLength)

/** One end of a data channel in memory: what is sent arrives in later turns of the event loop, in order. */
export class ChannelEnd extends EventTarget implements FileChannel {
  readyState: RTCDataChannelState = 'open'
  binaryType: BinaryType = 'blob'
  bufferedAmount = 0
  bufferedAmountLowThreshold = 0
  /** The most that has ever been in the send buffer. */
  peak = 0
  #queue: (Data | undefined)[] = []
  #isBusy = false
  #far: ChannelEnd | undefined
  /** Is asked before anything arrives, and may say something else instead. */
  onArrival: (data: Data) => Data = data => data

  static pair(): readonly [ChannelEnd, ChannelEnd] {
    const near = new ChannelEnd()
    const far = new ChannelEnd()
    near.#far = far
    far.#far = near
    return [near, far]
  }

  send(data: string | ArrayBuffer | ArrayBufferView | Blob): void {
    if (this.readyState !== 'open') throw new DOMException('The channel is not open.', 'InvalidStateError')
    if (data instanceof Blob) throw new TypeError('A Blob cannot be sent.')
    const copy = typeof data === 'string' ? data : new Uint8Array(bytesOf(data)).buffer
    this.#push(copy)
    this.bufferedAmount += sizeOf(copy)
    this.peak = Math.max(this.peak, this.bufferedAmount)
  }

  /** What was sent before still arrives. */
  close(): void {
    if (this.readyState !== 'open') return
    this.readyState = 'closing'
    this.#push(undefined)
  }

  /** It is gone, with all that is under way. This end knows, the other one may not. */
  cut(): void {
    this.#queue = []
    if (this.readyState === 'closed') return
    this.readyState = 'closed'
    this.dispatchEvent(new Event('close'))
  }

  #push(data: Data | undefined): void {
    this.#queue.push(data)
    if (this.#isBusy) return
    this.#isBusy = true
    setImmediate(() => this.#deliver())
  }

  #deliver(): void {
    this.#isBusy = false
    for (let bytes = 0; this.#queue.length > 0 && bytes < burst; ) {
      const data = this.#queue.shift()
      if (data === undefined) {
        this.#far?.cut()
        this.cut()
        return
      }
      bytes += sizeOf(data)
      const before = this.bufferedAmount
      this.bufferedAmount -= sizeOf(data)
      const low = this.bufferedAmountLowThreshold
      if (before > low && this.bufferedAmount <= low) this.dispatchEvent(new Event('bufferedamountlow'))
      const far = this.#far
      if (far?.readyState === 'open') far.dispatchEvent(new MessageEvent('message', { data: far.onArrival(data) }))
    }
    if (this.#queue.length > 0) {
      this.#isBusy = true
      setImmediate(() => this.#deliver())
    }
  }
}

const bytesOf = (data: ArrayBuffer | ArrayBufferView): ArrayBuffer | Uint8Array =>
  ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : data
