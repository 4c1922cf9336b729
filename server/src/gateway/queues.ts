import { type Cancel, type Clock, nothingPlanned } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { throttle } from '../resilience/throttle.ts'
import type { Keeper, KeptMemory } from '../sessions/replay.ts'
import type { Socket } from './socket.ts'

/** Seconds in which the other end must take some of what waits for it; fewer once its connection is being closed. */
const patience = { open: 10, closing: 5 } as const
/**
 * Bytes of memory that a byte which waits may take: the runtime keeps a queue in a string that doubles when it is full, and
 * what is freed is not used again at once (1.9 were measured).
 */
const memoryPerByte = 2
/** The budget is made free to this part of it at once, so that not every message has to look for who must go. */
const freeTo = 7 / 8
/** Milliseconds between two lines in the log about the budget. */
const linesEvery = 60_000

/** Whose queue it is. */
export interface QueueHolder {
  /** It is being closed already. */
  readonly isClosing: boolean
  /** The socket has taken some of what waits, which no event has told. */
  took(): void
  /** The other end has taken nothing for too long. */
  stalled(): void
  /** Ends the connection and frees its queue, both at once. Nobody else is told in the same step. */
  cutOff(): void
}

/** What waits at one connection. There is one only while something does. */
export class Queue {
  /** Bytes that the socket has not taken yet. */
  outgoing = 0
  /** Bytes that came and were not handled yet. */
  incoming = 0
  /** When something began to wait, and when the socket last took some of it: ticks. */
  since = 0
  takenAt = 0

  constructor(
    readonly holder: QueueHolder,
    readonly socket: Socket,
  ) {}

  get isEmpty(): boolean {
    return this.outgoing + this.incoming === 0
  }
}

export interface QueuesParts {
  /** Bytes of memory that all queues may take together. */
  readonly budget: number
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * What waits at all connections together, because their other ends do not read, or because a service has not answered
 * their `register`. It is bounded by a budget: beyond it those go who weigh most on it, by the size of their queue times
 * the time that it has been there. So a peer that is slow for a moment outlives those that never read, whatever they send
 * each other, and nobody's message is refused because of what waits for somebody else. What sessions keep for the case that
 * a connection breaks counts, too, and goes first.
 */
export class Queues implements KeptMemory {
  readonly #all = new Set<Queue>()
  readonly #keepers = new Set<Keeper>()
  /** The most bytes that may wait. */
  readonly #limit: number
  #bytes = 0
  /** Seconds that were counted while something waited: the clock may be set, and a process may sleep. */
  #tick = 0
  #cancel: Cancel = nothingPlanned
  #isMakingRoom = false
  /** Whether a line about the budget may be logged. */
  readonly #mayLog: () => boolean

  constructor(private readonly parts: QueuesParts) {
    this.#limit = parts.budget / memoryPerByte
    this.#mayLog = throttle(parts.clock, linesEvery)
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  get budget(): number {
    return this.parts.budget
  }

  /** The socket keeps what it could not pass on, the last of it a message of so many bytes (0: not known). */
  sent(queue: Queue, messageBytes: number): void {
    const before = queue.outgoing
    const now = queue.socket.getBufferedAmount()
    // It has less than what was there and what came.
    if (now < before + messageBytes) queue.takenAt = this.#tick
    this.#set(queue, now, queue.incoming)
  }

  /** The socket has passed some of it on. */
  taken(queue: Queue): void {
    queue.takenAt = this.#tick
    this.#set(queue, queue.socket.getBufferedAmount(), queue.incoming)
  }

  /** So many bytes have come that cannot be handled yet. */
  received(queue: Queue, incoming: number): void {
    this.#set(queue, queue.outgoing, incoming)
  }

  /** The connection is being closed, and what waits has a last chance. */
  closing(queue: Queue): void {
    queue.takenAt = this.#tick
  }

  /** The connection is gone, and all that waited at it. */
  remove(queue: Queue): void {
    this.#set(queue, 0, 0)
  }

  kept(keeper: Keeper, bytes: number): void {
    this.#bytes += bytes
    if (keeper.bytes === 0) this.#keepers.delete(keeper)
    // It kept nothing before. Those that were there longest are first.
    else if (keeper.bytes === bytes) this.#keepers.add(keeper)
    if (bytes > 0 && this.#bytes > this.#limit) this.#makeRoom()
  }

  #set(queue: Queue, outgoing: number, incoming: number): void {
    const before = queue.outgoing + queue.incoming
    const now = outgoing + incoming
    queue.outgoing = outgoing
    queue.incoming = incoming
    this.#bytes += now - before
    if (now === 0) {
      this.#all.delete(queue)
      return
    }
    if (before === 0) this.#add(queue)
    if (this.#bytes > this.#limit) this.#makeRoom()
  }

  #add(queue: Queue): void {
    queue.since = queue.takenAt = this.#tick
    this.#all.add(queue)
    if (this.#all.size === 1) this.#plan()
  }

  #plan(): void {
    this.#cancel()
    this.#cancel = this.parts.clock.after(1000, () => {
      this.#tick++
      for (const queue of this.#all) this.#check(queue)
      if (this.#all.size > 0) this.#plan()
    })
  }

  #check(queue: Queue): void {
    if (queue.outgoing === 0) return
    const before = queue.socket.getBufferedAmount()
    // Has the socket try again: by itself it waits until a third of the kernel's buffer is free, which may take a slow
    // reader minutes. (To be called from a timer only: below the handler of another socket, it may lose what that sends.)
    queue.socket.cork(() => {})
    const now = queue.socket.getBufferedAmount()
    if (now < before) queue.takenAt = this.#tick
    this.#set(queue, now, queue.incoming)
    if (now < before) queue.holder.took()
    if (now === 0) return
    const limit = queue.holder.isClosing ? patience.closing : patience.open
    if (this.#tick - queue.takenAt < limit) return
    if (queue.holder.isClosing) {
      queue.holder.cutOff()
      return
    }
    this.parts.metrics.slowConsumers.stalled++
    queue.holder.stalled()
  }

  #makeRoom(): void {
    // Who is cut off gives back what it has, which must not begin this again.
    if (this.#isMakingRoom) return
    this.#isMakingRoom = true
    for (const keeper of this.#keepers) {
      if (this.#bytes <= this.#limit * freeTo) break
      keeper.forget()
    }
    const weight = ({ outgoing, incoming, since }: Queue) => (outgoing + incoming) * (this.#tick - since + 1)
    const heaviest = [...this.#all].sort((a, b) => weight(b) - weight(a))
    for (const queue of heaviest) {
      if (this.#bytes <= this.#limit * freeTo) break
      this.parts.metrics.slowConsumers.budget++
      queue.holder.cutOff()
      this.remove(queue)
    }
    this.#isMakingRoom = false
    this.#warn()
  }

  #warn(): void {
    const { log, budget } = this.parts
    if (this.#mayLog())
      log.warn({ budget, setting: 'PARLEY_QUEUE_MEMORY_BYTES' }, 'too much waits for peers that do not read')
  }
}
