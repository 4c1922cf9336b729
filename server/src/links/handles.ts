/**
 * Gives out the handles of one link, on the side that has called. 0 is never given: it stands for the link itself. A handle
 * that was given back is not given again before 2^31 others, so that a frame that is late finds nobody.
 */
export class Handles {
  readonly #taken = new Set<number>()
  #last: number

  /**
   * @param last the one before the first, for tests
   * @param greatest of an unsigned number of 32 bits, unless a test has less time
   */
  constructor(
    last = 0,
    private readonly greatest = 2 ** 32 - 1,
  ) {
    this.#last = last
  }

  /** How many are in use. Memory runs out long before numbers do. */
  get size(): number {
    return this.#taken.size
  }

  take(): number {
    do this.#last = this.#last === this.greatest ? 1 : this.#last + 1
    while (this.#taken.has(this.#last))
    this.#taken.add(this.#last)
    return this.#last
  }

  /** To be called once nothing more is sent under it. Giving back what was not taken does nothing. */
  giveBack(handle: number): void {
    this.#taken.delete(handle)
  }
}
