import {
  decode,
  type Feature,
  type LeaveReason,
  type PeerMessage,
  type SessionGrant,
  SignalingError,
} from '@parley/protocol'
import type { Cancel } from '../clock.ts'
import { countError } from '../metrics.ts'
import type { Delivery, LifeSigns, PeerSession } from '../rooms/peer-session.ts'
import type { Outcome, PeerRequest } from '../rooms/requests.ts'
import type { Peer } from '../rooms/room.ts'
import type { Payer } from '../work-budget.ts'
import { type Frame, isRequest, textOf } from './frames.ts'
import { isLarge, LargeFrames } from './large-frames.ts'
import { refuse } from './refusals.ts'
import { Resumption } from './resumption.ts'
import type { SessionConnection } from './session-connection.ts'
import type { SessionParts } from './session-parts.ts'
import type { Outlet, Voice } from './voice.ts'

type State =
  | { readonly kind: 'attached'; readonly connection: SessionConnection }
  /** Without a connection, until that uptime. */
  | { readonly kind: 'away'; readonly until: number; readonly cancel: Cancel }
  | { readonly kind: 'over' }

const over: State = { kind: 'over' }

/**
 * What a registered peer is to the server: its requests are done in order, and each is answered once. With `resume` it outlives
 * its connection for a while, and goes on over another one: see docs/protocol.md.
 */
export class Session implements PeerSession, Outlet {
  address: string | undefined
  #peer: Peer | undefined
  #state: State
  readonly #resumption: Resumption | undefined
  /** Whether a request is being done that takes a while. */
  #isBusy = false
  /** Undefined as long as none was large, as in most sessions. */
  #largeFrames: LargeFrames | undefined

  constructor(
    connection: SessionConnection,
    /** How it speaks to the other end. */
    readonly voice: Voice,
    features: ReadonlySet<Feature>,
    private readonly parts: SessionParts,
  ) {
    this.#state = { kind: 'attached', connection }
    this.address = connection.client.address
    this.#resumption = features.has('resume') ? new Resumption(parts.keptMemory) : undefined
  }

  /** @throws Error before `begin` */
  get peer(): Peer {
    if (!this.#peer) throw new Error('This session has no peer yet.')
    return this.#peer
  }

  get peerId(): string | undefined {
    return this.#peer?.id
  }

  get isOver(): boolean {
    return this.#state.kind === 'over'
  }

  /** Whether something can be sent to the peer, or held for it. */
  get open(): boolean {
    const state = this.#state
    return state.kind === 'attached' ? state.connection.open : state.kind === 'away'
  }

  get life(): LifeSigns | undefined {
    return this.#connection?.life
  }

  get awayUntil(): number | undefined {
    return this.#state.kind === 'away' ? this.#state.until : undefined
  }

  get grant(): SessionGrant | undefined {
    const resumption = this.#resumption
    return resumption && { token: resumption.token, ttl_seconds: this.parts.limits.resumeTtl }
  }

  get payer(): Payer {
    return { identity: this.#peer?.identity, address: this.address }
  }

  /** Whether it could go on over another connection with all that the other end may have missed. */
  get canResume(): boolean {
    return this.#resumption !== undefined && !this.#resumption.replay.isBroken
  }

  get #connection(): SessionConnection | undefined {
    return this.#state.kind === 'attached' ? this.#state.connection : undefined
  }

  begin(peer: Peer): void {
    this.#peer = peer
  }

  /** `registered_auth` is written: from here on both ends count. */
  startCounting(): void {
    const connection = this.#connection
    if (connection) this.#resumption?.countFrom(connection.written)
  }

  deliver(text: string): Delivery {
    const state = this.#state
    if (state.kind === 'attached') return this.#write(text, state.connection) ? 'delivered' : 'unread'
    if (state.kind === 'over') return 'unread'
    return this.#resumption?.replay.hold(text) ? 'held' : 'away'
  }

  tell(text: string): void {
    if (!this.send(text)) this.close(new SignalingError('SLOW_CONSUMER'))
  }

  /** Sends what the server itself has to say. What cannot be held ends the hope to resume, not the session. */
  send(text: string): boolean {
    const state = this.#state
    if (state.kind === 'attached') return this.#write(text, state.connection)
    if (state.kind === 'away' && !this.#resumption?.replay.hold(text)) this.#resumption?.replay.giveUp()
    return true
  }

  #write(text: string, connection: SessionConnection): boolean {
    if (!connection.write(text)) return false
    this.#resumption?.replay.keep(text)
    return true
  }

  release(reason: SignalingError): void {
    const connection = this.#connection
    this.#end()
    countError(this.parts.metrics, reason.code)
    connection?.released(reason)
  }

  close(reason: SignalingError): void {
    const state = this.#state
    if (state.kind === 'attached') state.connection.close(reason)
    else if (state.kind === 'away') this.leave('disconnected')
  }

  /** Its peer leaves the room, if it is in it still. */
  leave(reason: LeaveReason): void {
    if (this.isOver) return
    this.#end()
    this.parts.rooms.leave(this.peer, reason)
  }

  /** Another session is that of its connection now. */
  supersede(): void {
    this.#end()
  }

  #end(): void {
    if (this.#state.kind === 'away') this.#state.cancel()
    this.#state = over
    this.#resumption?.replay.forget()
  }

  /** The connection has ended without the server's doing. */
  disconnected(isDeliberate: boolean): void {
    const { clock, limits, emit } = this.parts
    if (isDeliberate || !this.canResume) {
      this.leave(isDeliberate ? 'left' : 'disconnected')
      return
    }
    const ttl = limits.resumeTtl * 1000
    const cancel = clock.after(ttl, () => this.leave('disconnected'))
    this.#state = { kind: 'away', until: clock.uptime() + ttl, cancel }
    emit({ type: 'away', room: this.peer.room.id, peer: this.peer.id })
  }

  /** The other end is likely to have the first so many frames of its connection. */
  confirmed(written: number): void {
    this.#resumption?.confirmed(written)
  }

  /**
   * Goes on over `connection`, which is sent `reply` and then what the other end has missed.
   * @param received what the other end has received on this session
   * @throws SignalingError INVALID_ROOM_TOKEN if the token is not its own, RESUME_FAILED if something is missing
   */
  resume(connection: SessionConnection, token: string, received: number, reply: (received: number) => string): void {
    const resumption = this.#resumption
    if (!resumption || this.isOver) throw new SignalingError('RESUME_FAILED')
    if (!resumption.knows(token)) throw new SignalingError('INVALID_ROOM_TOKEN')
    const missed = resumption.replay.after(received)
    if (!missed) throw new SignalingError('RESUME_FAILED', 'What this peer has missed is no longer there.')
    const state = this.#state
    if (state.kind === 'away') state.cancel()
    this.#connection?.takenOver()
    this.#state = { kind: 'attached', connection }
    this.address = connection.client.address
    resumption.renewToken(token)
    resumption.replay.confirm(received)
    connection.write(reply(resumption.received))
    // Numbered as they were: what was kept is written, and is kept still.
    resumption.countFrom(connection.written - received)
    for (const text of missed) connection.write(text)
    resumption.replay.sent()
    if (this.#isBusy) connection.hold()
    const { id, room } = this.peer
    this.parts.emit({ type: 'back', room: room.id, peer: id, missed: missed.length })
  }

  /** Does what a frame asks for. Never throws. */
  receive(frame: Frame): void {
    const large = isLarge(frame) ? this.#large : undefined
    const excess = large?.excess(this.#peer?.identity)
    if (excess) {
      this.#connection?.floods(excess)
      return
    }
    let message: PeerMessage | undefined
    try {
      const text = textOf(frame)
      const { peerIdLength } = this.parts.limits
      message = large ? large.read(this.payer, frame, () => decode(text, peerIdLength)) : decode(text, peerIdLength)
      if (message.type === 'register') {
        // It counts as received once it is answered: one whose connection breaks before is to be sent again.
        this.#connection?.register(message)
        return
      }
      this.#resumption?.count()
      if (this.voice.hasAcks) isRequest(message)
      if (message.type === 'resume') throw new SignalingError('RESUME_FAILED', 'This connection has a peer already.')
      large?.check(this.payer)
      this.#act(message, text)
    } catch (error) {
      if (!message) this.#resumption?.count()
      this.refuse(error, message)
    }
  }

  /** Tells the other end what was wrong with what it sent. */
  refuse(error: unknown, message: PeerMessage | undefined): void {
    if (message?.type === 'register') this.#resumption?.count()
    refuse(error, message, this.voice, this.#connection, this.parts)
  }

  get #large(): LargeFrames {
    this.#largeFrames ??= new LargeFrames(this.parts.budget, this.parts.clock)
    return this.#largeFrames
  }

  /** Does what a message asks for, and says so. @throws SignalingError */
  #act(message: PeerRequest, text: string): void {
    const outcome = this.parts.rooms.handle(this.peer, message, text)
    if (outcome instanceof Promise) void this.#answerWhenDone(outcome, message)
    else this.voice.settle(message, outcome)
  }

  /** Never rejects. Some requests take a while, as a broadcast to many does; what is sent meanwhile waits. */
  async #answerWhenDone(done: Promise<Outcome>, message: PeerRequest): Promise<void> {
    const connection = this.#connection
    this.#isBusy = true
    connection?.hold()
    try {
      this.voice.settle(message, await done)
    } catch (error) {
      refuse(error, message, this.voice, connection, this.parts)
    }
    this.#isBusy = false
    connection?.proceed()
    // It may have changed meanwhile.
    if (this.#connection !== connection) this.#connection?.proceed()
  }
}
