/** Runs operations one after the other, in the order in which they were asked for (W3C WebRTC 1.0, "chain"). */
export class OperationsChain {
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** `onIdle` is called each time that the last operation has ended. */
  constructor(private readonly onIdle: () => void) {}

  get isIdle(): boolean {
    return this.#waiting === 0
  }

  /** Resolves with what `operation` returns, or rejects with what it throws. The next one runs after that. */
  run<Result>(operation: () => Result): Promise<Result> {
    this.#waiting++
    const result = this.#last.then(operation)
    const end = () => {
      this.#waiting--
      if (this.isIdle) this.onIdle()
    }
    this.#last = result.then(end, end)
    return result
  }
}
