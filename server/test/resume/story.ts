import { replayLimits } from '../../src/sessions/replay.ts'

/** A message of either side. */
export interface Message {
  readonly type: string
  readonly [key: string]: unknown
}

/** A message that a peer got. Events have numbers, in the order in which this process saw them. */
export interface Heard {
  readonly at: number
  readonly message: Message
  readonly text: string
}

/** A frame of a peer, which it may have to send more than once. */
export interface Request {
  readonly n: number
  /** Whose frame it is. */
  session: Session
  readonly message: Message
  readonly text: string
  /** When the peer first wanted to send it. */
  readonly at: number
  readonly answers: Heard[]
  /** What begins with it, if it is a `register`. */
  readonly opens: Session | undefined
}

/** From `register` on, over all connections. */
export class Session {
  /** What came on it, but for `registered_auth`. */
  readonly heard: Heard[] = []
  /** Its own frames behind `register`, by their numbers less one. */
  sent: Request[] = []
  /** The answer to its `register`. */
  auth: Heard | undefined
  /** From the first one to the last. */
  readonly tokens: string[] = []
  /** The first of its tokens that may still be good. */
  firstGood = 0
  /** From when on it may be over: something has happened that ends it, or may have. */
  overAt = Infinity
  /** Whether the server has said so. */
  isEnded = false
  /** The uptime since which the server may think that the peer is away. */
  brokenSince: number | undefined

  constructor(
    readonly number: number,
    readonly name: string,
    readonly room: number,
    readonly isPlain: boolean,
    /** Those that it registered with. */
    readonly channels: readonly string[],
  ) {}

  /** Frames that came behind `registered_auth`. */
  get received(): number {
    return this.heard.length
  }

  toString(): string {
    return `session ${this.number} of ${this.name}`
  }
}

/** How long nothing may happen that is waited for. Milliseconds; not the server's clock, which stands still. */
const patience = 10_000

/** All that happened. */
export class Story {
  now = 0
  readonly log: string[] = []
  readonly sessions: Session[] = []
  readonly requests: Request[] = []
  /** What was seen to be wrong as it happened. */
  readonly faults: string[] = []
  /** When all was quiet: what had been sent before was done. */
  quietAt = Infinity
  /** When the server was told to stop. */
  stoppedAt = Infinity
  /** When the links between the nodes were last cut. */
  cutAt = Infinity
  /** When each room that was deleted was so. */
  readonly deletedAt = new Map<number, number>()
  #awaited = Promise.withResolvers<void>()

  note(who: unknown, what: string): number {
    this.log.push(`${++this.now} ${who} ${what}`)
    this.#awaited.resolve()
    return this.now
  }

  fault(sentence: string): void {
    this.faults.push(sentence)
    this.note('', `!! ${sentence}`)
  }

  /** Resolves when that is so, which can only be by something that happens. */
  async until(holds: () => boolean, what: () => string): Promise<void> {
    const late = Promise.withResolvers<never>()
    const deadline = setTimeout(() => late.reject(new Error(`waited in vain: ${what()}`)), patience)
    try {
      while (!holds()) {
        this.#awaited = Promise.withResolvers()
        await Promise.race([this.#awaited.promise, late.promise])
      }
    } finally {
      clearTimeout(deadline)
    }
  }

  /** The session may be over from now on. */
  mayBeOver(session: Session): void {
    session.overAt = Math.min(session.overAt, this.now)
  }

  /**
   * Whether there may have been more frames for the session than the server has to keep. The peers of this story know of one
   * another, so comings and goings are counted generously.
   */
  mayHaveTooMuch(session: Session): boolean {
    let frames = 4 * this.sessions.length
    for (const { session: from, message } of this.requests) {
      const { type, target, to_peer_id } = message
      if (from.name === session.name) frames++
      if (target === session.name || to_peer_id === session.name) frames++
      if (type === 'broadcast' || type === 'update_metadata') frames++
      // Each of the others may come into sight.
      if (type.endsWith('_channel')) frames += 6
    }
    return frames > replayLimits.messages
  }
}
