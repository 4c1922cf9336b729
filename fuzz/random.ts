/** A seeded source of choices (sfc32): the same seed and stream make the same choices on every machine. */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** @param stream which of the seed's independent sequences: one for each case, so that each can be made alone */
  constructor(seed: number, stream: number) {
    this.#a = seed | 0
    this.#b = stream | 0
    this.#c = Math.floor(stream / 2 ** 32) ^ 0x9e3779b9
    for (let n = 0; n < 12; n++) this.#next()
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return sum >>> 0
  }

  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number {
    return this.#next() % bound
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.#next() % times === 0
  }

  /** One of `list`, which must not be empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.#next() % list.length] as T
  }
}
