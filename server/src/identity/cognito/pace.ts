import type { Clock } from '../../clock.ts'

/** Places at first. */
const first = 32
/** Places at most. */
export const mostPlaces = 128
/** Where nothing has succeeded for so long and something fails, Cognito counts as down. Milliseconds; below that of a call. */
const quiet = 3_500
/** What was measured counts for so long. Milliseconds. */
const measureLasts = 10_000
/** By so many acts at least it is seen how fast they are done, and by so many at most: those done last. */
const measured = [8, 64] as const

/**
 * How many acts may be under way at Cognito at once, and how fast they are done. Cognito does not tell its quota, so the
 * places follow TCP (RFC 5681): each call that is answered while all places are taken makes one more, up to where Cognito has
 * throttled, and beyond that one more for as many calls as there are places. When it throttles, half of them are left. When it
 * is down, one is left, until one act is done.
 */
export class Pace {
  #places = first
  /** Up to here the places grow by one with each answer. */
  #threshold = Number.POSITIVE_INFINITY
  /** The places when Cognito throttled last. */
  #peak = mostPlaces
  #halvedAt = Number.NEGATIVE_INFINITY
  /** Milliseconds that a call takes, tries and pauses included; smoothed (RFC 6298). */
  #took = 0
  #answeredAt = Number.NEGATIVE_INFINITY
  #isDown = false
  /** When acts were done. */
  readonly #done: number[] = []

  /** @param calls of one act */
  constructor(
    private readonly clock: Clock,
    private readonly calls: number,
  ) {}

  get places(): number {
    return Math.floor(this.#places)
  }

  /** Milliseconds that one act takes; 0 while that is not known. */
  get takes(): number {
    return this.#isMeasured ? this.calls * this.#took : 0
  }

  get #isMeasured(): boolean {
    return this.clock.uptime() - this.#answeredAt < measureLasts
  }

  /** @param isCrowded whether all places are taken: if not, nothing has shown that more would do */
  answered(ms: number, isCrowded: boolean): void {
    this.#took = this.#isMeasured ? this.#took + (ms - this.#took) / 8 : ms
    this.#answeredAt = this.clock.uptime()
    if (!isCrowded || this.#isDown) return
    this.#places = Math.min(mostPlaces, this.#places + (this.#places < this.#threshold ? 1 : 1 / this.#places))
  }

  /** @param began the uptime of the try that was throttled. Those from before the places were halved say nothing new */
  throttled(began: number): void {
    if (began <= this.#halvedAt) return
    this.#halvedAt = this.clock.uptime()
    this.#peak = this.#places
    this.#places = Math.max(1, this.#places / 2)
    this.#threshold = this.#places
  }

  done(): void {
    this.#isDown = false
    this.#done.push(this.clock.uptime())
    if (this.#done.length > measured[1]) this.#done.shift()
  }

  /** An act has failed, as Cognito was silent or throttled it for as long as one may wait. @returns whether it is down */
  failed(): boolean {
    this.#isDown = this.clock.uptime() - (this.#done.at(-1) ?? Number.NEGATIVE_INFINITY) >= quiet
    if (this.#isDown) this.#places = 1
    return this.#isDown
  }

  /**
   * Acts that are done in a millisecond; undefined while that is not known. As long as few were done, rather too many than too
   * few: as many as with all the places that there were last, or may be.
   * @param underWay how many are
   */
  rate(underWay: number): number | undefined {
    if (this.takes === 0) return
    const [since = 0] = this.#done
    const passed = this.clock.uptime() - since
    const seen = this.#done.length >= measured[0] && passed > 0 ? this.#done.length / passed : 0
    return this.isSure ? seen : Math.max(seen, Math.max(this.#peak, underWay) / this.takes)
  }

  /** Whether `rate` is what was seen of late, when it was the quota that allowed no more. */
  get isSure(): boolean {
    const before = this.clock.uptime() - measureLasts
    const [since = before] = this.#done
    return this.#done.length === measured[1] && since > before && this.#halvedAt > before
  }
}
