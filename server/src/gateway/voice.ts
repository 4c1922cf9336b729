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
import { closeCodeOf } from './close-codes.ts'
import { type Dialect, mayBeTold } from './dialect.ts'
import { Faults } from './faults.ts'
import type { Outgoing } from './outgoing.ts'

/** The connection that speaks. */
interface Owner {
  readonly open: boolean
  readonly peer: { readonly id: string } | undefined
  close(reason: SignalingError): void
}

interface Parts {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: { readonly errorsPerMinute: number; readonly plainPeerErrors: 'all' | 'register' }
}

/** Errors kept back from one connection in a minute that are logged one by one; the metrics count them all. */
const keptBackLogged = 10

/** How a connection speaks to its other end, as far as that understands it. */
export class Voice {
  #dialect: Dialect = 'unknown'
  /** Whether each request with a `request_id` is answered. */
  hasAcks = false
  /** Undefined as long as there is none, as in most connections. */
  #faults: Faults | undefined

  constructor(
    private readonly owner: Owner,
    private readonly outgoing: Outgoing,
    private readonly parts: Parts,
  ) {}

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
    if (!this.owner.open || !this.outgoing.send(text)) this.owner.close(new SignalingError('SLOW_CONSUMER'))
  }

  /** Sends the reply to a message, or says that it is done, if it is a request; even while the connection is being closed. */
  settle(request: { readonly request_id?: unknown }, reply: string | undefined): void {
    if (reply !== undefined) {
      this.#answerLate(reply)
      return
    }
    const requestId = requestIdOf(request)
    if (!this.hasAcks || requestId === undefined) return
    this.#answerLate(JSON.stringify({ type: 'ack', request_id: requestId, status: 'delivered' }))
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
  sayGoodbye(reason: SignalingError): void {
    if (this.#dialect === 'features') this.#send(bye(reason, closeCodeOf(reason)))
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
    log.warn({ peer: this.owner.peer?.id, code: reason.code }, 'error kept back from a plain peer')
  }

  /** Sends the other end what it has asked for, even while the connection is being closed. */
  #answerLate(text: string): void {
    if (this.owner.open) this.answerWith(text)
    else this.outgoing.send(text)
  }

  /** Sends even while the connection is being closed. */
  #send(message: ServerMessage): void {
    this.outgoing.send(JSON.stringify(message))
  }
}
