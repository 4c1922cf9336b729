import { Attempt } from './attempt.ts'
import { closed, declined, forgotten, lost, unanswered, unreachable } from './connection-errors.ts'
import type { ConnectionEvents, ConnectionParts, ConnectionStatus } from './connection-types.ts'
import { DataChannels } from './data-channels.ts'
import { Emitter, type Unsubscribe } from './emitter.ts'
import { hasCode, type ParleyError } from './errors.ts'
import type { IncomingSignal } from './messages.ts'
import type { Negotiation } from './negotiation.ts'
import { type NegotiationWord, payloadOf } from './negotiation-note.ts'
import { OtherSide } from './other-side.ts'
import { onOnline } from './page-events.ts'
import { Search } from './search.ts'

/** Milliseconds after which they try once more: what they have told each other may have been lost, or not been all. */
const tryAgainAfter = 10_000

/** Attempts to find one at first. */
const mostAttempts = 3

/** Milliseconds that an interruption may take to heal by itself, as most do. */
const patience = 3_000

/**
 * The way to another peer: one `RTCPeerConnection`, negotiated anew whenever that needs it. It does not depend on the
 * server once it is there. When it has broken for good it is `closed`, and `Room.connect` makes another one.
 */
export class Connection extends Emitter<ConnectionEvents> {
  /** Resolves when the peers have found each other. @throws ParleyError that says why they will not */
  readonly ready: Promise<void>
  #status: ConnectionStatus = 'connecting'
  #error: ParleyError | undefined
  readonly #channels: DataChannels
  readonly #search: Search
  #settle: { resolve(): void; reject(error: ParleyError): void } = { resolve() {}, reject() {} }
  #attempt: Attempt
  /** Whether this side wants it, also if the other has begun at the same time. */
  readonly #isOurs: boolean
  #attempts = 1
  readonly #offOnline = onOnline(() => this.restart())
  /** What is known of the other peer. @internal */
  readonly otherSide: OtherSide

  /** @param offer that of the other side; undefined if this side makes the first one @throws ParleyError UNSUPPORTED */
  constructor(
    /** The other peer. */
    readonly peerId: string,
    private readonly parts: ConnectionParts,
    offer?: IncomingSignal,
  ) {
    super()
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever waits for it is told; nobody has to.
    this.ready.catch(() => {})
    this.#isOurs = !offer
    this.#channels = new DataChannels(peerId)
    const help = () => this.negotiation.restart()
    this.#search = new Search(parts.clock, help, error => this.end(error))
    this.otherSide = new OtherSide(this, parts.clock)
    this.#attempt = this.#begin(offer)
    this.#search.begin(tryAgainAfter, () => (this.negotiation.isUnanswered ? unanswered : unreachable)(peerId))
  }

  /** For whatever WebRTC can do; negotiation is seen to. Before the connection is ready it may be replaced by another. */
  get pc(): RTCPeerConnection {
    return this.#attempt.pc
  }

  /** Whether the other peer has not this library; undefined before it has answered. */
  get isPlain(): boolean | undefined {
    return this.negotiation.isPlain
  }

  /** As the event of the same name last told. */
  get status(): ConnectionStatus {
    return this.#status
  }

  /**
   * Why it is closed; undefined if it is not, or one of the two has closed it on purpose. If it is `retryable`, the way
   * was lost; otherwise the other peer has left the room, or was removed from it.
   */
  get error(): ParleyError | undefined {
    return this.#error
  }

  /** Opens a data channel. Resolves when it is open. @throws ParleyError CHANNEL_CLOSED */
  async open(label: string, init: RTCDataChannelInit = {}): Promise<RTCDataChannel> {
    const { doubt } = this.otherSide
    if (doubt) await doubt
    if (this.#status === 'closed') throw this.#error ?? closed(this.peerId)
    const channel = await this.#channels.open(this.pc, label, init)
    if (channel.readyState !== 'open') throw this.#error ?? closed(this.peerId)
    return channel
  }

  override on<Name extends keyof ConnectionEvents>(
    name: Name,
    listener: (...args: ConnectionEvents[Name]) => void,
  ): Unsubscribe {
    const off = super.on(name, listener)
    if (name === 'channel') this.#channels.release(this.#hand)
    return off
  }

  /**
   * Looks for a better way, as after a change of the network. The side that made the first offer restarts ICE, between
   * Firefox and another browser Firefox. Where one of them cannot restart ICE nothing happens before the way is lost.
   */
  restart(): void {
    if (this.#status === 'closed' || this.#status === 'connecting') return
    this.negotiation.restart()
  }

  /** Ends it for both: the other side is told that this is on purpose. */
  close(): void {
    this.end(undefined)
  }

  // The members from here on are for Connections, which knows what belongs to whom.

  /** @internal */
  get negotiation(): Negotiation {
    return this.#attempt.negotiation
  }

  /** Both have begun, and the other's offer counts. A rollback would do, but Chromium often finds no candidates then. @internal */
  giveWay(offer: IncomingSignal): void {
    this.#attempt.end()
    this.#attempt = this.#begin(offer)
  }

  /** @internal */
  end(error: ParleyError | undefined): void {
    if (this.#status === 'closed') return
    this.#error = error
    this.#search.end()
    this.otherSide.trust()
    this.#offOnline()
    // What may be tried again is lost, and silence says that to the other side.
    this.#attempt.end(error?.retryable ? undefined : this.parts.clock)
    this.#channels.close()
    this.#settle.reject(error ?? closed(this.peerId))
    this.#become('closed')
  }

  /** The other side has said something of this connection. @internal */
  hear({ word }: NegotiationWord): void {
    if (word === 'known') this.otherSide.trust()
    else if (word === 'declined') this.end(declined(this.peerId))
    else if (word !== 'unknown') this.negotiation.hear(word)
    else if (this.#status === 'connecting') this.#again(unreachable(this.peerId))
    else this.end(forgotten(this.peerId))
  }

  /** Asks over the connection whether the other side is there. @internal */
  ping(): void {
    this.#attempt.ping()
  }

  /** Asks by way of the server whether the other side still has the connection. @internal */
  ask(): void {
    const { id } = this.negotiation
    // That there is no answer is seen by who asks.
    if (id !== undefined) this.parts.tell(this.peerId, payloadOf({ link: id, word: 'ask' })).catch(() => {})
  }

  /** Begins again, if this side has begun: the other one has forgotten what it was told. @internal */
  callAgain(): void {
    if (!this.#isOurs) return
    this.#attempt.end()
    try {
      this.#attempt = this.#begin(undefined)
    } catch (error) {
      this.end(error as ParleyError)
    }
  }

  /** @throws ParleyError UNSUPPORTED */
  #begin(offer: IncomingSignal | undefined): Attempt {
    return new Attempt(this.peerId, this.parts, offer, {
      changed: () => this.#look(),
      channel: channel => this.#receive(channel),
      heard: () => this.otherSide.trust(),
      restarted: () => this.#status === 'connected' && this.otherSide.restarted(),
      parted: () => this.end(undefined),
      ended: () => {
        if (this.#status === 'connecting') this.#again(unreachable(this.peerId))
        // If it has been closed at this end, the program has done so with `pc`.
        else if (this.pc.signalingState === 'closed') this.end(undefined)
        else this.otherSide.silent()
      },
      // What is connected stays so while it can, and a peer that is expected back is called again.
      failed: error => {
        if (this.#status !== 'connecting') this.emit('negotiationFailed', error)
        else if (error.code !== 'PEER_NOT_FOUND' || !this.otherSide.doubt) this.#again(error)
      },
    })
  }

  /** Begins again, if this side wants the connection; otherwise it waits for the other side to do so, while there is time. */
  #again(error: ParleyError): void {
    const isFinal = !hasCode(error, 'UNREACHABLE', 'NEGOTIATION_FAILED')
    if (!isFinal && !this.#isOurs) return
    if (isFinal || ++this.#attempts > mostAttempts) this.end(error)
    else this.callAgain()
  }

  #receive(channel: RTCDataChannel): void {
    const take = this.parts.protocols.get(channel.protocol)
    const hand = this.hasListeners('channel') ? this.#hand : undefined
    this.#channels.receive(channel, take && (channel => take(channel, this)), hand)
  }

  readonly #hand = (channel: RTCDataChannel) => this.emit('channel', channel)

  /** Acts on how the connection is now. */
  #look(): void {
    const { connectionState } = this.pc
    if (this.#attempt.isConnected) {
      this.#search.end()
      if (this.#status === 'connecting') this.otherSide.trust()
      else if (this.#status === 'interrupted') this.otherSide.restarted()
      this.#settle.resolve()
      this.#become('connected')
    } else if (connectionState === 'closed') this.end(undefined)
    else if (this.#status === 'connecting') {
      if (connectionState === 'failed') this.#again(unreachable(this.peerId))
    } else if (connectionState === 'disconnected') this.#interrupted(patience)
    else if (connectionState === 'failed') this.#interrupted(0)
  }

  /** @param ms that it may still heal by itself */
  #interrupted(ms: number): void {
    if (ms === 0 && !this.negotiation.canRestart) {
      this.end(this.otherSide.whySilent)
      return
    }
    this.#search.begin(ms, () => lost(this.peerId))
    this.#become('interrupted')
  }

  #become(status: ConnectionStatus): void {
    if (this.#status === status) return
    this.#status = status
    this.emit('status', status)
  }
}
