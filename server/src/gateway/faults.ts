/** Counts the faulty messages of one connection, minute by minute. */
export class Faults {
  #minute = 0
  #count = 0

  /** Faults in this minute, this one included. @param now milliseconds */
  add(now: number): number {
    const minute = Math.floor(now / 60_000)
    if (minute !== this.#minute) this.#count = 0
    this.#minute = minute
    return ++this.#count
  }
}
