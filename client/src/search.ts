import type { Clock } from './clock.ts'

/** Milliseconds that two peers may take to find a way to each other, at first and after an interruption. */
const findWithin = 30_000

/** The search for a way to another peer, which does not last for ever. */
export class Search {
  #cancel = () => {}
  /** Undefined while nothing is searched for. Milliseconds since the epoch. */
  #giveUpAt: number | undefined

  constructor(private readonly clock: Clock) {}

  /** Calls `help` after `ms` milliseconds, and `giveUp` 30 s after the beginning of the search. */
  go(ms: number, help: () => void, giveUp: () => void): void {
    const { clock } = this
    this.#giveUpAt ??= clock.now() + findWithin
    const giveUpAt = this.#giveUpAt
    this.#cancel()
    this.#cancel = clock.after(ms, () => {
      help()
      this.#cancel = clock.after(giveUpAt - clock.now(), giveUp)
    })
  }

  /** There is a way, or nobody needs one any more. */
  end(): void {
    this.#cancel()
    this.#giveUpAt = undefined
  }
}
