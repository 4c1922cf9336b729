import type { Clock } from './clock.ts'
import type { ParleyError } from './errors.ts'

/** Milliseconds that two peers may take to find a way to each other, at first and after an interruption. */
const findWithin = 30_000

/** The search for a way to another peer, which does not last for ever. */
export class Search {
  #cancel = () => {}
  /** Undefined while nothing is searched for. Milliseconds since the epoch. */
  #giveUpAt: number | undefined

  /**
   * @param help is called when a way is not found by itself
   * @param giveUp is called when there is none in the end
   */
  constructor(
    private readonly clock: Clock,
    private readonly help: () => void,
    private readonly giveUp: (error: ParleyError) => void,
  ) {}

  /** Begins it, unless it goes on already. Helps after `ms` milliseconds, and gives up after 30 s, with that error. */
  begin(ms: number, error: () => ParleyError): void {
    const { clock } = this
    this.#giveUpAt ??= clock.now() + findWithin
    const giveUpAt = this.#giveUpAt
    this.#cancel()
    this.#cancel = clock.after(ms, () => {
      this.help()
      this.#cancel = clock.after(giveUpAt - clock.now(), () => this.giveUp(error()))
    })
  }

  /** There is a way, or nobody needs one any more. */
  end(): void {
    this.#cancel()
    this.#giveUpAt = undefined
  }
}
