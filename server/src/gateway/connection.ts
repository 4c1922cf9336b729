import { type Register, requestIdOf, type ServerMessageOf, SignalingError } from '@parley/protocol'
import type { Client } from '../client.ts'
import { countError } from '../metrics.ts'
import { Arrival, type ArrivingConnection } from '../sessions/arrival.ts'
import { type Frame, requestIdIn } from '../sessions/frames.ts'
import { tooFast, tooMuchAtFirst } from '../sessions/refusals.ts'
import type { Session } from '../sessions/session.ts'
import { type Outlet, Voice } from '../sessions/voice.ts'
import { type Payer, workOfFlood } from '../work-budget.ts'
import { closeCodeOf, isDeliberate } from './close-codes.ts'
import type { ConnectionParts } from './connection-parts.ts'
import { Incoming } from './incoming.ts'
import { SocketLifeSigns } from './life-signs.ts'
import { NumberedPings } from './numbered-pings.ts'
import { Outgoing } from './outgoing.ts'
import type { SocketAddress } from './receive-buffers.ts'
import type { Socket, SocketListener } from './socket.ts'

/** One WebSocket: its frames in their order, its pings, what waits to be sent, and its end. */
export class Connection implements ArrivingConnection, Outlet, SocketListener {
  /** That of the peer it speaks for. */
  session: Session | undefined
  open = true
  readonly life: SocketLifeSigns
  readonly outgoing: Outgoing
  readonly incoming: Incoming
  private voice: Voice
  /** Until it has a session, and while its peer registers again. */
  private arrival: Arrival | undefined
  private isFlooding = false
  /** Why it is being closed, once it is. */
  private closing: SignalingError | undefined

  constructor(
    readonly socket: Socket,
    readonly client: Client,
    private readonly remotePort: number,
    /** The uptime at which it was opened; no two of this node have the same. */
    readonly serial: number,
    private readonly parts: ConnectionParts,
  ) {
    this.outgoing = new Outgoing(socket, this, parts)
    this.life = new SocketLifeSigns(socket, this.outgoing, parts)
    this.incoming = new Incoming(this, this.outgoing, parts)
    this.voice = new Voice(this, parts)
    this.arrival = new Arrival(this, this.voice, parts)
    parts.newcomers.admit(this.arrival)
  }

  get peerId(): string | undefined {
    return this.session?.peerId
  }

  get payer(): Payer {
    return this.session?.payer ?? { identity: undefined, address: this.client.address }
  }

  get socketAddress(): SocketAddress {
    return { address: this.socket.remoteAddress, port: this.remotePort }
  }

  get written(): number {
    return this.life.pings?.written ?? 0
  }

  /** A frame from the other end. Never throws. */
  receive(frame: Frame): void {
    if (!this.open) {
      this.turnAway(frame)
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
    if (this.open) this.life.heard()
  }

  /** The other end has answered a ping, and all that it had sent before has been handled. */
  ponged(payload: Buffer): void {
    this.alive()
    this.outgoing.ponged(payload)
    const { pings } = this.life
    if (pings && this.open) this.session?.confirmed(pings.confirmed(payload))
  }

  /** The WebSocket has ended, with a close code of RFC 6455 section 7.4. */
  closed(code: number): void {
    this.open = false
    this.outgoing.ended()
    this.incoming.giveUp()
    if (this.arrival) this.parts.newcomers.leave(this.arrival)
    // One that the server ends leaves in a step of its own.
    if (!this.closing) this.session?.disconnected(isDeliberate(code))
    this.session = undefined
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
    this.voice.outlet = this
    this.voice.sayGoodbye(reason, closeCodeOf(reason))
    // To read all that one sends which floods would be to do what it wants.
    if (this.voice.hasAcks && !this.isFlooding) {
      if (this.arrival?.registering) this.voice.turnAway(reason, requestIdOf(this.arrival.registering))
      for (const frame of unanswered) this.voice.turnAway(reason, requestIdIn(frame))
      this.outgoing.sayFarewell()
    }
    this.outgoing.close(reason)
  }

  lost(reason: SignalingError): void {
    if (!this.open) return
    const { session } = this
    this.open = false
    this.closing = reason
    // Not at once: whoever closes it may be just telling its room something.
    queueMicrotask(() => session?.leave('disconnected'))
  }

  stalled(): void {
    // What waits is kept, so the peer loses nothing if it comes back: its network may have died without a word.
    if (this.open && this.session?.keeps(this.outgoing.waiting)) this.life.giveUp()
    else this.fail(new SignalingError('SLOW_CONSUMER'))
  }

  write(text: string): boolean {
    if (!this.open) return false
    const isTaken = this.outgoing.send(text)
    if (isTaken && this.life.pings?.wrote(text.length)) this.life.ping()
    return isTaken
  }

  send(text: string): boolean {
    return this.outgoing.send(text)
  }

  adopt(session: Session): void {
    this.voice = session.voice
    if (this.arrival) this.parts.newcomers.leave(this.arrival)
    this.arrival = undefined
    this.session = session
    if (session.grant) this.life.pings ??= new NumberedPings()
  }

  /** Asks its peer to go on over another connection, if it can. From then on nobody knows what still arrives on this one. */
  askToMove(message: ServerMessageOf<'go_away'>): void {
    if (!this.open || !this.session?.canResume) return
    this.session.tell(JSON.stringify(message))
    this.life.pings?.stop()
  }

  released(reason: SignalingError): void {
    this.session = undefined
    this.voice.outlet = this
    this.arrival ??= new Arrival(this, this.voice, this.parts)
    // Deployed workers open a second connection on purpose and end when the first one is closed.
    if (reason.code === 'PEER_REPLACED' && this.voice.isPlain) return
    if (reason.kind.closeCode === null) this.voice.tell(reason)
    else this.close(reason)
  }

  takenOver(): void {
    this.retire()
    this.closing = new SignalingError('PEER_REPLACED')
    this.outgoing.close(this.closing)
  }

  /** Handles nothing any more. @returns what waits */
  private retire(): Iterable<Frame> {
    this.session = undefined
    this.open = false
    return this.incoming.giveUp()
  }

  handle(frame: Frame): void {
    this.parts.metrics.messages++
    if (this.session) this.session.inbound.receive(frame)
    else this.arrival?.receive(frame)
  }

  register(message: Register, frame: Frame): void {
    this.arrival = new Arrival(this, this.voice, this.parts)
    void this.arrival.register(message, frame)
  }

  async carry(node: string, frame: Frame): Promise<void> {
    const handOver = await this.parts.relocation.to(node)
    if (!this.open) return
    this.session?.leave('left')
    if (this.arrival) this.parts.newcomers.leave(this.arrival)
    const frames = [frame, ...this.retire()]
    this.outgoing.handOver()
    this.life.settle(false)
    handOver(this, frames)
  }

  resumeReading(): void {
    // The session that it has resumed may be doing a request still.
    if (!this.outgoing.isAwaited) this.incoming.resume()
  }

  hold(): void {
    this.incoming.pause()
    this.outgoing.isAwaited = true
  }

  proceed(): void {
    this.outgoing.isAwaited = false
    this.outgoing.drained()
    this.incoming.resume()
  }

  turnAway(frame: Frame): void {
    if (!this.outgoing.isTurningAway || !this.closing) return
    this.voice.turnAway(this.closing, requestIdIn(frame))
    this.outgoing.turnedAway()
  }

  overflowed(): void {
    // What floods while it registers is still answered: that is bounded by what may wait.
    if (this.arrival?.registering) this.fail(tooMuchAtFirst(), workOfFlood)
    else this.floods(tooFast(), workOfFlood)
  }

  floods(reason: SignalingError, units = 0): void {
    this.isFlooding = true
    this.fail(reason, units)
  }

  fail(reason: SignalingError, units = 0): void {
    if (units > 0) this.parts.budget.charge(this.payer, units)
    countError(this.parts.metrics, reason.code)
    this.parts.refusedAttempt(this.client.nearest, reason.code, 'websocket')
    this.parts.log.info({ peer: this.peerId, address: this.client.nearest, code: reason.code }, 'connection closed')
    this.close(reason)
  }
}
