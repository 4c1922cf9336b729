import { type Cancel, type Clock, nothingPlanned } from '../clock.ts'

/** Items that each have the same time, from when they were added: one timer for all of them, as there may be ten thousand. */
export class Deadlines<T> {
  /** When the time of each is over, an uptime. Those that were added first are first. */
  readonly #ends = new Map<T, number>()
  #cancel: Cancel = nothingPlanned

  /**
   * @param within milliseconds
   * @param end is called with each item whose time is over, unless it was removed before
   */
  constructor(
    private readonly clock: Clock,
    private readonly within: number,
    private readonly end: (item: T) => void,
  ) {}

  add(item: T): void {
    this.#ends.set(item, this.clock.uptime() + this.within)
    if (this.#ends.size === 1) this.#plan(this.within)
  }

  remove(item: T): void {
    if (this.#ends.delete(item) && this.#ends.size === 0) this.#cancel()
  }

  #plan(ms: number): void {
    this.#cancel()
    this.#cancel = this.clock.after(ms, () => this.#look())
  }

  #look(): void {
    const now = this.clock.uptime()
    for (const [item, end] of this.#ends) {
      if (end > now) {
        this.#plan(end - now)
        return
      }
      this.#ends.delete(item)
      this.end(item)
    }
  }
}
