import { toSignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'
import type { Identity, SignIn } from '../identity/identity.ts'
import { type RateLimit, rateLimit } from '../rate-limit.ts'
import { adapterTimeout, withDeadline } from '../resilience/deadline.ts'
import { keyedMutex } from '../resilience/semaphore.ts'

/** Renewals with one and the same refresh token in a minute. */
const mostOfToken = 60

/** Renewals that wait for others of their address, where that has had too many wrong tokens. */
const longestLine = 64

/** What somebody is told who cannot sign in, or renew a token, as the provider is away. */
export const noSignIn = 'Nobody can sign in at the moment.'

/**
 * Renews ID tokens. Nobody is refused for what a neighbour behind the same address does: each refresh token is looked at, and
 * beyond a bound only those that are not good are told that they are too many. Those of such an address are looked at one
 * after the other, as some providers can only be asked, and answer others meanwhile.
 */
export class Renewals {
  readonly #failures: RateLimit
  readonly #ofToken: RateLimit
  /** Those of one address that wait for each other. */
  readonly #mutex = keyedMutex()

  /** @param failures tokens from one address in a minute that are not good */
  constructor(
    private readonly identity: Identity,
    failures: number,
    private readonly clock: Clock,
  ) {
    this.#failures = rateLimit(failures, clock)
    this.#ofToken = rateLimit(mostOfToken, clock)
  }

  /**
   * The next tokens of the identity that `refreshToken` was given to.
   * @param key what the limits of the address count
   * @throws SignalingError INVALID_TOKEN, RATE_LIMITED, UNAVAILABLE, or what the provider says
   */
  async renew(refreshToken: string, key: string): Promise<SignIn> {
    const digest = new Bun.CryptoHasher('sha256').update(refreshToken).digest('base64')
    this.#ofToken.check(digest, 'This refresh token was used too often.')
    const by = this.clock.uptime() + adapterTimeout
    const ask = () => withDeadline(this.clock, this.identity.refresh(refreshToken), noSignIn, by)
    try {
      const signIn = await (this.#failures.exceeded(key) > 0 ? this.#inLine(key, by, ask) : ask())
      this.#ofToken.count(digest)
      return signIn
    } catch (error) {
      if (toSignalingError(error).code !== 'INVALID_TOKEN') throw error
      try {
        this.#failures.check(key, tooMany)
      } finally {
        this.#failures.count(key)
      }
      throw error
    }
  }

  /** Does `act` when those of the same key before it are done. @throws SignalingError RATE_LIMITED if they are too many */
  async #inLine<T>(key: string, by: number, act: () => Promise<T>): Promise<T> {
    if (this.#mutex.length(key) >= longestLine) this.#failures.check(key, tooMany)
    return this.#mutex.run(key, () => {
      if (this.clock.uptime() >= by) this.#failures.check(key, tooMany)
      return act()
    })
  }
}

const tooMany = 'Too many refresh tokens that are not good came from your network address.'
