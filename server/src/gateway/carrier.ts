import { type Cancel, type Clock, nothingPlanned } from '../clock.ts'
import type { Frame } from '../sessions/frames.ts'
import { type Closing, crossing, frameBytes, type Way } from './crossing-frames.ts'
import { Pieces } from './link-way.ts'
import { closeWithin } from './outgoing.ts'
import { Queue, type QueueHolder, type Queues } from './queues.ts'
import type { Socket, SocketListener } from './socket.ts'

/** Milliseconds before what was given back is handled: nodes that take each other for the owner do not throw it to and fro. */
const againAfter = 100

/** Bytes after which the owner is told that the socket has taken them. */
const tellAfter = 16 * 1024

export interface CarrierParts {
  readonly clock: Clock
  readonly queues: Queues
  /** The WebSocket has ended. */
  ended(): void
  /** The owner does not serve the room: this node handles these frames, and what comes from now on. */
  returned(frames: readonly Frame[]): void
}

/** Carries what comes from a WebSocket of this node to the node that has its peer's room, and back. It reads nothing of it. */
export class Carrier implements SocketListener, QueueHolder {
  /** What comes from the owner in pieces. */
  readonly pieces = new Pieces()
  /** Bytes that came for the socket, and those of them that the owner was told it has taken. */
  #sent = 0
  #told = 0
  #queue: Queue | undefined
  #closing: Closing | undefined
  /** What the owner gives back, and what came since; undefined while all goes to the owner. */
  #returning: { readonly back: Frame[]; readonly since: Frame[] } | undefined
  /** The owner has given all back, which is about to be handled here. */
  #isReturned = false
  /** Nothing goes to the owner any more: it would miss something in between. */
  #isLost = false
  #isOver = false
  #cancelEnd: Cancel = nothingPlanned

  readonly outgoing = {
    drained: () => {
      if (this.#queue) {
        this.parts.queues.taken(this.#queue)
        if (this.#queue.isEmpty) this.#queue = undefined
      }
      this.took()
    },
  }

  constructor(
    private readonly socket: Socket,
    private readonly way: Way,
    private readonly parts: CarrierParts,
  ) {}

  get isClosing(): boolean {
    return this.#closing !== undefined
  }

  receive(frame: Frame): void {
    if (this.#returning) this.#returning.since.push(frame)
    else this.#forward(typeof frame === 'string' ? crossing.text : crossing.binary, frame)
  }

  alive(): void {
    this.#forward(crossing.ping, Buffer.of())
  }

  ponged(payload: Buffer): void {
    this.#forward(crossing.pong, payload)
  }

  closed(code: number): void {
    if (this.#isOver) return
    this.#end()
    this.#say(crossing.close, { code: code < 1000 || code > 4999 ? 1006 : code } satisfies Closing)
    this.parts.ended()
  }

  /** The owner sends a text frame. */
  text(text: string): void {
    if (this.#isOver) return
    const bytes = frameBytes(text)
    this.#sent += bytes
    const outcome = this.socket.sendText(text)
    // The runtime has thrown it away: what comes next must not arrive without it.
    if (outcome === 0) this.terminate()
    if (outcome < 0) {
      this.#queue ??= new Queue(this, this.socket)
      this.parts.queues.sent(this.#queue, bytes)
    }
    this.#tellTaken(tellAfter)
  }

  ping(payload: Buffer): void {
    if (!this.#isOver) this.socket.ping(payload)
  }

  /** The owner has ended the connection, or gives it back. */
  close(closing: Closing): void {
    if (this.#isOver || this.#closing || this.#isReturned) return
    const returned = this.#returning
    if (returned) {
      this.#isReturned = true
      this.#cancelEnd = this.parts.clock.after(againAfter, () => {
        this.#end()
        this.parts.returned([...returned.back, ...returned.since])
      })
      return
    }
    this.#closing = closing
    if (this.#queue) this.parts.queues.closing(this.#queue)
    this.#cancelEnd = this.parts.clock.after(closeWithin, () => this.cutOff())
    this.#finish()
  }

  /** The owner does not serve the room of this frame; what it still gets it gives back, too. */
  elsewhere(frame: Frame): void {
    if (!this.#returning) {
      this.#returning = { back: [], since: [] }
      // The last of it that the owner gets.
      this.#say(crossing.close, { code: 1000 } satisfies Closing)
    }
    this.#returning.back.push(frame)
  }

  /** The way to the owner is broken. */
  lost(): void {
    if (this.#isReturned) return
    this.#isLost = true
    // Not all may have come back that the owner was to give back.
    this.#returning = undefined
    this.close({ code: 1012, reason: 'The node that serves the room cannot be reached; come back.' })
  }

  terminate(): void {
    if (!this.#isOver) this.socket.terminate()
  }

  /** Has the owner say goodbye, as this node is about to stop. */
  stop(retryAfter: number): void {
    this.#say(crossing.stop, { retry_after: retryAfter })
  }

  askToMove(message: object): void {
    this.#say(crossing.move, message)
  }

  stalled(): void {
    // The owner counts as well, and knows whether the peer may come back.
  }

  cutOff(): void {
    this.terminate()
  }

  /** The socket has taken some of what waits: the owner has to hear of little, too, lest it take the peer for one that reads nothing. */
  took(): void {
    this.#tellTaken(1)
    this.#finish()
  }

  /** What comes from the other end. Where the way is too full for it, this socket ends, and not the way of all. */
  #forward(type: number, body: Frame): void {
    if (this.#isLost || this.way.send(type, body, 'relay')) return
    this.#say(crossing.close, { code: 1006 } satisfies Closing)
    this.lost()
  }

  #say(type: number, what: object): void {
    if (!this.#isLost) this.way.send(type, JSON.stringify(what), 'answer')
  }

  #tellTaken(atLeast: number): void {
    const taken = this.#sent - Math.min(this.#sent, this.socket.getBufferedAmount())
    if (taken - this.#told < atLeast || this.#isLost) return
    this.#told = taken
    this.way.send(crossing.taken, String(taken), 'answer')
  }

  /** To close before the socket has taken what is queued would throw that away. */
  #finish(): void {
    if (this.#closing && !this.#isOver && this.socket.getBufferedAmount() === 0)
      this.socket.close(this.#closing.code, this.#closing.reason)
  }

  #end(): void {
    this.#isOver = true
    this.#cancelEnd()
    if (this.#queue) this.parts.queues.remove(this.#queue)
  }
}
