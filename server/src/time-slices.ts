import { type Cancel, type Clock, nothingPlanned } from './clock.ts'

/** Does a piece of a longer work. @returns the units of work that it took, see `WorkBudget` */
export type Job = () => { readonly units: number; readonly isDone: boolean }

/** Units of work in one slice: some 0.25 ms. */
export const sliceUnits = 50

/** Slices in a row for what has begun, while something has not. */
const mostInRow = 3

/**
 * Does long work in slices, so that relayed messages never wait for more than one of them. All that is long on this node
 * shares the slices in turns, and each turn of the event loop has one.
 */
export class TimeSlices {
  readonly #jobs: Job[] = []
  /** What goes before them, though not for ever. */
  readonly #begun: Job[] = []
  /** How many of those were done in a row. */
  #inRow = 0
  #cancel: Cancel = nothingPlanned
  #isPlanned = false

  constructor(private readonly clock: Clock) {}

  /** Whether there is work that is not done. */
  get isBusy(): boolean {
    return this.#isPlanned
  }

  /** Has `job` done piece by piece, until it says that it is. It must not throw. */
  add(job: Job): void {
    this.#jobs.push(job)
    this.#plan()
  }

  /**
   * Visits items, in slices if they are many, until `visit` returns true.
   * @param unitsOf units of work that a visit takes
   * @returns the units of all visits
   */
  each<T>(items: readonly T[], unitsOf: (item: T) => number, visit: (item: T) => boolean): Promise<number> {
    let next = 0
    let total = 0
    return new Promise((resolve, reject) => {
      const piece = () => {
        let units = 0
        let isDone = next === items.length
        try {
          while (!isDone && units < sliceUnits) {
            const item = items[next++] as T
            units += unitsOf(item)
            isDone = visit(item) || next === items.length
          }
        } catch (error) {
          isDone = true
          reject(error)
        }
        total += units
        if (isDone) resolve(total)
        return { units, isDone }
      }
      if (!piece().isDone) this.add(piece)
    })
  }

  /** Resolves when it is the turn of who asks, which may then do so many `units` of work: a slice if nothing else is said. */
  turn(units = sliceUnits): Promise<void> {
    return this.#turn(this.#jobs, units)
  }

  /**
   * The same, before what has not begun: of ten thousand requests that come at once, each is then done soon after it is begun,
   * and what it needs meanwhile is not kept ten thousand times. One slice in four is for what has not begun in any case.
   */
  nextTurn(): Promise<void> {
    return this.#turn(this.#begun, sliceUnits)
  }

  /** Forgets what is not done. */
  close(): void {
    this.#cancel()
    this.#jobs.length = this.#begun.length = 0
  }

  #turn(queue: Job[], units: number): Promise<void> {
    return new Promise(resolve => {
      queue.push(() => {
        resolve()
        return { units, isDone: true }
      })
      this.#plan()
    })
  }

  #plan(): void {
    if (this.#isPlanned || this.#jobs.length + this.#begun.length === 0) return
    this.#isPlanned = true
    this.#cancel = this.clock.after(0, () => {
      this.#isPlanned = false
      this.#run()
      this.#plan()
    })
  }

  #next(): Job | undefined {
    if (this.#inRow < mostInRow || this.#jobs.length === 0) {
      const begun = this.#begun.shift()
      if (begun) {
        this.#inRow++
        return begun
      }
    }
    this.#inRow = 0
    return this.#jobs.shift()
  }

  #run(): void {
    let left = sliceUnits
    while (left > 0) {
      const job = this.#next()
      if (!job) return
      const { units, isDone } = job()
      left -= units
      if (!isDone) this.#jobs.push(job)
    }
  }
}
