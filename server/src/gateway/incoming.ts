import { sliceUnits, type TimeSlices } from '../time-slices.ts'
import type { WorkBudget } from '../work-budget.ts'
import { type Frame, WaitingFrames } from './frames.ts'
import type { Outgoing } from './outgoing.ts'

/** Units of work that it takes to say no. */
const unitsOfRefusal = 2

/** The connection that it belongs to. */
interface Owner {
  readonly open: boolean
  readonly peer: object | undefined
  handle(frame: Frame): void
  /** More waits than may. */
  flooded(): void
}

interface Parts {
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

  constructor(
    private readonly owner: Owner,
    private readonly outgoing: Outgoing,
    private readonly parts: Parts,
  ) {}

  receive(frame: Frame): void {
    if (this.#isBusy) this.#wait(frame)
    else this.#handle(frame)
  }

  /** Has what comes wait, until `resume` is called. */
  pause(): void {
    this.#isBusy = true
  }

  /** Handles what waits, in order, until that has to be paused again. */
  resume(): void {
    this.#isBusy = false
    while (this.owner.open && !this.#isBusy) {
      const frame = this.#waiting?.take()
      if (frame === undefined) break
      this.#handle(frame)
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

  #handle(frame: Frame): void {
    const { budget } = this.parts
    const before = budget.total
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
    if (bytes > waitingBytes + (this.owner.peer ? messageBytes : 0)) this.owner.flooded()
  }
}
