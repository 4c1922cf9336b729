import { lost } from './connection-errors.ts'
import { HeldChannel } from './held-channel.ts'

/** The data channels of one connection, which it opens, or which the other side opens. */
export class DataChannels {
  readonly #all = new Set<RTCDataChannel>()
  readonly #closed = new AbortController()
  #unclaimed: HeldChannel[] = []

  constructor(private readonly peerId: string) {}

  /**
   * Opens one. Resolves when it is open, or never will be.
   * @throws ParleyError CHANNEL_CLOSED, if the way is lost and nobody has been told yet
   */
  async open(pc: RTCPeerConnection, label: string, init: RTCDataChannelInit): Promise<RTCDataChannel> {
    const channel = this.#add(this.#create(pc, label, init))
    const settled = new AbortController()
    await new Promise(resolve => {
      const { signal } = settled
      for (const name of ['open', 'close', 'error']) channel.addEventListener(name, resolve, { signal })
      this.#closed.signal.addEventListener('abort', resolve, { signal })
    })
    settled.abort()
    return channel
  }

  /**
   * Takes a channel that the other side has opened.
   * @param take for the channels of its protocol
   * @param hand for other channels; undefined if nobody listens to them yet
   */
  receive(
    channel: RTCDataChannel,
    take: ((channel: RTCDataChannel) => void) | undefined,
    hand: ((channel: RTCDataChannel) => void) | undefined,
  ): void {
    const held = new HeldChannel(this.#add(channel))
    if (take) held.release(take)
    else if (channel.protocol.startsWith('parley.')) held.refuse()
    else if (hand) held.release(hand)
    else this.#unclaimed.push(held)
  }

  /** Hands out what nobody has listened to so far. */
  release(hand: (channel: RTCDataChannel) => void): void {
    // Not before the caller has the result: the listener may want to end its subscription.
    const unclaimed = this.#unclaimed.splice(0)
    queueMicrotask(() => {
      for (const held of unclaimed) held.release(hand)
    })
  }

  /** Closes all. */
  close(): void {
    this.#closed.abort()
    for (const channel of this.#all) channel.close()
  }

  #add(channel: RTCDataChannel): RTCDataChannel {
    channel.binaryType = 'arraybuffer'
    this.#all.add(channel)
    channel.addEventListener('close', () => this.#all.delete(channel))
    return channel
  }

  #create(pc: RTCPeerConnection, label: string, init: RTCDataChannelInit): RTCDataChannel {
    try {
      return pc.createDataChannel(label, init)
    } catch (cause) {
      throw (cause as Error).name === 'InvalidStateError' ? lost(this.peerId) : cause
    }
  }
}
