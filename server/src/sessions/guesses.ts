import { type ErrorCode, SignalingError, toSignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'
import { type RateLimit, rateLimit } from '../rate-limit.ts'
import type { TimeSlices } from '../time-slices.ts'

/**
 * What fails because a token is wrong. A room that has ended or a name that is taken is no guess: only who has a valid ID
 * token hears of it, and a whole fleet may come back to a room that is no more.
 */
const guesses: readonly ErrorCode[] = ['INVALID_TOKEN', 'INVALID_ROOM_TOKEN']

/** Wrong tokens of one connection in a minute, after which it is slowed down if its address has too many, too. */
const mostOfConnection = 5

/** Between two looks at the tokens of a connection that is slowed down. Milliseconds. */
const pause = 1000

/**
 * Counts the wrong tokens that come from each network address. Nobody is refused for those of a neighbour: each `register`
 * is looked at, and beyond the bound only those that fail are told that they are too many. So that guessing does not cost
 * the server more than connecting does, a connection that has failed a few times itself is then looked at once a second.
 */
export class Guesses {
  readonly #ofAddress: RateLimit
  readonly #ofConnection: RateLimit<object>

  /** @param perMinute wrong tokens from one address */
  constructor(
    perMinute: number,
    private readonly clock: Clock,
    private readonly slices: TimeSlices,
  ) {
    this.#ofAddress = rateLimit(perMinute, clock)
    this.#ofConnection = rateLimit(mostOfConnection, clock)
  }

  /**
   * What `register` results in.
   * @param key what the limits of the address count
   * @throws SignalingError RATE_LIMITED in place of what it fails with
   */
  async attempt(connection: object, key: string, register: () => Promise<void>): Promise<void> {
    if (this.#ofAddress.exceeded(key) > 0 && this.#ofConnection.exceeded(connection) > 0) {
      await new Promise<void>(goOn => this.clock.after(pause, goOn))
    }
    // To verify a signature is work: one after the other, so that others are not held up by hundreds at once.
    await this.slices.nextTurn()
    try {
      await register()
    } catch (error) {
      if (!guesses.includes(toSignalingError(error).code)) throw error
      const retryAfter = this.#ofAddress.exceeded(key)
      this.#ofAddress.count(key)
      this.#ofConnection.count(connection)
      if (retryAfter > 0) throw new SignalingError('RATE_LIMITED', tooMany, { retryAfter })
      throw error
    }
  }
}

const tooMany = 'Too many registrations with wrong tokens came from your network address.'
