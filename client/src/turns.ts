/** What the two sides say to each other about turns: "let me offer" and "go ahead". */
export type TurnWord = 'turn' | 'go'

export interface TurnsParts {
  /** Whether this side made the first offer. */
  readonly leads: boolean
  /** Whether the other side takes turns; one without this library does not. */
  othersTake(): boolean
  /** Whether no offer is being made or answered. */
  isIdle(): boolean
  offer(): void
  say(word: TurnWord): void
}

/**
 * Who may offer now. The side that made the first offer leads: it offers when it likes, the other side asks before. So
 * offers do not cross once the first one has been answered. If they did, one of them would have to be rolled back, and
 * Chromium does not forget the header extensions of an offer that was: it refuses the other side's offer if that has
 * other numbers for them, and everything after that
 * ([decision 0021](../../docs/decisions/0021-offers-take-turns.md)).
 */
export class Turns {
  /** Whether this side has something to offer. */
  #isNeeded = false
  /** Whether the side that does not lead has asked, and was not told to go ahead yet. */
  #isAsked = false
  /** Whether it was, and its offer is not here yet. Only the side that leads knows that. */
  #isTheirs = false
  #isStopped = false

  constructor(private readonly parts: TurnsParts) {}

  /** Whether this side waits for the other to offer, or to be told to go ahead. */
  get isWaiting(): boolean {
    return this.#isTheirs || (this.#isAsked && !this.parts.leads)
  }

  /** This side has something to offer. */
  need(): void {
    this.#isNeeded = true
    this.look()
  }

  hear(word: TurnWord): void {
    this.#isAsked = word === 'turn'
    if (word === 'turn') this.look()
    // What was to be offered may have been settled meanwhile; the turn is given back by an offer all the same.
    else if (this.parts.isIdle()) this.#offer()
  }

  /** An offer of the other side is here. */
  taken(): void {
    this.#isTheirs = false
  }

  /** The other side does nothing of what this one waits for. Returns whether this side has waited for its turn. */
  takeBack(): boolean {
    const hasWaited = this.isWaiting && !this.parts.leads
    this.#isTheirs = false
    if (hasWaited) {
      // It is not asked again and again; it may still say something.
      this.#isAsked = false
      this.stop()
    } else this.look()
    return hasWaited
  }

  /** There is no sense in further offers of this side. */
  stop(): void {
    this.#isStopped = true
  }

  /** There is. */
  resume(): void {
    this.#isStopped = false
    this.look()
  }

  /** Acts on how things are now. */
  look(): void {
    const { leads, othersTake, isIdle, say } = this.parts
    if (!isIdle() || this.#isTheirs) return
    if (this.#isNeeded && !this.#isStopped) {
      if (leads || !othersTake()) this.#offer()
      else if (!this.#isAsked) {
        this.#isAsked = true
        say('turn')
      }
    } else if (leads && this.#isAsked) {
      this.#isAsked = false
      this.#isTheirs = true
      say('go')
    }
  }

  #offer(): void {
    this.#isNeeded = false
    this.parts.offer()
  }
}
