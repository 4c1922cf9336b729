import {
  bye,
  type ErrorContext,
  errorMessage,
  type Register,
  requestIdOf,
  type ServerMessage,
  SignalingError,
} from '@parley/protocol'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { countError, countKeptBack, type Metrics } from '../metrics.ts'
import type { Outcome } from '../rooms/requests.ts'
import { type Dialect, mayBeTold } from './dialect.ts'
import { Faults } from './faults.ts'

/** What a voice speaks through: a connection, or a session that may have none for a while. */
export interface Outlet {
  /** False once it has ended, or is about to. */
  readonly open: boolean
  readonly peerId: string | undefined
  /** Sends a text frame, even when it is about to end. False if that could not be taken. */
  send(text: string): boolean
  close(reason: SignalingError): void
}

interface Parts {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: { readonly errorsPerMinute: number; readonly plainPeerErrors: 'all' | 'register' }
}

/** Errors kept back from one peer in a minute that are logged one by one; the metrics count them all. */
const keptBackLogged = 10

/** How the server speaks to the other end of a connection or session, as far as that understands it. */
export class Voice {
  #dialect: Dialect = 'unknown'
  /** Whether each request with a `request_id` is answered. */
  hasAcks = false
  /** Undefined as long as there is none, as in most connections. */
  #faults: Faults | undefined

  constructor(
    public outlet: Outlet,
    private readonly parts: Parts,
  ) {}

  /** Whether it is more than a last word that is said now. */
  get isHeard(): boolean {
    return this.outlet.open
  }

  get peerId(): string | undefined {
    return this.outlet.peerId
  }

  /** Whether the other end knows the quick reference and no more. */
  get isPlain(): boolean {
    return this.#dialect === 'plain'
  }

  /** From now on the other end is taken for one that understands what it asked for. */
  speakAs({ features }: Register): void {
    this.#dialect = features.length > 0 ? 'features' : 'plain'
    this.hasAcks = features.includes('acks')
  }

  answer(message: ServerMessage): void {
    this.answerWith(JSON.stringify(message))
  }

  /** Sends the other end what it has asked for. One that does not read its answers is no use to itself. */
  answerWith(text: string): void {
    if (!this.outlet.open || !this.outlet.send(text)) this.outlet.close(new SignalingError('SLOW_CONSUMER'))
  }

  /** Sends the reply to a message, or what became of it, if it is a request; even while the connection is being closed. */
  settle(request: { readonly request_id?: unknown }, outcome: Outcome): void {
    if (typeof outcome === 'object') {
      this.#answerLate(outcome.reply)
      return
    }
    const requestId = this.hasAcks ? requestIdOf(request) : undefined
    // Nothing in it needs escaping.
    if (requestId !== undefined) this.#answerLate(`{"type":"ack","request_id":"${requestId}","status":"${outcome}"}`)
  }

  /** Says that a request failed, even while the connection is being closed. */
  refuseLate(failure: SignalingError): void {
    this.#answerLate(JSON.stringify(errorMessage(failure)))
  }

  /** Refuses a request that came after the connection was closed for `reason`. */
  turnAway(reason: SignalingError, requestId: ErrorContext['requestId']): void {
    if (requestId !== undefined) this.#send(errorMessage(new SignalingError(reason.code, undefined, { requestId })))
  }

  /** Says why the connection is being closed, to those that understand it. */
  sayGoodbye(reason: SignalingError, closeCode: number): void {
    if (this.#dialect === 'features') this.#send(bye(reason, closeCode))
  }

  /** Tells the other end what was wrong with what it sent. @returns whether that was once too often */
  refuse(failure: SignalingError): boolean {
    const { clock, limits, metrics } = this.parts
    this.#faults ??= new Faults()
    const { reason, isLast } = this.#faults.judge(failure, this.#dialect, limits.errorsPerMinute, clock.now())
    countError(metrics, reason.code)
    this.tell(reason)
    return isLast
  }

  /** Sends an error, or tells the operator instead, where the other end could not bear it. */
  tell(reason: SignalingError): void {
    const { clock, limits, log, metrics } = this.parts
    if (mayBeTold(reason, this.#dialect, limits.plainPeerErrors)) {
      this.answer(errorMessage(reason))
      return
    }
    countKeptBack(metrics, reason.code)
    this.#faults ??= new Faults()
    if (this.#faults.keepBack(clock.now()) > keptBackLogged) return
    log.warn({ peer: this.peerId, code: reason.code }, 'error kept back from a plain peer')
  }

  /** Sends the other end what it has asked for, even while the connection is being closed. */
  #answerLate(text: string): void {
    if (this.outlet.open) this.answerWith(text)
    else this.outlet.send(text)
  }

  /** Sends even while the connection is being closed. */
  #send(message: ServerMessage): void {
    this.outlet.send(JSON.stringify(message))
  }
}
