import type { Clock } from './clock.ts'

/**
 * Both sides open this channel, under the same number, without a word about it. So there is something to connect for.
 * Numbers of other channels are given out from below.
 */
const channelInit = { label: 'parley', protocol: 'parley.control.1', negotiated: true, id: 1000 } as const

/** Milliseconds that the other side may take to confirm a goodbye; then the connection is closed all the same. */
const farewellWithin = 1_000

/** What a `Control` tells its connection. */
export interface ControlListener {
  /** The channel is open. */
  changed(): void
  /** The other side is there: it has said something. */
  heard(): void
  /** The other side closes the connection on purpose. */
  parted(): void
  /** The channel has closed, and nobody has said goodbye. */
  ended(): void
}

/**
 * What two peers with this library say to each other on their connection: `ping`, which is answered by `pong`, and
 * `goodbye` before a deliberate close. So an end without a goodbye means that the connection was lost.
 */
export class Control {
  readonly #channel: RTCDataChannel

  constructor(
    private readonly pc: RTCPeerConnection,
    listener: ControlListener,
  ) {
    const { label, ...init } = channelInit
    const channel = pc.createDataChannel(label, init)
    this.#channel = channel
    channel.onopen = () => listener.changed()
    channel.onclose = () => listener.ended()
    channel.onmessage = ({ data }) => {
      if (data === 'ping') this.#say('pong')
      listener.heard()
      if (data === 'goodbye') listener.parted()
    }
  }

  get isOpen(): boolean {
    return this.#channel.readyState === 'open'
  }

  /** Asks the other side whether it is there. */
  ping(): void {
    this.#say('ping')
  }

  /** Tells the listener nothing more. */
  letGo(): void {
    this.#channel.onopen = this.#channel.onclose = this.#channel.onmessage = null
  }

  /**
   * Says goodbye, and closes the `RTCPeerConnection` as soon as the other side has heard it: what is sent right before
   * `close` need not arrive. The listener is told nothing more.
   */
  part(clock: Clock): void {
    this.letGo()
    const close = () => {
      cancel()
      this.letGo()
      this.pc.close()
    }
    const cancel = clock.after(farewellWithin, close)
    const channel = this.#channel
    channel.onclose = close
    channel.onmessage = ({ data }) => {
      if (data === 'goodbye') close()
    }
    // The other side may be connected a moment before this one is.
    if (channel.readyState === 'connecting' && this.pc.remoteDescription) channel.onopen = () => this.#say('goodbye')
    else if (!this.#say('goodbye')) close()
  }

  /** Whether it could be said. */
  #say(word: 'ping' | 'pong' | 'goodbye'): boolean {
    try {
      this.#channel.send(word)
      return true
    } catch {
      // The channel has closed; its event follows.
      return false
    }
  }
}
