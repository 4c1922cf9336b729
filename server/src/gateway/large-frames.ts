import { SignalingError, toSignalingError } from '@parley/protocol'
import type { Clock } from '../clock.ts'
import { type Payer, type WorkBudget, workOfJson } from '../work-budget.ts'
import type { Frame } from './frames.ts'

/** Characters or bytes beyond which the reading of a frame is work that counts. No SDP of a call between two has so many. */
const largeFrame = 16 * 1024

export const isLarge = (frame: Frame): boolean => frame.length > largeFrame

/** Charges a peer for large frames. One that sends more although it was told to wait is not read any more. */
export class LargeFrames {
  /** The uptime before which there should be none. Milliseconds. */
  #notBefore = 0

  constructor(
    private readonly budget: WorkBudget,
    private readonly clock: Clock,
  ) {}

  /** To be called before the frame is read. Undefined if it may be, else why its connection must end. */
  admit(payer: Payer, { length }: Frame): SignalingError | undefined {
    if (this.clock.uptime() < this.#notBefore) {
      return new SignalingError('RATE_LIMITED', 'You went on sending large messages although you were told to wait.')
    }
    this.budget.charge(payer, workOfJson(length))
    return undefined
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
