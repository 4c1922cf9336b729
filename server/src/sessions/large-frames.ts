import { SignalingError, toSignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'
import { type Payer, unitsPerMs, type WorkBudget, workOfSending } from '../work-budget.ts'
import type { Frame } from './frames.ts'

/** Characters or bytes beyond which the reading of a frame is work that counts. No SDP of a call between two has so many. */
const largeFrame = 16 * 1024

export const isLarge = (frame: Frame): boolean => frame.length > largeFrame

/**
 * Charges a peer for large frames, by the time that it takes to read them: a megabyte of text takes 1 ms, a megabyte of
 * small numbers 12. One that sends more although it was told to wait is not read any more.
 */
export class LargeFrames {
  /** The uptime before which there should be none. Milliseconds. */
  #notBefore = 0

  constructor(
    private readonly budget: WorkBudget,
    private readonly clock: Clock,
  ) {}

  /** Why the connection must end instead of a frame being read; undefined if it may be. */
  excess(identity: string | undefined): SignalingError | undefined {
    if (this.clock.uptime() >= this.#notBefore && !this.budget.isBehind({ identity })) return undefined
    return new SignalingError('RATE_LIMITED', 'You went on sending large messages although you were told to wait.')
  }

  /** What `read` makes of the frame. @throws SignalingError what it throws, or RATE_LIMITED */
  read<T>(payer: Payer, frame: Frame, read: () => T): T {
    const start = this.clock.uptime()
    try {
      return read()
    } finally {
      const ms = this.clock.uptime() - start
      this.budget.charge(payer, workOfSending(frame.length, 1) + ms * unitsPerMs)
    }
  }

  /** To be called before the frame is acted upon. @throws SignalingError RATE_LIMITED */
  check(payer: Payer): void {
    try {
      this.budget.check(payer)
    } catch (error) {
      this.#notBefore = this.clock.uptime() + 1000 * (toSignalingError(error).context.retryAfter ?? 0)
      throw error
    }
  }
}
