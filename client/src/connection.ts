import type { Clock } from './clock.ts'
import { Emitter, type Unsubscribe } from './emitter.ts'
import { ParleyError } from './errors.ts'
import { HeldChannel } from './held-channel.ts'
import { type LinkWord, noteIn } from './link.ts'
import type { IncomingSignal } from './messages.ts'
import { Negotiation } from './negotiation.ts'
import { randomId } from './random-id.ts'

/** How the way to another peer is. `interrupted`: it may come back by itself, or by an ICE restart. */
export type ConnectionStatus = 'connecting' | 'connected' | 'interrupted' | 'closed'

/** What happens to a `Connection`. */
export interface ConnectionEvents {
  /** It is different from now on. After `closed` nothing more happens. */
  status: [ConnectionStatus]
  /** The other peer has opened a data channel. What has arrived on it waits for the listeners that are added now. */
  channel: [RTCDataChannel]
}

/** What `Room.connect` may be told. */
export interface ConnectOptions {
  /** Ends the waiting. The attempt goes on, as somebody else may wait for it, too. */
  readonly signal?: AbortSignal
}

/** What a connection needs of the room. */
export interface ConnectionParts {
  /** This peer's own. */
  readonly peerId: string
  readonly RTCPeerConnection: typeof RTCPeerConnection | undefined
  readonly clock: Clock
  configuration(): RTCConfiguration
  /** The same with fresh TURN credentials. */
  freshConfiguration(): Promise<RTCConfiguration>
  signal(message: {
    readonly type: IncomingSignal['type']
    readonly target: string
    readonly [member: string]: unknown
  }): Promise<void>
  tell(peerId: string, payload: unknown): Promise<void>
  /** Resolves when that peer registers, unless `signal` is aborted before. */
  arrival(peerId: string, signal: AbortSignal): Promise<unknown>
  /** How often this peer has registered: whoever registers again may do so before the others are back. */
  registrations(): number
}

/** Milliseconds that two peers may take to find a way to each other, at first and after an interruption. */
const findWithin = 30_000

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
  /** For whatever WebRTC can do; negotiation is seen to. */
  readonly pc: RTCPeerConnection
  /** Resolves when the peers have found each other. @throws ParleyError that says why they will not */
  readonly ready: Promise<void>
  #status: ConnectionStatus = 'connecting'
  #error: ParleyError | undefined
  #control: RTCDataChannel | undefined
  #unclaimed: HeldChannel[] = []
  #cancelTimer = () => {}
  /** When an interruption has lasted too long; undefined while there is none. Milliseconds since the epoch. */
  #giveUpAt: number | undefined
  #settle: { resolve(): void; reject(error: ParleyError): void } = { resolve() {}, reject() {} }
  readonly #negotiation: Negotiation
  readonly #onOnline = () => this.restart()

  /** @param offer that of the other side; undefined if this side makes the first one @throws ParleyError UNSUPPORTED */
  constructor(
    /** The other peer. */
    readonly peerId: string,
    private readonly parts: ConnectionParts,
    offer?: IncomingSignal,
  ) {
    super()
    const { RTCPeerConnection, clock } = parts
    if (!RTCPeerConnection) {
      throw new ParleyError('UNSUPPORTED', 'There is no WebRTC here; hand in an RTCPeerConnection, as for Node.')
    }
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever waits for it is told; nobody has to.
    this.ready.catch(() => {})
    this.pc = new RTCPeerConnection(parts.configuration())
    this.pc.ondatachannel = ({ channel }) => this.#hold(channel)
    this.pc.onconnectionstatechange = () => this.#look()
    this.#negotiation = new Negotiation(this.pc, peerId, parts, {
      link: offer ? noteIn(offer)?.link : randomId(),
      isFirst: !offer,
      heard: () => this.#heard(),
      // What is connected stays so while it can.
      failed: error => this.#status === 'connecting' && this.#end(error),
    })
    this.#cancelTimer = clock.after(findWithin, () => this.#end(unreachable(peerId)))
    globalThis.addEventListener?.('online', this.#onOnline)
    if (offer) this.#negotiation.receive(offer)
    else this.#openControl()
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
    const channel = this.pc.createDataChannel(label, init)
    channel.binaryType = 'arraybuffer'
    const settled = new AbortController()
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = () => reject(this.#error ?? closed(this.peerId))
        channel.addEventListener('open', () => resolve(), { signal: settled.signal })
        channel.addEventListener('close', fail, { signal: settled.signal })
        channel.addEventListener('error', fail, { signal: settled.signal })
        void this.once('status', status => status === 'closed', settled.signal).then(fail)
      })
      return channel
    } finally {
      settled.abort()
    }
  }

  override on<Name extends keyof ConnectionEvents>(
    name: Name,
    listener: (...args: ConnectionEvents[Name]) => void,
  ): Unsubscribe {
    const off = super.on(name, listener)
    if (name === 'channel') for (const held of this.#unclaimed.splice(0)) this.#hand(held)
    return off
  }

  /**
   * Looks for a better way, as after a change of the network. One of the two does it, the one whose peer id is greater;
   * the other asks it to. Where one of them cannot restart ICE nothing happens before the way is lost.
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

  /** The other side has begun afresh, or will not. @internal */
  end(error: ParleyError): void {
    this.#end(error)
  }

  /** The other side has said something of this connection. @internal */
  hear({ word }: LinkWord): void {
    if (word === 'restart') this.restart()
    else this.#end(new ParleyError('DECLINED', `${this.peerId} does not want to connect.`))
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
    this.#control.onclose = () => this.#end(this.#status === 'connecting' ? unreachable(this.peerId) : undefined)
  }

  #hold(channel: RTCDataChannel): void {
    const held = new HeldChannel(channel)
    if (this.hasListeners('channel')) this.#hand(held)
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
      if (connectionState === 'failed') this.#end(unreachable(this.peerId))
    } else if (connectionState === 'disconnected') this.#interrupted(patience)
    else if (connectionState === 'failed') this.#interrupted(0)
  }

  /** @param ms that it may still heal by itself */
  #interrupted(ms: number): void {
    if (ms === 0 && !this.#negotiation.canRestart) {
      this.#end(lost(this.peerId))
      return
    }
    const { clock } = this.parts
    this.#giveUpAt ??= clock.now() + findWithin
    const giveUpAt = this.#giveUpAt
    this.#cancelTimer()
    this.#cancelTimer = clock.after(ms, () => {
      this.#negotiation.restart()
      this.#cancelTimer = clock.after(giveUpAt - clock.now(), () => this.#end(lost(this.peerId)))
    })
    this.#become('interrupted')
  }

  #end(error: ParleyError | undefined): void {
    if (this.#status === 'closed') return
    this.#error = error
    this.#cancelTimer()
    this.#negotiation.stop()
    globalThis.removeEventListener?.('online', this.#onOnline)
    this.pc.ondatachannel = this.pc.onconnectionstatechange = null
    this.pc.close()
    this.#settle.reject(error ?? closed(this.peerId))
    this.#become('closed')
  }

  #become(status: ConnectionStatus): void {
    if (this.#status === status) return
    this.#status = status
    this.emit('status', status)
  }
}

const closed = (peerId: string) => new ParleyError('CHANNEL_CLOSED', `The connection to ${peerId} was closed.`)

const lost = (peerId: string) =>
  new ParleyError('CHANNEL_CLOSED', `The connection to ${peerId} was lost.`, { retryable: true })

const unreachable = (peerId: string) =>
  new ParleyError(
    'UNREACHABLE',
    `${peerId} was found, but there is no way to it; peers behind different firewalls need a TURN server.`,
    { retryable: true },
  )
