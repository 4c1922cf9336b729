/** Bytes that may arrive on a channel that nobody listens to yet. */
const mostHeld = 1024 * 1024

/**
 * Keeps what arrives on a channel of another peer until somebody listens to it. The events of a data channel go nowhere
 * while it has no listener, and whoever connects cannot listen before it has the connection.
 */
export class HeldChannel {
  #held: unknown[] = []
  #size = 0
  readonly #hold = ({ data }: MessageEvent) => {
    this.#held.push(data)
    this.#size += typeof data === 'string' ? data.length : (data as ArrayBuffer).byteLength
    // Nobody will listen any more; whoever sends learns it that way.
    if (this.#size > mostHeld) this.channel.close()
  }

  constructor(readonly channel: RTCDataChannel) {
    channel.binaryType = 'arraybuffer'
    channel.addEventListener('message', this.#hold)
  }

  /** Has `listen` add its listeners, then tells them what has arrived until now. */
  release(listen: (channel: RTCDataChannel) => void): void {
    this.channel.removeEventListener('message', this.#hold)
    listen(this.channel)
    for (const data of this.#held.splice(0)) this.channel.dispatchEvent(new MessageEvent('message', { data }))
  }
}
