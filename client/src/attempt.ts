import type { Clock } from './clock.ts'
import type { ConnectionParts } from './connection-types.ts'
import { Control } from './control.ts'
import type { ParleyError } from './errors.ts'
import type { IncomingSignal } from './messages.ts'
import { Negotiation } from './negotiation.ts'
import { noteIn } from './negotiation-note.ts'
import { newPeerConnection } from './new-peer-connection.ts'
import { randomId } from './random-id.ts'

/** What an `Attempt` tells its connection. */
export interface AttemptListener {
  /** How far it has come may be different now. */
  changed(): void
  /** The other side has opened a data channel. */
  channel(channel: RTCDataChannel): void
  /** The other side is there: it has said something. */
  heard(): void
  /** ICE has been restarted. */
  restarted(): unknown
  /** The other side closes the connection on purpose. */
  parted(): void
  /** The control channel has closed, and nobody has said goodbye. */
  ended(): void
  /** It cannot be negotiated. */
  failed(error: ParleyError): void
}

/** One attempt to connect: an `RTCPeerConnection`, how it is negotiated, and the control channel on it. */
export class Attempt {
  readonly pc: RTCPeerConnection
  readonly negotiation: Negotiation
  #control: Control | undefined

  /** @param offer that of the other side; undefined if this side makes the first one @throws ParleyError UNSUPPORTED */
  constructor(
    peerId: string,
    parts: ConnectionParts,
    offer: IncomingSignal | undefined,
    private readonly listener: AttemptListener,
  ) {
    const pc = newPeerConnection(parts)
    this.pc = pc
    pc.ondatachannel = ({ channel }) => listener.channel(channel)
    pc.onconnectionstatechange = () => listener.changed()
    this.negotiation = new Negotiation(pc, peerId, parts, {
      id: offer ? noteIn(offer)?.link : randomId(),
      isFirst: !offer,
      heard: isRestart => this.#heard(isRestart),
      failed: error => listener.failed(error),
    })
    if (offer) this.negotiation.receive(offer)
    else this.#openControl()
  }

  /** Whether the peers have found each other. */
  get isConnected(): boolean {
    return this.pc.connectionState === 'connected' && (this.negotiation.isPlain || this.#control?.isOpen) === true
  }

  /** Asks the other side over the connection whether it is there. */
  ping(): void {
    this.#control?.ping()
  }

  /**
   * Closes it, and tells nothing more.
   * @param clock if the other side is to be told that this is on purpose
   */
  end(clock?: Clock): void {
    const { pc } = this
    this.negotiation.stop()
    pc.ondatachannel = pc.onconnectionstatechange = null
    if (clock && this.#control) this.#control.part(clock)
    else {
      this.#control?.letGo()
      pc.close()
    }
  }

  /** The other side has described itself, so it is known whether it has this library. */
  #heard(isRestart: boolean): void {
    if (!this.negotiation.isPlain) this.#openControl()
    this.listener.changed()
    if (isRestart) this.listener.restarted()
  }

  #openControl(): void {
    this.#control ??= new Control(this.pc, this.listener)
  }
}
