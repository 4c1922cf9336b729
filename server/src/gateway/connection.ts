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
import { sliceUnits } from '../time-slices.ts'
import { type Payer, workOfJson } from '../work-budget.ts'
import { closeCodeOf, isDeliberate } from './close-codes.ts'
import type { ConnectionParts } from './connection-parts.ts'
import { type Dialect, mayBeTold } from './dialect.ts'
import { Faults, isGuess } from './faults.ts'
import { type Frame, isRequest, requestIdIn, textOf, WaitingFrames } from './frames.ts'
import { SocketLifeSigns } from './life-signs.ts'
import type { Newcomer } from './newcomers.ts'

/** One WebSocket: what it sends is handled in order, and every fault of it is answered to it alone. */
export class Connection implements Link, Newcomer {
  peer: Peer | undefined
  open = true
  readonly life: SocketLifeSigns
  /** It has to wait for what it has asked for, or for others to have their turn: what it sends meanwhile waits, too. */
  private isBusy = false
  /** What came while it was busy; undefined when nothing did. */
  private waiting: WaitingFrames | undefined
  /** A broadcast of it is on its way. */
  private isBroadcasting = false
  /** Units of work that it caused since others had their turn. */
  private units = 0
  /** The `register` that is being answered. */
  private registering: Register | undefined
  private dialect: Dialect = 'unknown'
  private hasAcks = false
  private overdue = false
  /** Until then it was told to send no more large frames, by the uptime. Milliseconds. */
  private noLargeBefore = 0
  /** Why it is being closed, once it is. */
  private closing: SignalingError | undefined
  /** Whether the other end may still send what it wrote before it saw that it is being closed. */
  private isTurningAway = false
  /** Messages that came too late. */
  private turnedAway = 0
  /** It waits to register no more. */
  private endWait: Cancel
  /** Undefined as long as there is none, as in most connections. */
  private faults: Faults | undefined

  constructor(
    private readonly socket: ServerWebSocket<unknown>,
    readonly address: string,
    private readonly parts: ConnectionParts,
  ) {
    this.life = new SocketLifeSigns(socket, parts)
    this.endWait = parts.newcomers.admit(this)
  }

  /** A frame from the other end. Never throws. */
  receive(frame: Frame): void {
    if (!this.open) {
      if (this.isTurningAway) this.turnAway(requestIdIn(frame))
      if (++this.turnedAway > mostTurnedAway) this.stopTurningAway()
      return
    }
    this.life.heardAt = this.parts.beat.now
    if (this.isBusy) this.wait(frame)
    else this.handle(frame)
  }

  /** A ping or a pong from the other end. One that is being closed gets no more time by it. */
  alive(): void {
    if (!this.open) return
    this.life.heardAt = this.parts.beat.now
    this.life.settle(true)
  }

  /** The other end has answered a ping, and all that it had sent before has been handled. */
  ponged(payload: Buffer): void {
    this.alive()
    if (payload.equals(farewell)) this.stopTurningAway()
  }

  private stopTurningAway(): void {
    if (!this.isTurningAway) return
    this.isTurningAway = false
    this.drained()
  }

  /** The WebSocket has ended, with a close code of RFC 6455 section 7.4. */
  closed(code: number): void {
    this.open = false
    this.isTurningAway = false
    this.waiting = undefined
    this.endWait()
    this.depart(isDeliberate(code) ? 'left' : 'disconnected')
    this.life.settle(false)
  }

  /**
   * Ends the WebSocket with the close code of `reason`, once the other end has been sent what it was promised. With
   * acks that is an answer to each request: what it sends before it has seen the `bye` is refused one by one.
   */
  close(reason: SignalingError): void {
    if (!this.open) return
    this.open = false
    this.closing = reason
    // Not at once: whoever closes it may be just telling its room something.
    queueMicrotask(() => this.depart('disconnected'))
    const unanswered = this.waiting?.rest() ?? []
    this.waiting = undefined
    if (this.dialect === 'features') this.send(bye(reason, closeCodeOf(reason)))
    if (this.hasAcks) {
      if (this.registering) this.turnAway(requestIdOf(this.registering))
      for (const frame of unanswered) this.turnAway(requestIdIn(frame))
      this.isTurningAway = this.socket.ping(farewell) !== 0
    }
    this.drained()
  }

  /** Its peer leaves, however long the end of the connection takes. */
  private depart(reason: LeaveReason): void {
    if (this.peer) this.parts.rooms.leave(this.peer, reason)
    this.peer = undefined
  }

  /** The socket has taken what was queued for it. To close it before would throw the queue away. */
  drained(): void {
    if (!this.closing || this.isTurningAway || this.isBroadcasting || this.socket.getBufferedAmount() > 0) return
    this.socket.close(closeCodeOf(this.closing), this.closing.message)
  }

  deliver(text: string): boolean {
    return this.open && this.socket.sendText(text) !== 0
  }

  welcome(peer: Peer, reply: RegisteredAuth, conflict?: ServerMessageOf<'admin_conflict'>): void {
    this.endWait()
    // Lets go of the timer: it would weigh on every idle connection.
    this.endWait = nothingPlanned
    this.peer = peer
    if (this.registering) this.speakAs(this.registering)
    this.registering = undefined
    if (conflict) this.answer(conflict)
    const text = JSON.stringify(reply)
    this.parts.budget.charge(this.payer, workOfJson(text.length))
    this.answerWith(text)
  }

  private get payer(): Payer {
    return { identity: this.peer?.identity, address: this.address }
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
    const spent = this.parts.budget.total
    this.obey(frame)
    // Relayed messages take no part in this: they are the same work for everybody.
    this.units += this.parts.budget.total - spent
    if (this.units >= sliceUnits) this.giveWay()
  }

  private obey(frame: Frame): void {
    const isLarge = this.peer !== undefined && frame.length > largeFrame
    if (isLarge && !this.mayBeLarge(frame)) return
    let message: PeerMessage | undefined
    try {
      const text = textOf(frame)
      message = decode(text, this.parts.limits.peerIdLength)
      if (message.type === 'register') {
        void this.register(message)
        return
      }
      if (isLarge) this.checkWork()
      this.act(message, text)
    } catch (error) {
      this.refuse(error, message)
    }
  }

  /** Charges for the reading of a large frame. One that sends more although it was told to wait is closed instead. */
  private mayBeLarge({ length }: Frame): boolean {
    const { budget, clock } = this.parts
    if (clock.uptime() < this.noLargeBefore) {
      this.fail(
        new SignalingError('RATE_LIMITED', 'You went on sending large messages although you were told to wait.'),
      )
      return false
    }
    budget.charge(this.payer, workOfJson(length))
    return true
  }

  /** @throws SignalingError RATE_LIMITED */
  private checkWork(): void {
    const { budget, clock } = this.parts
    try {
      budget.check(this.payer)
    } catch (error) {
      this.noLargeBefore = clock.uptime() + 1000 * (toSignalingError(error).context.retryAfter ?? 0)
      throw error
    }
  }

  /** Does what a message other than `register` asks for, and says so. @throws SignalingError */
  private act(message: Exclude<PeerMessage, Register>, text: string): void {
    const isToBeAnswered = this.hasAcks && isRequest(message)
    if (!this.peer) throw new SignalingError('NOT_IN_ROOM')
    const reply = this.parts.rooms.handle(this.peer, message, text)
    const ack = () => {
      if (!isToBeAnswered) return
      const ack = { type: 'ack', request_id: String(message.request_id), status: 'delivered' } as const
      if (this.open) this.answer(ack)
      else this.send(ack)
    }
    if (reply === undefined) ack()
    else if (typeof reply === 'string') this.answerWith(reply)
    else void this.broadcast(reply, message, ack)
  }

  /** Never rejects. A broadcast to many takes a while. */
  private async broadcast(done: Promise<void>, message: PeerMessage, ack: () => void): Promise<void> {
    this.isBusy = this.isBroadcasting = true
    try {
      await done
      ack()
    } catch (error) {
      this.refuse(error, message)
    }
    this.isBroadcasting = false
    this.drained()
    this.goOn()
  }

  /** Has others have their turn before more of what this one sends is handled. */
  private giveWay(): void {
    this.units = 0
    // It waits already, and others with it.
    if (this.isBusy) return
    this.isBusy = true
    this.parts.slices.add(() => {
      this.goOn()
      return { units: sliceUnits, isDone: true }
    })
  }

  private answer(message: ServerMessage): void {
    this.answerWith(JSON.stringify(message))
  }

  /** Sends the other end what it has asked for. One that does not read its answers is no use to itself. */
  private answerWith(text: string): void {
    if (!this.deliver(text)) this.close(new SignalingError('SLOW_CONSUMER'))
  }

  /** Sends even while the connection is being closed. */
  private send(message: ServerMessage): void {
    this.socket.sendText(JSON.stringify(message))
  }

  /** Refuses a request that came too late. */
  private turnAway(requestId: string | undefined): void {
    if (!this.closing || requestId === undefined) return
    this.send(errorMessage(new SignalingError(this.closing.code, undefined, { requestId })))
  }

  /** Never rejects. What comes meanwhile waits, so that an `offer` right behind `register` finds its sender registered. */
  private async register(message: Register): Promise<void> {
    this.isBusy = true
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
    this.goOn()
  }

  /** From now on the other end is taken for one that understands what it asked for. */
  private speakAs({ features }: Register): void {
    this.dialect = features.length > 0 ? 'features' : 'plain'
    this.hasAcks = features.includes('acks')
  }

  /** Handles what waited, in order, until this is busy again. */
  private goOn(): void {
    this.isBusy = false
    while (this.open && !this.isBusy) {
      const frame = this.waiting?.take()
      if (frame === undefined) {
        this.waiting = undefined
        return
      }
      this.handle(frame)
    }
  }

  private wait(frame: Frame): void {
    this.waiting ??= new WaitingFrames()
    if (this.waiting.add(frame) <= this.parts.limits.waitingBytes) return
    if (this.registering) {
      this.fail(new SignalingError('MESSAGE_TOO_BIG', 'Too much was sent before register was answered.'))
      return
    }
    // It has not waited for any answer: it must not come back and go on at once.
    this.parts.budget.charge(this.payer, unitsOfFlood)
    this.fail(new SignalingError('RATE_LIMITED', 'You send requests faster than they can be answered.'))
  }

  expectRegister(): void {
    this.overdue = true
    if (!this.registering) this.fail(new SignalingError('REGISTER_TIMEOUT'))
  }

  makeWay(reason: SignalingError): void {
    countError(this.parts.metrics, reason.code)
    this.close(reason)
  }

  /** Tells the other end what was wrong with what it sent. */
  private refuse(error: unknown, message: PeerMessage | undefined): void {
    const failure = toSignalingError(error).with(message ? context(message) : {})
    this.parts.refusedAttempt(this.address, failure.code, 'websocket')
    if (!this.open) {
      // Only a broadcast is refused that late; it has been waiting for this.
      if (this.isBroadcasting) this.send(errorMessage(failure))
      return
    }
    this.units += unitsOfRefusal
    const { clock, log, metrics, limits } = this.parts
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
    this.parts.refusedAttempt(this.address, reason.code, 'websocket')
    this.parts.log.info({ peer: this.peer?.id, address: this.address, code: reason.code }, 'connection closed')
    this.close(reason)
  }
}

/** Errors kept back from one connection in a minute that are logged one by one; the metrics count them all. */
const keptBackLogged = 10

/** Characters or bytes beyond which the reading of a frame is work that counts. No SDP of a call between two has so many. */
const largeFrame = 16 * 1024

/** Units of work that count for a connection that floods. */
const unitsOfFlood = 2000

/** Messages after the end that are answered at most: one that goes on cannot keep its connection open. */
const mostTurnedAway = 1000

/** Units of work that it takes to say no. */
const unitsOfRefusal = 2

/** The ping whose pong says that the other end has seen that it is being closed. */
const farewell = Buffer.from('bye')
