/** After so many text frames, or so many characters of them, the next ping does not wait for silence: half of what a session keeps. */
const pingAfter = { frames: 128, characters: 128 * 1024 } as const

const none: readonly number[] = []

/** Pings that may have no answer yet, beside those of the heartbeat. */
const mostUnanswered = 8

/**
 * What the other end is likely to have, by its pongs. A pong confirms what was written before the previous ping: a browser answers
 * a ping while the page itself is blocked, and hands it the frames before it later.
 */
export class NumberedPings {
  /** Text frames written. */
  written = 0
  #writtenAtPing = 0
  #characters = 0
  /** For each ping that has no answer, in order, what was written before. Of most connections there is none. */
  #unanswered: readonly number[] = none
  /** The number of the first of them. */
  #first = 0
  /** What was written before the last ping that was answered. */
  #answered = 0
  #isStopped = false

  /** Counts a text frame. @returns whether it is time for a ping */
  wrote(characters: number): boolean {
    this.written++
    this.#characters += characters
    const isMuch = this.written - this.#writtenAtPing >= pingAfter.frames || this.#characters >= pingAfter.characters
    return isMuch && !this.#isStopped && this.#unanswered.length < mostUnanswered
  }

  /** From now on no pong says anything. */
  stop(): void {
    this.#unanswered = none
    this.#isStopped = true
  }

  /** The payload of the next ping. */
  next(): string {
    if (this.#isStopped) return ''
    this.#writtenAtPing = this.written
    this.#characters = 0
    this.#unanswered = [...this.#unanswered, this.written]
    return String(this.#first + this.#unanswered.length - 1)
  }

  /** What a pong says: the other end is likely to have so many of the frames written. One that answers no ping says nothing new. */
  confirmed(payload: Buffer): number {
    const text = payload.toString()
    const index = this.#unanswered.findIndex((_, i) => String(this.#first + i) === text)
    if (index < 0) return 0
    const confirmed = this.#unanswered[index - 1] ?? this.#answered
    this.#answered = this.#unanswered[index] ?? 0
    this.#unanswered = index + 1 < this.#unanswered.length ? this.#unanswered.slice(index + 1) : none
    this.#first += index + 1
    return confirmed
  }
}
