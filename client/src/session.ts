import type { SessionGrant } from '@parley/protocol'
import type { Clock } from './clock.ts'

/** What of a registration can go on over another connection. */
export class Session {
  /** Undefined where nothing can. */
  grant: SessionGrant | undefined
  /** Frames of it that have come. */
  received = 0
  #cancelEnd: (() => void) | undefined

  /** It goes on, or there is none any more. */
  hold(grant?: SessionGrant): void {
    this.grant = grant
    if (!grant) this.received = 0
    this.#cancelEnd?.()
    this.#cancelEnd = undefined
  }

  /** Calls `end` if it has not gone on in its time; at once where it cannot. */
  expire(clock: Clock, end: () => void): void {
    if (!this.grant) end()
    else this.#cancelEnd ??= clock.after(this.grant.ttl_seconds * 1000, end)
  }
}
