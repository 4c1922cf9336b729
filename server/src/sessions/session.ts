import { type Feature, type LeaveReason, type SessionGrant, SignalingError } from '@parley/protocol'
import type { Cancel } from '../clock.ts'
import { countError } from '../metrics.ts'
import type { Delivery, LifeSigns, PeerSession } from '../rooms/peer-session.ts'
import type { Peer } from '../rooms/room.ts'
import type { Payer } from '../work-budget.ts'
import { Inbound } from './inbound.ts'
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
  /** That of its last connection. */
  #serial: number
  #peer: Peer | undefined
  #state: State
  readonly #resumption: Resumption | undefined
  /** What the peer sends. */
  readonly inbound: Inbound

  constructor(
    connection: SessionConnection,
    /** How it speaks to the other end. */
    readonly voice: Voice,
    features: ReadonlySet<Feature>,
    private readonly parts: SessionParts,
  ) {
    this.#state = { kind: 'attached', connection }
    this.address = connection.client.address
    this.#serial = connection.serial
    this.inbound = new Inbound(this, parts)
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
    return this.connection?.life
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

  /** Whether the last so many bytes that were sent could be sent again, over another connection. */
  keeps(bytes: number): boolean {
    return this.canResume && (this.#resumption?.replay.bytes ?? 0) >= bytes
  }

  /** Undefined while it is away, and when it is over. */
  get connection(): SessionConnection | undefined {
    return this.#state.kind === 'attached' ? this.#state.connection : undefined
  }

  begin(peer: Peer): void {
    this.#peer = peer
  }

  /** `registered_auth` is written: from here on both ends count. */
  startCounting(): void {
    const connection = this.connection
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
    const connection = this.connection
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

  /** A frame of the other end was taken up. */
  count(): void {
    this.#resumption?.count()
  }

  /** The other end is likely to have the first so many frames of its connection. */
  confirmed(written: number): void {
    this.#resumption?.confirmed(written)
  }

  /**
   * Goes on over `connection`, which is sent `reply` and then what the other end has missed. Not if a later one has had the session:
   * what the other end sends over several may come in any order, and the last that it has opened is the one that it uses.
   * @param received what the other end has received on this session
   * @throws SignalingError INVALID_ROOM_TOKEN if the token is not its own, RESUME_FAILED if something is missing
   */
  resume(connection: SessionConnection, token: string, received: number, reply: (received: number) => string): void {
    const resumption = this.#resumption
    if (!resumption || this.isOver) throw new SignalingError('RESUME_FAILED')
    if (!resumption.knows(token)) throw new SignalingError('INVALID_ROOM_TOKEN')
    if (connection.serial < this.#serial) {
      connection.takenOver()
      return
    }
    const missed = resumption.replay.after(received)
    if (!missed) throw new SignalingError('RESUME_FAILED', 'What this peer has missed is no longer there.')
    const state = this.#state
    if (state.kind === 'away') state.cancel()
    this.connection?.takenOver()
    this.#state = { kind: 'attached', connection }
    this.address = connection.client.address
    this.#serial = connection.serial
    resumption.renewToken(token)
    resumption.replay.confirm(received)
    connection.write(reply(resumption.received))
    // Numbered as they were: what was kept is written, and is kept still.
    resumption.countFrom(connection.written - received)
    for (const text of missed) connection.write(text)
    resumption.replay.sent()
    if (this.inbound.isBusy) connection.hold()
    const { id, room } = this.peer
    this.parts.emit({ type: 'back', room: room.id, peer: id, missed: missed.length })
  }
}
