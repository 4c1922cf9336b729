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

  /** @param channel whose `binaryType` is `arraybuffer` */
  constructor(readonly channel: RTCDataChannel) {
    channel.addEventListener('message', this.#hold)
  }

  /** Gives it to `take`, who may listen to it as soon as it has it, and tells it what has arrived and what arrives now. */
  release(take: (channel: RTCDataChannel) => void): void {
    take(this.channel)
    // Later than any promise that `take` resolves with the channel.
    setTimeout(() => {
      this.channel.removeEventListener('message', this.#hold)
      for (const data of this.#held) this.channel.dispatchEvent(new MessageEvent('message', { data }))
    })
  }

  /** Closes it, and says why in the way that all protocols of this library have. */
  refuse(): void {
    const { channel } = this
    const say = () => {
      channel.send(JSON.stringify({ type: 'error', code: 'DECLINED', message: 'Nobody takes this here.' }))
      channel.close()
    }
    if (channel.readyState === 'open') say()
    else channel.onopen = say
  }
}
