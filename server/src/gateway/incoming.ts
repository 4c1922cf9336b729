import type { Clock } from '../clock.ts'
import { type Frame, WaitingFrames } from '../sessions/frames.ts'
import { isLarge } from '../sessions/large-frames.ts'
import { sliceUnits, type TimeSlices } from '../time-slices.ts'
import { type Payer, type WorkBudget, workOfFlood, workOfJson } from '../work-budget.ts'
import type { Outgoing } from './outgoing.ts'
import type { ReceiveBuffers, SocketAddress } from './receive-buffers.ts'

/** Units of work that it takes to say no. */
const unitsOfRefusal = 2

/** So many frames within so many milliseconds come faster than they can be handled. */
const flood = { frames: 64, within: 5 }

/** Bytes from a peer after which more of it is read at once. */
const isMuch = 16 * 1024

/** The connection that it belongs to. */
interface Owner {
  readonly open: boolean
  /** Undefined before it has registered. */
  readonly session: object | undefined
  readonly payer: Payer
  readonly socketAddress: SocketAddress
  handle(frame: Frame): void
  /** More waits than may. */
  overflowed(): void
}

interface Parts {
  readonly clock: Clock
  readonly buffers: Pick<ReceiveBuffers, 'resize'>
  readonly budget: WorkBudget
  readonly slices: TimeSlices
  readonly limits: { readonly waitingBytes: number; readonly messageBytes: number }
}

/**
 * What comes from a connection, in its order. It waits while a request of it is not done, such as a `register` or a broadcast to
 * many. It also waits when the connection has caused a slice of work, until others have had their turn. Relayed
 * messages are no such work: they cost the same for everybody.
 */
export class Incoming {
  #isBusy = false
  #waiting: WaitingFrames | undefined
  /** Units of work since others had their turn. */
  #units = 0

  #frames = 0
  #bytes = 0
  /** When the last `flood.frames` began. */
  #since = Number.NEGATIVE_INFINITY
  #sendsMuch = false
  #floods = false

  constructor(
    private readonly owner: Owner,
    private readonly outgoing: Outgoing,
    private readonly parts: Parts,
  ) {}

  receive(frame: Frame): void {
    if (!this.#isBusy && this.parts.slices.isBusy && this.#isWork(frame)) this.#giveWay()
    if (this.#isBusy) this.#wait(frame)
    else this.#handle(frame)
    this.#count(frame.length)
  }

  /** A ping has come. One that goes on flooding with them is closed, as nothing makes it wait. */
  pinged(): void {
    if (!this.#isFast()) return
    if (this.#floods) this.owner.overflowed()
    else this.#flood()
  }

  #count(bytes: number): void {
    if (this.#floods) return
    this.#bytes += bytes
    if (!this.#sendsMuch && this.#bytes > isMuch && this.owner.session) {
      this.#sendsMuch = true
      this.parts.buffers.resize(this.owner.socketAddress, 'much')
    }
    if (this.#isFast()) this.#flood()
  }

  /** Counts a frame. @returns whether it and those before came faster than they can be handled */
  #isFast(): boolean {
    if (++this.#frames % flood.frames !== 0) return false
    const before = this.#since
    this.#since = this.parts.clock.uptime()
    return this.#since - before < flood.within
  }

  #flood(): void {
    this.#floods = true
    this.parts.buffers.resize(this.owner.socketAddress, 'little')
    this.parts.budget.charge(this.owner.payer, workOfFlood)
    // What has come already waits for its turn, as does what comes from its neighbours while there is much to do.
    this.#giveWay()
  }

  /** Has what comes wait, until `resume` is called. */
  pause(): void {
    this.#isBusy = true
  }

  /** Handles what waits, in order, until that has to be paused again, or others have their turn. */
  resume(): void {
    this.#isBusy = false
    for (let frames = 0; this.owner.open && !this.#isBusy; frames++) {
      if (frames === sliceUnits) this.#giveWay()
      else {
        const frame = this.#waiting?.take()
        if (frame === undefined) break
        this.#handle(frame)
      }
    }
    this.outgoing.hold(this.#waiting?.bytes ?? 0)
    if (this.#waiting?.bytes === 0) this.#waiting = undefined
  }

  /** A message was refused. That is charged to nobody, but others have their turn sooner. */
  refused(): void {
    this.#units += unitsOfRefusal
  }

  /** Lets nothing wait any more. @returns what did */
  giveUp(): Iterable<Frame> {
    const rest = this.#waiting?.rest() ?? []
    this.#waiting = undefined
    this.outgoing.hold(0)
    return rest
  }

  /** Whether, by all that is known before it is read, it is work that has to wait for its turn. */
  #isWork(frame: Frame): boolean {
    return !this.owner.session || isLarge(frame) || this.parts.budget.isHeavy(this.owner.payer)
  }

  #handle(frame: Frame): void {
    const { budget } = this.parts
    const before = budget.total
    // Before the `register` nobody is charged.
    if (!this.owner.session) this.#units += workOfJson(frame.length)
    this.owner.handle(frame)
    this.#units += budget.total - before
    if (this.#units >= sliceUnits) this.#giveWay()
  }

  #giveWay(): void {
    this.#units = 0
    if (this.#isBusy) return
    this.#isBusy = true
    this.parts.slices.add(() => {
      this.resume()
      return { units: sliceUnits, isDone: true }
    })
  }

  #wait(frame: Frame): void {
    this.#waiting ??= new WaitingFrames()
    const bytes = this.#waiting.add(frame)
    this.outgoing.hold(bytes)
    const { waitingBytes, messageBytes } = this.parts.limits
    if (bytes > waitingBytes + (this.owner.session ? messageBytes : 0)) this.owner.overflowed()
  }
}
