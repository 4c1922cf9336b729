import type { SignalingError } from '@parley/protocol'
import type { Clock } from '../../clock.ts'
import { withTimeout } from '../../resilience/deadline.ts'

export interface KeySourceParts<Keys> {
  readonly clock: Clock
  /** All of one question. Milliseconds. */
  readonly answerWithin: number
  /** Milliseconds in which nobody has the provider asked again, by unknown keys or otherwise, after an answer and after none. */
  readonly pauses: { readonly answered: number; readonly failed: number }
  /** Milliseconds for which keys are used that nobody has confirmed since. */
  readonly keptFor: number
  /** When it is aborted, nobody is asked any more. */
  readonly until: AbortSignal
  /** Asks the provider for its keys. */
  load(signal: AbortSignal): Promise<Keys>
  /** What those who wait are told of a failure. */
  explain(cause: unknown): SignalingError
  /** Is called after each question, before those who wait hear of it. `failures` are those in a row, the last being `failure`. */
  settled(outcome: { readonly keys: Keys } | { readonly failure: SignalingError; readonly failures: number }): void
}

/**
 * The public keys of an identity provider, kept in memory, so that most tokens are verified without it. There is one
 * question at a time, whose outcome all share who wait for it.
 */
export interface KeySource<Keys> {
  /** How many questions have failed in a row. */
  readonly failures: number
  /** Milliseconds since the last question was settled; Infinity before. */
  readonly sinceSettled: number
  /** Milliseconds since the keys came that are in use; Infinity if there are none. */
  readonly age: number
  /** Those in use, or else `recent`. @throws SignalingError as explained */
  held(): Promise<Keys>
  /** The outcome of now or of some moments ago: for a key that is unknown, as tokens of strangers may name any. @throws as `held` */
  recent(): Promise<Keys>
  /** The answer to a question that begins now, or is under way. @throws as `held` */
  renew(): Promise<Keys>
}

export function keySource<Keys>(parts: KeySourceParts<Keys>): KeySource<Keys> {
  const { clock, pauses } = parts
  let known: { readonly keys: Keys; readonly at: number } | undefined
  let asking: Promise<Keys> | undefined
  let outcome: Promise<Keys> | undefined
  let settledAt = Number.NEGATIVE_INFINITY
  let failures = 0

  async function ask(): Promise<Keys> {
    try {
      const keys = await withTimeout(clock, parts.answerWithin, parts.until, signal => parts.load(signal))
      failures = 0
      settle({ keys })
      known = { keys, at: clock.uptime() }
      return keys
    } catch (cause) {
      failures++
      const failure = parts.explain(cause)
      settle({ failure, failures })
      throw failure
    }
  }

  function settle(how: Parameters<typeof parts.settled>[0]): void {
    asking = undefined
    settledAt = clock.uptime()
    parts.settled(how)
  }

  function renew(): Promise<Keys> {
    if (asking) return asking
    asking = outcome = ask()
    // Whoever waits for it is told; at times nobody does.
    outcome.catch(() => {})
    return outcome
  }

  function recent(): Promise<Keys> {
    const pause = failures > 0 ? pauses.failed : pauses.answered
    return outcome && !asking && clock.uptime() - settledAt < pause ? outcome : renew()
  }

  const age = () => (known ? clock.uptime() - known.at : Number.POSITIVE_INFINITY)

  return {
    get failures() {
      return failures
    },
    get sinceSettled() {
      return clock.uptime() - settledAt
    },
    get age() {
      return age()
    },
    held: async () => (known && age() < parts.keptFor ? known.keys : recent()),
    recent,
    renew,
  }
}
