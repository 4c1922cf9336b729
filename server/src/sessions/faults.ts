import { type ErrorCode, SignalingError } from '@parley/protocol'
import type { Dialect } from './dialect.ts'

/** What becomes of a message that was refused. */
export interface Verdict {
  /** What its sender is told. */
  readonly reason: SignalingError
  /** Whether the connection is closed after that. */
  readonly isLast: boolean
}

/** What others do, and a deployed worker cannot help: it may be sending to somebody who has just gone, or who does not read. */
const doneByOthers: readonly ErrorCode[] = ['PEER_NOT_FOUND', 'PEER_NOT_IN_ROOM', 'DELIVERY_FAILED', 'NOT_IN_ROOM']

/** Counts what goes wrong with one connection, minute by minute. */
export class Faults {
  #minute = 0
  #count = 0
  #keptBack = 0

  /**
   * Counts a message that was refused for `reason`. Beyond `most` in a minute its sender is told of that instead, beyond
   * twice as many the connection is closed. A plain peer is not told what others do, so it is not closed for that either.
   * @param now milliseconds
   */
  judge(reason: SignalingError, dialect: Dialect, most: number, now: number): Verdict {
    this.#turn(now)
    if (dialect === 'plain' && doneByOthers.includes(reason.code)) return { reason, isLast: false }
    if (++this.#count <= most) return { reason, isLast: false }
    const { isRegister = false, requestId, target } = reason.context
    const limited = new SignalingError('RATE_LIMITED', 'Too many of your messages were faulty.', {
      ...{ isRegister, requestId, target },
      retryAfter: 60,
    })
    return { reason: limited, isLast: this.#count > 2 * most }
  }

  /** Counts an error that is kept back. @returns how many were in this minute @param now milliseconds */
  keepBack(now: number): number {
    this.#turn(now)
    return ++this.#keptBack
  }

  #turn(now: number): void {
    const minute = Math.floor(now / 60_000)
    if (minute !== this.#minute) this.#count = this.#keptBack = 0
    this.#minute = minute
  }
}
