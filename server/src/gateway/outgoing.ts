import { SignalingError } from '@parley/protocol'
import { type Cancel, type Clock, nothingPlanned } from '../clock.ts'
import { closeCodeOf } from './close-codes.ts'
import { Queue, type QueueHolder, type Queues } from './queues.ts'
import type { SharedWrites, Writer } from './shared-writes.ts'
import type { Socket } from './socket.ts'

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

interface Parts {
  readonly queues: Queues
  readonly clock: Clock
  readonly writes: SharedWrites
  readonly limits: { readonly queueBytes: number }
}

/** What a connection sends: on its socket, what waits there, and the end of it. */
export class Outgoing implements QueueHolder, Writer {
  /** Whether the other end may still send what it wrote before it saw that it is being closed. */
  isTurningAway = false
  /** Whether something is still to be said, for which the end has to wait. */
  isAwaited = false
  #turnedAway = 0
  /** What is written when this turn of the event loop is over: the first text, the others, and the characters of all. */
  #first: string | undefined
  #more: string[] | undefined
  #characters = 0
  /** Undefined while nothing waits, as at most connections. */
  #queue: Queue | undefined
  #reason: SignalingError | undefined
  #isOver = false
  /** It ends in any case. */
  #cancelEnd: Cancel = nothingPlanned

  constructor(
    private readonly socket: Socket,
    private readonly owner: Owner,
    private readonly parts: Parts,
  ) {}

  /** Bytes that wait in the socket. */
  get waiting(): number {
    return this.socket.getBufferedAmount()
  }

  get isClosing(): boolean {
    return this.#reason !== undefined
  }

  /**
   * Writes the text at the end of this turn. False if it could not be taken: the other end does not read, or is gone. What is
   * taken here the socket takes, too, unless the connection ends before.
   */
  send(text: string): boolean {
    if (this.#isOver || this.#isFull()) return false
    this.#characters += text.length
    if (this.#first === undefined) {
      this.#first = text
      this.parts.writes.add(this)
    } else {
      this.#more ??= []
      this.#more.push(text)
    }
    return true
  }

  /** Whether more waits than may. Bytes are counted only where there may be too many: that takes as long as to read them. */
  #isFull(): boolean {
    const { queueBytes } = this.parts.limits
    const buffered = this.#queue ? this.socket.getBufferedAmount() : 0
    return (
      buffered + mostBytes * this.#characters > queueBytes && buffered + bytesOf(this.#first, this.#more) > queueBytes
    )
  }

  /**
   * Writes what this turn has brought.
   * @param isTurnOver whether no handler of another socket is under way: below that, what it sends could be lost by the cork
   */
  flush(isTurnOver = false): void {
    const first = this.#first
    const more = this.#more
    if (first === undefined) return
    this.#first = this.#more = undefined
    this.#characters = 0
    if (this.#isOver) return
    let waits = false
    if (more && isTurnOver) {
      this.socket.cork(() => void this.#write(first, more))
      waits = this.socket.getBufferedAmount() > 0
    } else waits = this.#write(first, more)
    if (waits) this.#keep(bytesOf(first, more))
  }

  /** @returns whether something waits in the socket now */
  #write(first: string, more: readonly string[] = []): boolean {
    let waits = this.socket.sendText(first) < 0
    for (const text of more) waits = this.socket.sendText(text) < 0 || waits
    return waits
  }

  /** Sends a ping behind all that was to be sent before it. @returns 0 if it could not be */
  ping(payload?: string | Buffer): number {
    this.flush()
    return this.socket.ping(payload)
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
    this.#letGoOfQueue()
  }

  /** From now on what comes is turned away, until the other end has seen that it is being closed. */
  sayFarewell(): void {
    this.isTurningAway = this.ping(farewell) !== 0
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
    this.flush()
    if (this.#queue) this.parts.queues.closing(this.#queue)
    this.#finish()
    if (!this.#isOver) this.#cancelEnd = this.parts.clock.after(closeWithin, () => this.cutOff())
  }

  /** The socket has taken some of what was queued for it. */
  drained(): void {
    if (this.#queue) this.parts.queues.taken(this.#queue)
    this.#letGoOfQueue()
    this.#finish()
  }

  took(): void {
    // The event follows when it has taken all.
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

  /** Somebody else sends on the WebSocket from now on, behind what was sent so far. */
  handOver(): void {
    this.flush()
    this.ended()
  }

  /** The WebSocket has ended. */
  ended(): void {
    this.#isOver = true
    this.isTurningAway = false
    this.#cancelEnd()
    if (this.#queue) this.parts.queues.remove(this.#queue)
  }

  #keep(messageBytes: number): void {
    this.#queue ??= new Queue(this, this.socket)
    this.parts.queues.sent(this.#queue, messageBytes)
  }

  /** Most connections never need one again. */
  #letGoOfQueue(): void {
    if (this.#queue?.isEmpty) this.#queue = undefined
  }

  /** To close before the socket has taken what is queued would throw that away. */
  #finish(): void {
    if (!this.#reason || this.#isOver || this.isTurningAway || this.isAwaited) return
    this.flush()
    if (this.#isOver || this.socket.getBufferedAmount() > 0) return
    this.#isOver = true
    this.socket.close(closeCodeOf(this.#reason), this.#reason.message)
  }
}

/** Bytes that a character of UTF-16 has in UTF-8 at most. */
const mostBytes = 3

const bytesOf = (first = '', more: readonly string[] = []): number =>
  more.reduce((sum, text) => sum + Buffer.byteLength(text), Buffer.byteLength(first))

const tooMuchWaits = 'The server has no memory left for what waits until you have registered.'
