/** What one session keeps at most of what it has sent; and as much again of what it holds for a peer that is away. */
export const replayLimits = { messages: 256, bytes: 256 * 1024 } as const

/** Those of a session that keeps none, as most do: a list for each would weigh on every idle peer. */
const none: string[] = []

/** A place for what sessions keep in the memory budget that the server has for all that waits. */
export interface KeptMemory {
  /** `keeper` keeps so many bytes more, or fewer. May have any keeper forget what it keeps, this one too. */
  kept(keeper: Keeper, bytes: number): void
}

/** Who keeps something for the case that it is needed. */
export interface Keeper {
  readonly bytes: number
  /** Lets go of all that it keeps. */
  forget(): void
}

/**
 * The text frames of a session that the other end may not have, by their numbers, the first of which is 1. Nothing is written
 * into the frames themselves.
 */
export class Replay implements Keeper {
  #frames: string[] = none
  /** Where in `#frames` the first one is that is kept. */
  #head = 0
  /** Its number. */
  #first = 1
  #bytes = 0
  /** How many of them were never sent, the last ones, and their bytes. */
  #held = 0
  #heldBytes = 0
  /** Whether something is lost that the other end cannot have. */
  isBroken = false

  constructor(private readonly memory: KeptMemory) {}

  get bytes(): number {
    return this.#bytes
  }

  /** The number of the last frame. */
  get last(): number {
    return this.#first + this.#frames.length - this.#head - 1
  }

  /** Keeps a frame that was sent. Beyond the limits the oldest are let go of. */
  keep(text: string): void {
    this.#push(text)
    this.#trim(1)
  }

  /**
   * Keeps a frame that cannot be sent now, unless that would be too much. What was sent before does not count: most of it has
   * arrived, and what has not is missed by no more than a `resume` that fails.
   */
  hold(text: string): boolean {
    const bytes = Buffer.byteLength(text)
    const { messages: most, bytes: mostBytes } = replayLimits
    if (this.isBroken || this.#held >= most || this.#heldBytes + bytes > mostBytes) return false
    this.#held++
    this.#heldBytes += bytes
    this.#push(text, bytes)
    return true
  }

  /** What was held has been sent. */
  sent(): void {
    this.#held = this.#heldBytes = 0
    // It may have to be sent once more. But one that comes and goes must not have more and more kept.
    this.#trim(2)
  }

  /** Something cannot be kept that the other end must not miss. */
  giveUp(): void {
    this.isBroken = true
    this.forget()
  }

  /** The other end has the frames up to this number. */
  confirm(number: number): void {
    if (number >= this.#first) this.#drop(Math.min(number, this.last) - this.#first + 1)
  }

  /** The frames behind this number; undefined where they are not all there. */
  after(number: number): readonly string[] | undefined {
    if (this.isBroken || number < this.#first - 1 || number > this.last - this.#held) return undefined
    return this.#frames.slice(this.#head + number + 1 - this.#first)
  }

  /** Lets go of all frames: who has not received them cannot go on. */
  forget(): void {
    if (this.#held > 0) this.isBroken = true
    this.#held = this.#heldBytes = 0
    this.#drop(this.last - this.#first + 1)
  }

  /** Lets go of the oldest, until there are not more than so many times the limits. */
  #trim(times: number): void {
    const { messages, bytes } = replayLimits
    while (this.#frames.length - this.#head > times * messages || this.#bytes > times * bytes) this.#drop(1)
  }

  #push(text: string, bytes = Buffer.byteLength(text)): void {
    if (this.#frames === none) this.#frames = []
    this.#frames.push(text)
    this.#count(bytes)
  }

  #drop(count: number): void {
    if (count === 0) return
    let bytes = 0
    for (let i = this.#head; i < this.#head + count; i++) bytes += Buffer.byteLength(this.#frames[i] ?? '')
    this.#head += count
    this.#first += count
    // To move what is left is work, so that is done now and then.
    if (this.#head === this.#frames.length) {
      this.#frames = none
      this.#head = 0
    } else if (this.#head >= replayLimits.messages) {
      this.#frames.splice(0, this.#head)
      this.#head = 0
    } else this.#frames.fill('', this.#head - count, this.#head)
    this.#count(-bytes)
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    this.memory.kept(this, bytes)
  }
}
