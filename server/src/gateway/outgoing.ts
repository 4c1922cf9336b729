import { SignalingError } from '@parley/protocol'
import type { ServerWebSocket } from 'bun'
import { type Cancel, type Clock, nothingPlanned } from '../clock.ts'
import { closeCodeOf } from './close-codes.ts'
import { Queue, type QueueHolder, type Queues } from './queues.ts'

/** Milliseconds that the other end has for what waits for it, and for the answer to the farewell, once it is being closed. */
export const closeWithin = 30_000

/** The ping whose pong says that the other end has seen that it is being closed. */
const farewell = Buffer.from('bye')

/** Messages after the end that are answered at most: one that goes on cannot keep its connection open. */
const mostTurnedAway = 1000

/** The connection that it belongs to. */
interface Owner {
  /** The other end has taken nothing for too long. */
  stalled(): void
  /** The connection is about to end without a goodbye. It must tell nobody in the same step: somebody may be just sending. */
  lost(reason: SignalingError): void
}

/** What a connection sends: on its socket, what waits there, and the end of it. */
export class Outgoing implements QueueHolder {
  /** Whether the other end may still send what it wrote before it saw that it is being closed. */
  isTurningAway = false
  /** Whether something is still to be said, for which the end has to wait. */
  isAwaited = false
  #turnedAway = 0
  /** Undefined as long as nothing has had to wait, as at most connections. */
  #queue: Queue | undefined
  #reason: SignalingError | undefined
  #isOver = false
  /** It ends in any case. */
  #cancelEnd: Cancel = nothingPlanned

  constructor(
    private readonly socket: ServerWebSocket<unknown>,
    private readonly owner: Owner,
    private readonly parts: { readonly queues: Queues; readonly clock: Clock },
  ) {}

  get isClosing(): boolean {
    return this.#reason !== undefined
  }

  /** False if the text could not be taken: the other end does not read, or is gone. */
  send(text: string): boolean {
    const sent = this.socket.sendText(text)
    return sent > 0 || (sent < 0 && this.#keep(Buffer.byteLength(text)))
  }

  /** The runtime may have sent something by itself, such as a pong. */
  look(): void {
    if (!this.#isOver && this.socket.getBufferedAmount() > 0) this.#keep(0)
  }

  /** So many bytes have come that wait to be handled. */
  hold(bytes: number): void {
    if (this.#isOver || (bytes === 0 && !this.#queue)) return
    this.#queue ??= new Queue(this, this.socket)
    this.parts.queues.received(this.#queue, bytes)
  }

  /** From now on what comes is turned away, until the other end has seen that it is being closed. */
  sayFarewell(): void {
    this.isTurningAway = this.socket.ping(farewell) !== 0
  }

  /** A pong has come. */
  ponged(payload: Buffer): void {
    if (payload.equals(farewell)) this.#turnNobodyAway()
  }

  /** One more message came too late. */
  turnedAway(): void {
    if (++this.#turnedAway > mostTurnedAway) this.#turnNobodyAway()
  }

  #turnNobodyAway(): void {
    if (!this.isTurningAway) return
    this.isTurningAway = false
    this.#finish()
  }

  /** Closes with the code of `reason`, once the other end has taken what it was sent; after `closeWithin` without that. */
  close(reason: SignalingError): void {
    this.#reason = reason
    if (this.#queue) this.parts.queues.closing(this.#queue)
    this.#finish()
    if (!this.#isOver) this.#cancelEnd = this.parts.clock.after(closeWithin, () => this.cutOff())
  }

  /** The socket has taken some of what was queued for it. */
  drained(): void {
    if (this.#queue) this.parts.queues.taken(this.#queue)
    this.#finish()
  }

  stalled(): void {
    this.owner.stalled()
  }

  cutOff(): void {
    if (this.#isOver) return
    const isUnread = this.socket.getBufferedAmount() > 0
    const reason = isUnread ? new SignalingError('SLOW_CONSUMER') : new SignalingError('RATE_LIMITED', tooMuchWaits)
    const isClosing = this.isClosing
    this.#isOver = true
    this.owner.lost(reason)
    if (isUnread || isClosing) this.socket.terminate()
    else this.socket.close(closeCodeOf(reason), reason.message)
  }

  /** The WebSocket has ended. */
  ended(): void {
    this.#isOver = true
    this.isTurningAway = false
    this.#cancelEnd()
    if (this.#queue) this.parts.queues.remove(this.#queue)
  }

  #keep(messageBytes: number): boolean {
    this.#queue ??= new Queue(this, this.socket)
    this.parts.queues.sent(this.#queue, messageBytes)
    return !this.#isOver
  }

  /** To close before the socket has taken what is queued would throw that away. */
  #finish(): void {
    if (!this.#reason || this.#isOver || this.isTurningAway || this.isAwaited || this.socket.getBufferedAmount() > 0)
      return
    this.#isOver = true
    this.socket.close(closeCodeOf(this.#reason), this.#reason.message)
  }
}

const tooMuchWaits = 'The server has no memory left for what waits until you have registered.'
