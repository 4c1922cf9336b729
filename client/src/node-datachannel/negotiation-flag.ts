import { OperationsChain } from './operations-chain.ts'

/** Says that a negotiation is needed: in a task of its own, once, and not while one is under way (W3C WebRTC 1.0, 4.7.3). */
export class NegotiationFlag {
  /** What changes the descriptions, one after the other. */
  readonly operations = new OperationsChain(() => {
    if (this.#isCheckDue) this.check()
  })
  #isRaised = false
  #isCheckDue = false

  constructor(
    private readonly isNeeded: () => boolean,
    private readonly tell: () => void,
  ) {}

  /** Something is different: there may be something to negotiate now. */
  check(): void {
    this.#isCheckDue = !this.operations.isIdle
    if (this.#isCheckDue) return
    setTimeout(() => {
      this.#isCheckDue = !this.operations.isIdle
      if (this.#isCheckDue) return
      const wasRaised = this.#isRaised
      this.#isRaised = this.isNeeded()
      if (this.#isRaised && !wasRaised) this.tell()
    })
  }

  /** A negotiation has ended: what is needed from now on is to be said again. */
  lower(): void {
    this.#isRaised = false
    this.check()
  }
}
