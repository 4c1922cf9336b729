import { closed, lost, unanswered, unreachable } from './connection-errors.ts'
import type { ConnectionEvents, ConnectionParts, ConnectionStatus } from './connection-types.ts'
import { Emitter, type Unsubscribe } from './emitter.ts'
import { hasCode, ParleyError } from './errors.ts'
import { HeldChannel } from './held-channel.ts'
import { type LinkWord, noteIn } from './link.ts'
import type { IncomingSignal } from './messages.ts'
import { Negotiation } from './negotiation.ts'
import { newPeerConnection } from './new-peer-connection.ts'
import { onOnline } from './online.ts'
import { randomId } from './random-id.ts'

/** Milliseconds that two peers may take to find a way to each other, at first and after an interruption. */
const findWithin = 30_000

/** Milliseconds after which they try once more: what they have told each other may have been lost, or not been all. */
const tryAgainAfter = 10_000

/** Attempts to find one at first. */
const mostAttempts = 3

/** Milliseconds that an interruption may take to heal by itself, as most do. */
const patience = 3_000

/**
 * Both sides open this channel, under the same number, without a word about it: so there is something to connect for, and
 * its end says that the other side has closed the connection. Numbers of other channels are given out from below.
 */
const control = { label: 'parley', protocol: 'parley.control.1', negotiated: true, id: 1000 } as const

/**
 * The way to another peer: one `RTCPeerConnection`, negotiated anew whenever that needs it. It does not depend on the
 * server once it is there. When it has broken for good it is `closed`, and `Room.connect` makes another one.
 */
export class Connection extends Emitter<ConnectionEvents> {
  /** Resolves when the peers have found each other. @throws ParleyError that says why they will not */
  readonly ready: Promise<void>
  #status: ConnectionStatus = 'connecting'
  #error: ParleyError | undefined
  #control: RTCDataChannel | undefined
  #unclaimed: HeldChannel[] = []
  #cancelTimer = () => {}
  /** When there has been no way for too long; undefined while there is one. Milliseconds since the epoch. */
  #giveUpAt: number | undefined
  #settle: { resolve(): void; reject(error: ParleyError): void } = { resolve() {}, reject() {} }
  #negotiation: Negotiation
  /** Whether this side wants it, also if the other has begun at the same time. */
  readonly #isOurs: boolean
  #attempts = 1
  readonly #offOnline = onOnline(() => this.restart())

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
    this.#negotiation = this.#begin(offer)
    if (!offer) this.#openControl()
    this.#seek(tryAgainAfter, id => (this.#negotiation.isUnanswered ? unanswered(id) : unreachable(id)))
  }

  /** For whatever WebRTC can do; negotiation is seen to. Before the connection is ready it may be replaced by another. */
  get pc(): RTCPeerConnection {
    return this.#negotiation.pc
  }

  /** Whether the other peer has not this library; undefined before it has answered. */
  get isPlain(): boolean | undefined {
    return this.#negotiation.isPlain
  }

  /** As the event of the same name last told. */
  get status(): ConnectionStatus {
    return this.#status
  }

  /** Why it is closed; undefined if it is not, or one of the two has closed it on purpose. */
  get error(): ParleyError | undefined {
    return this.#error
  }

  /** Opens a data channel. Resolves when it is open. @throws ParleyError CHANNEL_CLOSED */
  async open(label: string, init: RTCDataChannelInit = {}): Promise<RTCDataChannel> {
    if (this.#status === 'closed') throw this.#error ?? closed(this.peerId)
    const channel = this.#newChannel(label, init)
    channel.binaryType = 'arraybuffer'
    const settled = new AbortController()
    const { signal } = settled
    await Promise.race([
      ...['open', 'close', 'error'].map(
        name => new Promise(resolve => channel.addEventListener(name, resolve, { signal })),
      ),
      this.once('status', status => status === 'closed', signal),
    ])
    settled.abort()
    if (channel.readyState !== 'open') throw this.#error ?? closed(this.peerId)
    return channel
  }

  /** @throws ParleyError CHANNEL_CLOSED, if the way is lost and nobody has been told yet */
  #newChannel(label: string, init: RTCDataChannelInit): RTCDataChannel {
    try {
      return this.pc.createDataChannel(label, init)
    } catch (cause) {
      throw (cause as Error).name === 'InvalidStateError' ? lost(this.peerId) : cause
    }
  }

  override on<Name extends keyof ConnectionEvents>(
    name: Name,
    listener: (...args: ConnectionEvents[Name]) => void,
  ): Unsubscribe {
    const off = super.on(name, listener)
    if (name === 'channel') {
      // Not before the caller has the result: the listener may want to end its subscription.
      const unclaimed = this.#unclaimed.splice(0)
      queueMicrotask(() => {
        for (const held of unclaimed) this.#hand(held)
      })
    }
    return off
  }

  /**
   * Looks for a better way, as after a change of the network. The side that made the first offer restarts ICE, between
   * Firefox and another browser Firefox. Where one of them cannot restart ICE nothing happens before the way is lost.
   */
  restart(): void {
    if (this.#status === 'closed' || this.#status === 'connecting') return
    this.#negotiation.restart()
  }

  /** Ends it for both. */
  close(): void {
    this.#end(undefined)
  }

  // The members from here on are for Connections, which knows what belongs to whom.

  /** @internal */
  get negotiation(): Negotiation {
    return this.#negotiation
  }

  /**
   * Both have begun, and this side gives way: from now on the connection is the one of that offer. The offer of this side
   * is not rolled back but forgotten, for after that Chromium often finds no candidates. @internal
   */
  giveWay(offer: IncomingSignal): void {
    this.#letGo()
    this.#negotiation = this.#begin(offer)
  }

  /** The other side has begun afresh, or will not. @internal */
  end(error: ParleyError): void {
    this.#end(error)
  }

  /** The other side has said something of this connection. @internal */
  hear({ word }: LinkWord): void {
    if (word !== 'declined') this.#negotiation.hear(word)
    else this.#end(new ParleyError('DECLINED', `${this.peerId} does not want to connect.`))
  }

  /** @throws ParleyError UNSUPPORTED */
  #begin(offer: IncomingSignal | undefined): Negotiation {
    const pc = newPeerConnection(this.parts)
    pc.ondatachannel = ({ channel }) => this.#hold(channel)
    pc.onconnectionstatechange = () => this.#look()
    const negotiation = new Negotiation(pc, this.peerId, this.parts, {
      link: offer ? noteIn(offer)?.link : randomId(),
      isFirst: !offer,
      heard: () => this.#heard(),
      // What is connected stays so while it can.
      failed: error => (this.#status === 'connecting' ? this.#again(error) : this.emit('negotiationFailed', error)),
    })
    if (offer) negotiation.receive(offer)
    return negotiation
  }

  /**
   * Begins anew, if this side wants the connection; else it waits for the other to do so, as long as there is time. An
   * attempt may fail by chance: libdatachannel refuses a certificate that is faster than the description it is named in.
   */
  #again(error: ParleyError): void {
    const isFinal = !hasCode(error, 'UNREACHABLE', 'NEGOTIATION_FAILED')
    if (!isFinal && !this.#isOurs) return
    if (isFinal || ++this.#attempts > mostAttempts) {
      this.#end(error)
      return
    }
    this.#letGo()
    this.#negotiation = this.#begin(undefined)
    this.#openControl()
  }

  #letGo(): void {
    this.#negotiation.stop()
    const { pc } = this
    pc.ondatachannel = pc.onconnectionstatechange = null
    if (this.#control) this.#control.onopen = this.#control.onclose = null
    this.#control = undefined
    pc.close()
  }

  /** The other side has described itself, so it is known whether it has this library. */
  #heard(): void {
    if (!this.#negotiation.isPlain) this.#openControl()
    this.#look()
  }

  #openControl(): void {
    if (this.#control) return
    const { label, ...init } = control
    this.#control = this.pc.createDataChannel(label, init)
    this.#control.onopen = () => this.#look()
    // Only the end of the whole connection closes it.
    this.#control.onclose = () => {
      if (this.#status === 'connecting') this.#again(unreachable(this.peerId))
      else this.#end(undefined)
    }
  }

  #hold(channel: RTCDataChannel): void {
    const take = this.parts.protocols.get(channel.protocol)
    const held = new HeldChannel(channel)
    if (take) held.release(() => take(channel, this))
    else if (channel.protocol.startsWith('parley.')) held.refuse()
    else if (this.hasListeners('channel')) this.#hand(held)
    else this.#unclaimed.push(held)
  }

  #hand(held: HeldChannel): void {
    held.release(channel => this.emit('channel', channel))
  }

  /** Acts on how the connection is now. */
  #look(): void {
    const { connectionState } = this.pc
    const isControlled = this.#negotiation.isPlain || this.#control?.readyState === 'open'
    if (connectionState === 'connected' && isControlled) {
      this.#cancelTimer()
      this.#giveUpAt = undefined
      this.#settle.resolve()
      this.#become('connected')
    } else if (connectionState === 'closed') this.#end(undefined)
    else if (this.#status === 'connecting') {
      if (connectionState === 'failed') this.#again(unreachable(this.peerId))
    } else if (connectionState === 'disconnected') this.#interrupted(patience)
    else if (connectionState === 'failed') this.#interrupted(0)
  }

  /** @param ms that it may still heal by itself */
  #interrupted(ms: number): void {
    if (ms === 0 && !this.#negotiation.canRestart) {
      this.#end(lost(this.peerId))
      return
    }
    this.#seek(ms, lost)
    this.#become('interrupted')
  }

  /** Has ICE restarted after `ms` milliseconds, and ends with that error if there is no way in the end. */
  #seek(ms: number, error: (peerId: string) => ParleyError): void {
    const { clock } = this.parts
    this.#giveUpAt ??= clock.now() + findWithin
    const giveUpAt = this.#giveUpAt
    this.#cancelTimer()
    this.#cancelTimer = clock.after(ms, () => {
      this.#negotiation.restart()
      this.#cancelTimer = clock.after(giveUpAt - clock.now(), () => this.#end(error(this.peerId)))
    })
  }

  #end(error: ParleyError | undefined): void {
    if (this.#status === 'closed') return
    this.#error = error
    this.#cancelTimer()
    this.#offOnline()
    this.#letGo()
    this.#settle.reject(error ?? closed(this.peerId))
    this.#become('closed')
  }

  #become(status: ConnectionStatus): void {
    if (this.#status === status) return
    this.#status = status
    this.emit('status', status)
  }
}
