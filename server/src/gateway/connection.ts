import {
  bye,
  context,
  decode,
  errorMessage,
  type PeerMessage,
  type Register,
  type RegisteredAuth,
  SignalingError,
  toSignalingError,
} from '@parley/protocol'
import type { ServerWebSocket } from 'bun'
import { rateLimitKey } from '../address.ts'
import type { Cancel, Clock } from '../clock.ts'
import { type Log, logFailure } from '../log.ts'
import { countError, type Metrics } from '../metrics.ts'
import type { RateLimit } from '../rate-limit.ts'
import type { Link, Peer } from '../rooms/room.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { Pulse } from './heartbeat.ts'

export type Frame = string | Buffer

export interface ConnectionLimits {
  readonly peerIdLength: number
  /** Bytes of a message before the connection has registered. */
  readonly unregisteredMessageBytes: number
  /** Bytes of messages that may wait for the answer to a `register`. */
  readonly waitingBytes: number
  /** Milliseconds within which a connection must register. */
  readonly registerWithin: number
  /** Errors that a connection may cause in a minute; beyond it is rate-limited, at twice as many closed. */
  readonly errorsPerMinute: number
  /** Which errors plain peers are sent. */
  readonly plainPeerErrors: 'all' | 'register'
}

export interface ConnectionParts {
  readonly rooms: Rooms
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: ConnectionLimits
  readonly failedRegistrations: RateLimit
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** What failed because somebody guessed or is out of date, and therefore counts against their address. */
const failedForGood: readonly string[] = ['INVALID_TOKEN', 'INVALID_ROOM_TOKEN', 'ROOM_NOT_FOUND', 'ROOM_EXPIRED']

/** One WebSocket: what it sends is handled in order, and every fault of it is answered to it alone. */
export class Connection implements Link, Pulse {
  peer: Peer | undefined
  open = true
  silentRounds = 0
  part = 0
  /** Frames that came while a `register` is being answered; undefined when none is. */
  private waiting: Frame[] | undefined
  private waitingBytes = 0
  /** Whether it has asked for features, and so understands more than the quick reference. */
  private hasFeatures = false
  private overdue = false
  /** Why it is being closed, once it is. */
  private closing: SignalingError | undefined
  private cancelDeadline: Cancel
  /** The minute in which errors are counted, and how many there were. */
  private errorMinute = 0
  private errors = 0

  constructor(
    private readonly socket: ServerWebSocket<unknown>,
    readonly address: string,
    private readonly parts: ConnectionParts,
  ) {
    this.cancelDeadline = parts.clock.after(parts.limits.registerWithin, () => this.expectRegister())
  }

  /** A frame from the other end. Never throws. */
  receive(frame: Frame): void {
    if (!this.open) return
    this.silentRounds = 0
    if (this.waiting) this.wait(this.waiting, frame)
    else this.handle(frame)
  }

  /** A ping or a pong from the other end. One that is being closed gets no more time by it. */
  alive(): void {
    if (this.open) this.silentRounds = 0
  }

  /** The WebSocket has ended. */
  closed(): void {
    this.open = false
    this.waiting = undefined
    this.cancelDeadline()
    if (this.peer) this.parts.rooms.leave(this.peer)
    this.peer = undefined
  }

  /** Ends the WebSocket with the close code of `reason`, once the other end has been sent what it was promised. */
  close(reason: SignalingError): void {
    if (!this.open) return
    if (this.hasFeatures) this.deliver(JSON.stringify(bye(reason, closeCodeOf(reason))))
    // What waits for a registration is of no use any more.
    this.waiting &&= []
    this.open = false
    this.closing = reason
    this.drained()
  }

  /** The socket has taken what was queued for it. To close it before would throw the queue away. */
  drained(): void {
    if (!this.closing || this.socket.getBufferedAmount() > 0) return
    this.socket.close(closeCodeOf(this.closing), this.closing.message)
  }

  ping(): void {
    this.socket.ping()
  }

  giveUp(): void {
    this.parts.log.info({ peer: this.peer?.id }, 'connection dead')
    this.socket.terminate()
  }

  deliver(text: string): boolean {
    return this.open && this.socket.sendText(text) !== 0
  }

  welcome(peer: Peer, reply: RegisteredAuth): void {
    this.cancelDeadline()
    // Lets go of the timer: it would weigh on every idle connection.
    this.cancelDeadline = nothing
    this.peer = peer
    this.deliver(JSON.stringify(reply))
  }

  release(reason: SignalingError): void {
    this.peer = undefined
    countError(this.parts.metrics, reason.code)
    // Deployed workers open a second connection on purpose and end when the first one is closed.
    if (reason.code === 'PEER_REPLACED' && !this.hasFeatures) return
    if (reason.kind.closeCode === null) this.tell(reason)
    else this.close(reason)
  }

  private handle(frame: Frame): void {
    this.parts.metrics.messages++
    let message: PeerMessage | undefined
    try {
      if (!this.peer && Buffer.byteLength(frame) > this.parts.limits.unregisteredMessageBytes) {
        throw new SignalingError('MESSAGE_TOO_BIG', 'Register before you send a message of this size.')
      }
      const text = typeof frame === 'string' ? frame : this.read(frame)
      message = decode(text, this.parts.limits.peerIdLength)
      if (message.type === 'register') {
        void this.register(message)
        return
      }
      if (!this.peer) throw new SignalingError('NOT_IN_ROOM')
      this.parts.rooms.signal(this.peer, message, text)
    } catch (error) {
      this.refuse(error, message)
    }
  }

  private read(frame: Buffer): string {
    try {
      return utf8.decode(frame)
    } catch (cause) {
      throw new SignalingError('INVALID_JSON', undefined, { cause })
    }
  }

  /** Never rejects. What comes meanwhile waits, so that an `offer` right behind `register` finds its sender registered. */
  private async register(message: Register): Promise<void> {
    this.waiting = []
    this.waitingBytes = 0
    this.hasFeatures = message.features.length > 0
    const { rooms, failedRegistrations } = this.parts
    const key = rateLimitKey(this.address)
    try {
      const retryAfter = failedRegistrations.exceeded(key)
      if (retryAfter > 0) {
        const detail = 'Too many registrations from your network address failed.'
        throw new SignalingError('RATE_LIMITED', detail, { retryAfter })
      }
      await rooms.join(message, this)
    } catch (error) {
      const reason = toSignalingError(error)
      if (failedForGood.includes(reason.code)) failedRegistrations.count(key)
      this.refuse(reason, message)
      if (this.overdue && !this.peer) this.close(new SignalingError('REGISTER_TIMEOUT'))
    }
    this.resume()
  }

  /** Handles what waited, in order, until the next `register` among it makes the rest wait again. */
  private resume(): void {
    const waiting = this.waiting ?? []
    this.waiting = undefined
    for (const [index, frame] of waiting.entries()) {
      if (!this.open) return
      this.handle(frame)
      if (this.isWaiting()) {
        for (const later of waiting.slice(index + 1)) this.receive(later)
        return
      }
    }
  }

  private isWaiting(): boolean {
    return this.waiting !== undefined
  }

  private wait(waiting: Frame[], frame: Frame): void {
    this.waitingBytes += Buffer.byteLength(frame)
    if (this.waitingBytes <= this.parts.limits.waitingBytes) waiting.push(frame)
    else this.fail(new SignalingError('MESSAGE_TOO_BIG', 'Too much was sent before register was answered.'))
  }

  private expectRegister(): void {
    this.overdue = true
    if (!this.waiting) this.fail(new SignalingError('REGISTER_TIMEOUT'))
  }

  /** Tells the other end what was wrong with what it sent. */
  private refuse(error: unknown, message: PeerMessage | undefined): void {
    if (!this.open) return
    const { log, metrics, limits } = this.parts
    let reason = toSignalingError(error)
    logFailure(log, reason, { peer: this.peer?.id, address: this.address })
    if (message) reason = withContext(reason, message)
    if (reason.code === 'MESSAGE_TOO_BIG') {
      this.fail(reason)
      return
    }

    const errors = this.countErrors()
    if (errors > 2 * limits.errorsPerMinute) {
      this.fail(new SignalingError('RATE_LIMITED'))
      return
    }
    if (errors > limits.errorsPerMinute) {
      const { requestId, target } = reason
      const context = { requestId, target, retryAfter: 60 }
      reason = new SignalingError('RATE_LIMITED', 'Too many of your messages were faulty.', context)
    }
    countError(metrics, reason.code)
    if (message?.type === 'register') this.deliver(JSON.stringify(errorMessage(reason)))
    else this.tell(reason)
  }

  /** Sends an error that is not the answer to a `register`. Plain peers may not be able to bear it. */
  private tell(reason: SignalingError): void {
    const { limits, log, metrics } = this.parts
    if (limits.plainPeerErrors === 'register' && !this.hasFeatures) {
      metrics.errorsKeptBack++
      log.warn({ peer: this.peer?.id, code: reason.code }, 'error kept back from a plain peer')
    } else {
      this.deliver(JSON.stringify(errorMessage(reason)))
    }
  }

  /** Closes for a fault of the other end. */
  private fail(reason: SignalingError): void {
    countError(this.parts.metrics, reason.code)
    this.parts.log.info({ peer: this.peer?.id, code: reason.code }, 'connection closed')
    this.close(reason)
  }

  /** Errors in this minute, this one included. */
  private countErrors(): number {
    const minute = Math.floor(this.parts.clock.now() / 60_000)
    if (minute !== this.errorMinute) this.errors = 0
    this.errorMinute = minute
    return ++this.errors
  }
}

const nothing = () => {}

/** 1011 is RFC 6455's "unexpected condition", for an error that was not meant to close anything. */
const closeCodeOf = (reason: SignalingError): number => reason.kind.closeCode ?? 1011

const withContext = (reason: SignalingError, message: PeerMessage): SignalingError => {
  const { requestId, target } = context(message)
  return new SignalingError(reason.code, reason.message, { requestId, target, retryAfter: reason.retryAfter })
}
