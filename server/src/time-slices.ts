import { type Cancel, type Clock, nothingPlanned } from './clock.ts'

/** Does a piece of a longer work. @returns the units of work that it took, see `WorkBudget` */
export type Job = () => { readonly units: number; readonly isDone: boolean }

/** Units of work in one slice: some 0.5 ms. */
export const sliceUnits = 100

/**
 * Does long work in slices, so that relayed messages never wait for more than one of them. All that is long on this node
 * shares the slices in turns, and each turn of the event loop has one.
 */
export class TimeSlices {
  readonly #jobs: Job[] = []
  #cancel: Cancel = nothingPlanned
  #isPlanned = false

  constructor(private readonly clock: Clock) {}

  /** Has `job` done piece by piece, until it says that it is. It must not throw. */
  add(job: Job): void {
    this.#jobs.push(job)
    this.#plan()
  }

  /** Forgets what is not done. */
  close(): void {
    this.#cancel()
    this.#jobs.length = 0
  }

  #plan(): void {
    if (this.#isPlanned || this.#jobs.length === 0) return
    this.#isPlanned = true
    this.#cancel = this.clock.after(0, () => {
      this.#isPlanned = false
      this.#run()
      this.#plan()
    })
  }

  #run(): void {
    let left = sliceUnits
    while (left > 0) {
      const job = this.#jobs.shift()
      if (!job) return
      const { units, isDone } = job()
      left -= units
      if (!isDone) this.#jobs.push(job)
    }
  }
}
