import {
  bye,
  context,
  decode,
  errorMessage,
  type LeaveReason,
  type PeerMessage,
  type Register,
  type RegisteredAuth,
  requestIdOf,
  type ServerMessage,
  type ServerMessageOf,
  SignalingError,
  toSignalingError,
} from '@parley/protocol'
import type { ServerWebSocket } from 'bun'
import { rateLimitKey } from '../address.ts'
import { type Cancel, nothingPlanned } from '../clock.ts'
import { logFailure } from '../log.ts'
import { countError, countKeptBack } from '../metrics.ts'
import type { Link, Peer } from '../rooms/room.ts'
import { closeCodeOf, isDeliberate } from './close-codes.ts'
import type { ConnectionParts } from './connection-parts.ts'
import { type Dialect, mayBeTold } from './dialect.ts'
import { Faults, isGuess } from './faults.ts'
import { type Frame, isRequest, requestIdIn, textOf, WaitingFrames } from './frames.ts'
import { SocketLifeSigns } from './life-signs.ts'
import type { Newcomer } from './newcomers.ts'
import { Outgoing } from './outgoing.ts'

/** One WebSocket: what it sends is handled in order, and every fault of it is answered to it alone. */
export class Connection implements Link, Newcomer {
  peer: Peer | undefined
  open = true
  readonly life: SocketLifeSigns
  readonly outgoing: Outgoing
  /** Frames that came while a `register` is being answered; undefined when none is. */
  private waiting: WaitingFrames | undefined
  /** The `register` that is being answered. */
  private registering: Register | undefined
  private dialect: Dialect = 'unknown'
  private hasAcks = false
  private overdue = false
  /** Why it is being closed, once it is. */
  private closing: SignalingError | undefined
  /** It waits to register no more. */
  private endWait: Cancel
  /** Undefined as long as there is none, as in most connections. */
  private faults: Faults | undefined

  constructor(
    socket: ServerWebSocket<unknown>,
    readonly address: string,
    private readonly parts: ConnectionParts,
  ) {
    this.life = new SocketLifeSigns(socket, parts)
    this.outgoing = new Outgoing(socket, this, parts)
    this.endWait = parts.newcomers.admit(this)
  }

  /** A frame from the other end. Never throws. */
  receive(frame: Frame): void {
    if (!this.open) {
      if (this.outgoing.isTurningAway) this.turnAway(requestIdIn(frame))
      return
    }
    this.life.heardAt = this.parts.beat.now
    if (this.waiting) this.wait(this.waiting, frame)
    else this.handle(frame)
  }

  /** A ping or a pong from the other end. One that is being closed gets no more time by it. */
  alive(): void {
    // A ping was answered by the runtime, and the answer may wait.
    this.outgoing.look()
    if (!this.open) return
    this.life.heardAt = this.parts.beat.now
    this.life.settle(true)
  }

  /** The other end has answered a ping, and all that it had sent before has been handled. */
  ponged(payload: Buffer): void {
    this.alive()
    this.outgoing.ponged(payload)
  }

  /** The WebSocket has ended, with a close code of RFC 6455 section 7.4. */
  closed(code: number): void {
    this.open = false
    this.outgoing.ended()
    this.waiting = undefined
    this.endWait()
    // One that the server ends leaves in a step of its own.
    if (!this.closing) this.depart(isDeliberate(code) ? 'left' : 'disconnected')
    this.life.settle(false)
  }

  /**
   * Ends the WebSocket with the close code of `reason`, once the other end has been sent what it was promised. With
   * acks that is an answer to each request: what it sends before it has seen the `bye` is refused one by one.
   */
  close(reason: SignalingError): void {
    if (!this.open) return
    this.lost(reason)
    const unanswered = this.waiting?.frames ?? []
    this.waitNoMore()
    if (this.dialect === 'features') this.outgoing.send(JSON.stringify(bye(reason, closeCodeOf(reason))))
    if (this.hasAcks) {
      if (this.registering) this.turnAway(requestIdOf(this.registering))
      for (const frame of unanswered) this.turnAway(requestIdIn(frame))
      this.outgoing.sayFarewell()
    }
    this.outgoing.close(reason)
  }

  lost(reason: SignalingError): void {
    if (!this.open) return
    this.open = false
    this.closing = reason
    // Not at once: whoever closes it may be just telling its room something.
    queueMicrotask(() => this.depart('disconnected'))
  }

  stalled(): void {
    this.fail(new SignalingError('SLOW_CONSUMER'))
  }

  /** Its peer leaves, however long the end of the connection takes. */
  private depart(reason: LeaveReason): void {
    if (this.peer) this.parts.rooms.leave(this.peer, reason)
    this.peer = undefined
  }

  deliver(text: string): boolean {
    return this.open && this.outgoing.send(text)
  }

  welcome(peer: Peer, reply: RegisteredAuth, conflict?: ServerMessageOf<'admin_conflict'>): void {
    this.endWait()
    // Lets go of the timer: it would weigh on every idle connection.
    this.endWait = nothingPlanned
    this.peer = peer
    if (this.registering) this.speakAs(this.registering)
    this.registering = undefined
    if (conflict) this.answer(conflict)
    this.answer(reply)
  }

  release(reason: SignalingError): void {
    this.peer = undefined
    countError(this.parts.metrics, reason.code)
    // Deployed workers open a second connection on purpose and end when the first one is closed.
    if (reason.code === 'PEER_REPLACED' && this.dialect === 'plain') return
    if (reason.kind.closeCode === null) this.tell(reason)
    else this.close(reason)
  }

  private handle(frame: Frame): void {
    this.parts.metrics.messages++
    if (!this.peer && Buffer.byteLength(frame) > this.parts.limits.unregisteredMessageBytes) {
      this.fail(new SignalingError('MESSAGE_TOO_BIG', 'Register before you send a message of this size.'))
      // If it is a request, it has its answer.
      this.receive(frame)
      return
    }
    let message: PeerMessage | undefined
    try {
      const text = textOf(frame)
      message = decode(text, this.parts.limits.peerIdLength)
      if (message.type === 'register') {
        void this.register(message)
        return
      }
      this.act(message, text)
    } catch (error) {
      this.refuse(error, message)
    }
  }

  /** Does what a message other than `register` asks for, and says so. @throws SignalingError */
  private act(message: Exclude<PeerMessage, Register>, text: string): void {
    const isToBeAnswered = this.hasAcks && isRequest(message)
    if (!this.peer) throw new SignalingError('NOT_IN_ROOM')
    const reply = this.parts.rooms.handle(this.peer, message, text)
    if (reply) {
      const requestId = requestIdOf(message)
      this.answer(requestId === undefined ? reply : { ...reply, request_id: requestId })
    } else if (isToBeAnswered) {
      this.answer({ type: 'ack', request_id: String(message.request_id), status: 'delivered' })
    }
  }

  /** Sends the other end what it has asked for. One that does not read its answers is no use to itself. */
  private answer(message: ServerMessage): void {
    if (!this.deliver(JSON.stringify(message))) this.close(new SignalingError('SLOW_CONSUMER'))
  }

  /** Refuses a request that came too late. */
  private turnAway(requestId: string | undefined): void {
    if (!this.closing || requestId === undefined) return
    const answer = errorMessage(new SignalingError(this.closing.code, undefined, { requestId }))
    this.outgoing.send(JSON.stringify(answer))
  }

  /** Never rejects. What comes meanwhile waits, so that an `offer` right behind `register` finds its sender registered. */
  private async register(message: Register): Promise<void> {
    this.waiting = new WaitingFrames(this.parts.limits.waitingBytes)
    this.registering = message
    if (!this.peer) this.speakAs(message)
    const { rooms, failedRegistrations } = this.parts
    const key = rateLimitKey(this.address)
    try {
      const retryAfter = failedRegistrations.exceeded(key)
      if (retryAfter > 0) {
        const detail = 'Too many registrations from your network address failed.'
        throw new SignalingError('RATE_LIMITED', detail, { retryAfter })
      }
      if (message.features.includes('acks')) isRequest(message)
      await rooms.join(message, this)
    } catch (error) {
      this.registering = undefined
      const reason = toSignalingError(error)
      if (isGuess(reason.code)) failedRegistrations.count(key)
      this.refuse(reason, message)
      if (this.overdue && !this.peer) this.close(new SignalingError('REGISTER_TIMEOUT'))
    }
    this.resume()
  }

  /** From now on the other end is taken for one that understands what it asked for. */
  private speakAs({ features }: Register): void {
    this.dialect = features.length > 0 ? 'features' : 'plain'
    this.hasAcks = features.includes('acks')
  }

  /** Handles what waited, in order; behind another `register` among it the rest waits again. */
  private resume(): void {
    const frames = this.waiting?.frames ?? []
    this.waitNoMore()
    for (const frame of frames) this.receive(frame)
  }

  private wait(waiting: WaitingFrames, frame: Frame): void {
    const isBearable = waiting.add(frame)
    this.outgoing.hold(waiting.bytes)
    if (!isBearable) this.fail(new SignalingError('MESSAGE_TOO_BIG', 'Too much was sent before register was answered.'))
  }

  private waitNoMore(): void {
    this.waiting = undefined
    this.outgoing.hold(0)
  }

  expectRegister(): void {
    this.overdue = true
    if (!this.waiting) this.fail(new SignalingError('REGISTER_TIMEOUT'))
  }

  makeWay(reason: SignalingError): void {
    countError(this.parts.metrics, reason.code)
    this.close(reason)
  }

  /** Tells the other end what was wrong with what it sent. */
  private refuse(error: unknown, message: PeerMessage | undefined): void {
    if (!this.open) return
    const { clock, log, metrics, limits } = this.parts
    const failure = toSignalingError(error).with(message ? context(message) : {})
    logFailure(log, failure, { peer: this.peer?.id, address: this.address })
    this.faults ??= new Faults()
    const { reason, isLast } = this.faults.judge(failure, this.dialect, limits.errorsPerMinute, clock.now())
    countError(metrics, reason.code)
    this.tell(reason)
    if (isLast) this.fail(new SignalingError('RATE_LIMITED'))
  }

  /** Sends an error, or tells the operator instead, where the other end could not bear it. */
  private tell(reason: SignalingError): void {
    const { clock, limits, log, metrics } = this.parts
    if (mayBeTold(reason, this.dialect, limits.plainPeerErrors)) {
      this.answer(errorMessage(reason))
      return
    }
    countKeptBack(metrics, reason.code)
    this.faults ??= new Faults()
    if (this.faults.keepBack(clock.now()) > keptBackLogged) return
    log.warn({ peer: this.peer?.id, code: reason.code }, 'error kept back from a plain peer')
  }

  /** Closes for a fault of the other end. */
  private fail(reason: SignalingError): void {
    countError(this.parts.metrics, reason.code)
    this.parts.log.info({ peer: this.peer?.id, code: reason.code }, 'connection closed')
    this.close(reason)
  }
}

/** Errors kept back from one connection in a minute that are logged one by one; the metrics count them all. */
const keptBackLogged = 10
