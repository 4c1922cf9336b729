import { type ErrorCode, SignalingError, toSignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'
import { type RateLimit, rateLimit } from '../rate-limit.ts'

/**
 * What fails because a token is wrong. A room that has ended or a name that is taken is no guess: only who has a valid ID
 * token hears of it, and a whole fleet may come back to a room that is no more.
 */
const guesses: readonly ErrorCode[] = ['INVALID_TOKEN', 'INVALID_ROOM_TOKEN']

/** Wrong tokens of one connection in a minute, after which none is looked at any more if its address has too many, too. */
const mostOfConnection = 5

/**
 * Counts the wrong tokens that come from each network address. Nobody is refused for those of a neighbour: each `register`
 * is looked at, and beyond the bound only those that fail are told that they are too many. So that this costs no more than
 * connecting does, a connection that has failed a few times itself is then not looked at for the rest of the minute.
 */
export class Guesses {
  readonly #ofAddress: RateLimit
  readonly #ofConnection: RateLimit<object>

  /** @param perMinute wrong tokens from one address */
  constructor(perMinute: number, clock: Clock) {
    this.#ofAddress = rateLimit(perMinute, clock)
    this.#ofConnection = rateLimit(mostOfConnection, clock)
  }

  /**
   * What `register` results in.
   * @param key what the limits of the address count
   * @throws SignalingError RATE_LIMITED in place of what it fails with, or instead of doing it
   */
  async attempt(connection: object, key: string, register: () => Promise<void>): Promise<void> {
    if (this.#ofConnection.exceeded(connection) > 0) this.#check(key)
    try {
      await register()
    } catch (error) {
      if (!guesses.includes(toSignalingError(error).code)) throw error
      this.#ofConnection.count(connection)
      try {
        this.#check(key)
      } finally {
        this.#ofAddress.count(key)
      }
      throw error
    }
  }

  #check(key: string): void {
    const retryAfter = this.#ofAddress.exceeded(key)
    if (retryAfter === 0) return
    const detail = 'Too many registrations with wrong tokens came from your network address.'
    throw new SignalingError('RATE_LIMITED', detail, { retryAfter })
  }
}
