import { closeNative, type NodeDataChannel } from './data-channel.ts'
import type { NativeDataChannel, NativePeerConnection } from './library.ts'

/** The id of the gate, the greatest that the library has: no program can use it, on either side. */
export const gateId = 1023

/**
 * A connection of the library, and when channels may be created on it. A channel that is created in the moment in which SCTP
 * connects is opened twice (libdatachannel 0.24.5): then aiortc hears nothing more, and others close the channel. See
 * docs/upstream/libdatachannel-double-open.md.
 *
 * The gate is a negotiated channel that sends nothing, so the other side need not know of it. The library opens it in the step
 * in which it opens all channels that were created before; from then on it opens each new channel once.
 */
export class GatedPeer {
  readonly #gate: NativeDataChannel
  readonly #waiting: NodeDataChannel[] = []
  #isOpen = false

  constructor(readonly native: NativePeerConnection) {
    this.#gate = native.createDataChannel('', { protocol: '', unordered: false, negotiated: true, id: gateId })
    this.#gate.onOpen(() => {
      this.#isOpen = true
      for (const channel of this.#waiting.splice(0)) this.#create(channel)
    })
    // As with every channel, the callbacks hold on to it until its end: otherwise the library crashes.
    this.#gate.onClosed(() => this.#waiting.splice(0))
  }

  /** Creates the channel as soon as it may be: at once, unless the library may be connecting right now. */
  admit(channel: NodeDataChannel, mayBeConnecting: boolean): void {
    if (mayBeConnecting && !this.#isOpen && !channel.negotiated) this.#waiting.push(channel)
    else channel.createIn(this.native)
  }

  close(): void {
    // First the channel: the end of its connection may end the program on Bun while it is open.
    closeNative(this.#gate, this.#isOpen)
    this.native.close()
  }

  #create(channel: NodeDataChannel): void {
    try {
      channel.createIn(this.native)
    } catch {
      // The connection has ended meanwhile, or has as many channels as it can have.
      channel.lose()
    }
  }
}
