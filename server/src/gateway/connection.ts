import {
  context,
  decode,
  type LeaveReason,
  type PeerMessage,
  type Register,
  requestIdOf,
  type ServerMessageOf,
  SignalingError,
  toSignalingError,
} from '@parley/protocol'
import type { ServerWebSocket } from 'bun'
import type { Client } from '../client.ts'
import { type Cancel, nothingPlanned } from '../clock.ts'
import { logFailure } from '../log.ts'
import { countError } from '../metrics.ts'
import type { Link, Peer } from '../rooms/room.ts'
import { type Payer, workOfEntering, workOfFlood, workOfText } from '../work-budget.ts'
import { isDeliberate } from './close-codes.ts'
import type { ConnectionParts } from './connection-parts.ts'
import { type Frame, isRequest, requestIdIn, textOf } from './frames.ts'
import { Incoming } from './incoming.ts'
import { isLarge, LargeFrames } from './large-frames.ts'
import { SocketLifeSigns } from './life-signs.ts'
import type { Newcomer } from './newcomers.ts'
import { Outgoing } from './outgoing.ts'
import type { SocketAddress } from './receive-buffers.ts'
import { Voice } from './voice.ts'

/** One WebSocket: what it sends is handled in order, and every fault of it is answered to it alone. */
export class Connection implements Link, Newcomer {
  peer: Peer | undefined
  open = true
  readonly life: SocketLifeSigns
  readonly outgoing: Outgoing
  private readonly incoming: Incoming
  private readonly voice: Voice
  /** The `register` that is being answered. */
  private registering: Register | undefined
  private overdue = false
  private isFlooding = false
  /** Undefined as long as none was large, as at most connections. */
  private largeFrames: LargeFrames | undefined
  /** Why it is being closed, once it is. */
  private closing: SignalingError | undefined
  /** It waits to register no more. */
  private endWait: Cancel

  constructor(
    socket: ServerWebSocket<unknown>,
    readonly client: Client,
    readonly socketAddress: SocketAddress,
    private readonly parts: ConnectionParts,
  ) {
    this.life = new SocketLifeSigns(socket, parts)
    this.outgoing = new Outgoing(socket, this, parts)
    this.incoming = new Incoming(this, this.outgoing, parts)
    this.voice = new Voice(this, this.outgoing, parts)
    this.endWait = parts.newcomers.admit(this)
  }

  get address(): string | undefined {
    return this.client.address
  }

  /** A frame from the other end. Never throws. */
  receive(frame: Frame): void {
    if (!this.open) {
      if (this.outgoing.isTurningAway) {
        this.turnAway(requestIdIn(frame))
        this.outgoing.turnedAway()
      }
      return
    }
    this.life.heardAt = this.parts.beat.now
    this.incoming.receive(frame)
  }

  /** A ping or a pong from the other end. One that is being closed gets no more time by it. */
  alive(): void {
    // A ping was answered by the runtime, and the answer may wait.
    this.outgoing.look()
    this.incoming.pinged()
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
    this.incoming.giveUp()
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
    const unanswered = this.incoming.giveUp()
    this.voice.sayGoodbye(reason)
    // To read all that one sends which floods would be to do what it wants.
    if (this.voice.hasAcks && !this.isFlooding) {
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

  welcome(peer: Peer, reply: string, conflict?: ServerMessageOf<'admin_conflict'>): void {
    this.endWait()
    // Lets go of the timer: it would weigh on every idle connection.
    this.endWait = nothingPlanned
    const isAgain = this.peer !== undefined
    this.peer = peer
    if (this.registering) this.voice.speakAs(this.registering)
    this.registering = undefined
    if (conflict) this.voice.answer(conflict)
    this.parts.budget.charge(this.payer, isAgain ? workOfText(reply.length) : workOfEntering(reply.length))
    this.voice.answerWith(reply)
  }

  get payer(): Payer {
    return { identity: this.peer?.identity, address: this.address }
  }

  release(reason: SignalingError): void {
    this.peer = undefined
    countError(this.parts.metrics, reason.code)
    // Deployed workers open a second connection on purpose and end when the first one is closed.
    if (reason.code === 'PEER_REPLACED' && this.voice.isPlain) return
    if (reason.kind.closeCode === null) this.voice.tell(reason)
    else this.close(reason)
  }

  handle(frame: Frame): void {
    this.parts.metrics.messages++
    if (!this.peer && Buffer.byteLength(frame) > this.parts.limits.unregisteredMessageBytes) {
      this.fail(new SignalingError('MESSAGE_TOO_BIG', 'Register before you send a message of this size.'))
      // If it is a request, it has its answer.
      this.receive(frame)
      return
    }
    const large = this.peer && isLarge(frame) ? this.large : undefined
    const excess = large?.excess(this.peer?.identity)
    if (excess) {
      this.isFlooding = true
      this.fail(excess)
      return
    }
    let message: PeerMessage | undefined
    try {
      const text = textOf(frame)
      const { peerIdLength } = this.parts.limits
      message = large ? large.read(this.payer, frame, () => decode(text, peerIdLength)) : decode(text, peerIdLength)
      if (message.type === 'register') {
        void this.register(message)
        return
      }
      large?.check(this.payer)
      this.act(message, text)
    } catch (error) {
      this.refuse(error, message)
    }
  }

  private get large(): LargeFrames {
    this.largeFrames ??= new LargeFrames(this.parts.budget, this.parts.clock)
    return this.largeFrames
  }

  /** Does what a message other than `register` asks for, and says so. @throws SignalingError */
  private act(message: Exclude<PeerMessage, Register>, text: string): void {
    if (this.voice.hasAcks) isRequest(message)
    if (!this.peer) throw new SignalingError('NOT_IN_ROOM')
    const reply = this.parts.rooms.handle(this.peer, message, text)
    if (typeof reply === 'object') void this.answerWhenDone(reply, message)
    else this.voice.settle(message, reply)
  }

  /** Never rejects. Some requests take a while, as a broadcast to many does; what is sent meanwhile waits. */
  private async answerWhenDone(done: Promise<string | undefined>, message: PeerMessage): Promise<void> {
    this.incoming.pause()
    this.outgoing.isAwaited = true
    try {
      this.voice.settle(message, await done)
    } catch (error) {
      this.refuse(error, message)
    }
    this.outgoing.isAwaited = false
    this.outgoing.drained()
    this.incoming.resume()
  }

  /** Refuses a request that came too late. */
  private turnAway(requestId: string | undefined): void {
    if (this.closing) this.voice.turnAway(this.closing, requestId)
  }

  /** Never rejects. What comes meanwhile waits, so that an `offer` right behind `register` finds its sender registered. */
  private async register(message: Register): Promise<void> {
    this.incoming.pause()
    this.registering = message
    if (!this.peer) this.voice.speakAs(message)
    const { rooms, guesses } = this.parts
    try {
      if (message.features.includes('acks')) isRequest(message)
      await guesses.attempt(this, this.client.limitKey, () => rooms.join(message, this))
    } catch (error) {
      this.registering = undefined
      this.refuse(error, message)
      if (this.overdue && !this.peer) this.close(new SignalingError('REGISTER_TIMEOUT'))
    }
    this.incoming.resume()
  }

  overflowed(): void {
    // What floods while it registers is still answered: that is bounded by what may wait.
    this.isFlooding = !this.registering
    const reason = this.registering
      ? new SignalingError('MESSAGE_TOO_BIG', 'Too much was sent before register was answered.')
      : new SignalingError('RATE_LIMITED', 'You send requests faster than they can be answered.')
    this.fail(reason, workOfFlood)
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
    this.parts.refusedAttempt(this.client.nearest, failure.code, 'websocket')
    if (!this.open) {
      // Only what takes a while is refused that late; its end has been waited for.
      if (this.outgoing.isAwaited) this.voice.refuseLate(failure)
      return
    }
    this.incoming.refused()
    logFailure(this.parts.log, failure, { peer: this.peer?.id, address: this.client.nearest })
    if (this.voice.refuse(failure)) this.fail(new SignalingError('RATE_LIMITED'), workOfFlood)
  }

  /**
   * Closes for a fault of the other end.
   * @param units of work that it is charged, so that it cannot come back at once and go on
   */
  private fail(reason: SignalingError, units = 0): void {
    if (units > 0) this.parts.budget.charge(this.payer, units)
    countError(this.parts.metrics, reason.code)
    this.parts.refusedAttempt(this.client.nearest, reason.code, 'websocket')
    this.parts.log.info({ peer: this.peer?.id, address: this.client.nearest, code: reason.code }, 'connection closed')
    this.close(reason)
  }
}
