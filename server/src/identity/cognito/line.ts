import type { SignalingError } from '@parley/protocol'
import type { Clock } from '../../clock.ts'
import { abortAfter } from '../../resilience/deadline.ts'
import { busy, CallFailure, type Turn, unavailable } from './calls.ts'
import { Pace } from './pace.ts'

/** Those that wait at most. */
const longest = 1_000
/** Late are those who would be so even if Cognito were so many times as fast: when that was seen, and when it is a guess. */
const margins = { seen: 1.2, guessed: 1.5 } as const
/** Nobody is asked to come back later than that. Seconds. */
const longestAway = 60

export interface LineParts {
  /** Milliseconds from the arrival until all must be done. */
  readonly within: number
  /** Calls to Cognito of which each act consists. */
  readonly calls: number
}

/** Somebody who waits for a place. */
interface Waiter {
  /** The uptime at which all must be done. */
  readonly by: number
  enter(): void
  refuse(error: SignalingError): void
}

/**
 * Those who want something of Cognito, first come, first served: as many at once as it takes (`Pace`). One who cannot be
 * served in time is told so as soon as that is certain, and when to come back. Nothing is begun that cannot end in time.
 */
export class Line {
  readonly #pace: Pace
  readonly #waiting = new Set<Waiter>()
  #underWay = 0
  /** The uptime until which those refused were asked to stay away, one after the other. */
  #promised = 0

  constructor(
    private readonly clock: Clock,
    private readonly parts: LineParts,
  ) {
    this.#pace = new Pace(clock, parts.calls)
  }

  /**
   * The outcome of `work`, once it is its turn.
   * @param until when it is aborted, the wait ends
   * @param work it ends at once when the signal of its turn is aborted
   * @throws SignalingError UNAVAILABLE, with the seconds to wait where Cognito is asked too much; or what `work` throws
   */
  act<T>(until: AbortSignal, work: (turn: Turn) => Promise<T>): Promise<T> {
    const by = this.clock.uptime() + this.parts.within
    return abortAfter(this.clock, this.parts.within, until, async signal => {
      await this.#enter(by, signal)
      try {
        const outcome = await work({
          until: signal,
          answered: ms => this.#answered(ms),
          throttled: began => this.#pace.throttled(began),
        })
        this.#pace.done()
        return outcome
      } catch (error) {
        if (!until.aborted && error instanceof CallFailure && error.kind !== 'refused')
          throw this.#failed(error, signal.aborted)
        throw error
      } finally {
        this.#underWay--
        this.#letIn()
      }
    })
  }

  async #enter(by: number, signal: AbortSignal): Promise<void> {
    if (this.#waiting.size === 0 && this.#underWay < this.#pace.places) {
      this.#underWay++
      return
    }
    const late = this.#late(this.#waiting.size + 1, by)
    if (late > 0 || this.#waiting.size >= longest) throw this.#refusal(late)
    await new Promise<void>((resolve, reject) => {
      const giveUp = () => waiter.refuse(unavailable(signal.reason))
      const leave = () => {
        this.#waiting.delete(waiter)
        signal.removeEventListener('abort', giveUp)
      }
      const waiter: Waiter = {
        by,
        enter: () => {
          leave()
          this.#underWay++
          resolve()
        },
        refuse: error => {
          leave()
          reject(error)
        },
      }
      this.#waiting.add(waiter)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** Lets in those for whom there are places, and refuses those who cannot be served in time any more. */
  #letIn(): void {
    let place = 0
    for (const waiter of this.#waiting) {
      const hasPlace = this.#underWay < this.#pace.places
      const late = this.#late(hasPlace ? 0 : ++place, waiter.by)
      if (late > 0) waiter.refuse(this.#refusal(late))
      else if (hasPlace) waiter.enter()
    }
  }

  #answered(ms: number): void {
    this.#pace.answered(ms, this.#underWay >= this.#pace.places)
    this.#letIn()
  }

  /**
   * @param isOutOfTime whether it was begun too late to end in time: not the provider was silent then, but the line too long
   * @returns what the one who failed is told; so are all who wait, if Cognito is down
   */
  #failed(failure: CallFailure, isOutOfTime: boolean): SignalingError {
    const isDown = this.#pace.failed()
    const isBusy = failure.kind === 'throttled' || (isOutOfTime && !isDown)
    const told = () => (isBusy ? busy(failure, this.#comeBack(0)) : unavailable(failure))
    if (isDown) for (const waiter of this.#waiting) waiter.refuse(told())
    return told()
  }

  /** Milliseconds by which somebody in this place of the line would be late, at the best; 0 in time, or while not known. */
  #late(place: number, by: number): number {
    const rate = this.#pace.rate(this.#underWay)
    if (rate === undefined) return 0
    const margin = this.#pace.isSure ? margins.seen : margins.guessed
    return Math.max(0, this.clock.uptime() + place / (margin * rate) + this.#pace.takes - by)
  }

  #refusal(late: number): SignalingError {
    const count = `${this.#underWay} are under way at Cognito, ${this.#waiting.size} wait`
    return busy(new Error(`${count}; ${this.parts.within} ms would not do`), this.#comeBack(late))
  }

  /**
   * Seconds after which the line is so short that one more may wait, besides those who were told so before.
   * @param late milliseconds by which one would be late now
   */
  #comeBack(late: number): number {
    const rate = this.#pace.rate(this.#underWay)
    // Not all at the same time.
    if (rate === undefined) return 2 + Math.floor(9 * Math.random())
    const now = this.clock.uptime()
    this.#promised = Math.min(Math.max(this.#promised, now + late) + 1 / rate, now + 1000 * longestAway)
    return Math.ceil((this.#promised - now) / 1000)
  }
}
