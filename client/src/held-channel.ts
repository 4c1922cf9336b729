/** Bytes that may arrive on a channel that nobody listens to yet. */
const mostHeld = 1024 * 1024

/**
 * Keeps what arrives on a channel of another peer until somebody listens to it. The events of a data channel go nowhere
 * while it has no listener, and whoever connects cannot listen before it has the connection.
 */
export class HeldChannel {
  #held: unknown[] = []
  #size = 0
  readonly #hold = (event: MessageEvent) => {
    const { data } = event
    // It was added first, so nobody else hears of it before it is told again.
    event.stopImmediatePropagation()
    this.#held.push(data)
    this.#size += typeof data === 'string' ? data.length : data.byteLength
    // Nobody will listen any more; whoever sends learns it that way.
    if (this.#size > mostHeld) this.channel.close()
  }

  constructor(readonly channel: RTCDataChannel) {
    channel.binaryType = 'arraybuffer'
    channel.addEventListener('message', this.#hold)
  }

  /** Tells what has arrived until now, and holds no more, as soon as whoever is given the channel just now can listen to it. */
  release(): void {
    // Later than any promise that resolves with the channel.
    setTimeout(() => {
      this.channel.removeEventListener('message', this.#hold)
      for (const data of this.#held) this.channel.dispatchEvent(new MessageEvent('message', { data }))
    })
  }
}
