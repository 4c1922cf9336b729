import { CognitoIdentityProviderServiceException } from '@aws-sdk/client-cognito-identity-provider'
import { SignalingError } from '@parley/protocol'
import { mayBeSkew } from '../../aws-signature.ts'
import type { Clock } from '../../clock.ts'
import { identitySilent } from '../identity.ts'
import { limited, pause, within } from './deadline.ts'

/** One call, its tries and pauses together. Milliseconds; below the deadline of those who wait for it. */
export const callWithin = 4_000
/** The first try is given up after that, as its connection may be dead. The second may take what is left. Milliseconds. */
const firstTryWithin = 1_500
/** How often one call is tried, and how often if Cognito throttles it. */
const tries = 4
const triesOfThrottled = 8
/** What the pause before the second try is at most, and what it grows to, doubling each time. Milliseconds. */
const pauses = [250, 1_000] as const

/** Cognito's names for "too many" (API reference, Common Errors and the errors of each operation). */
const throttles = ['TooManyRequestsException', 'LimitExceededException', 'ThrottlingException', 'RequestLimitExceeded']
/** What the system says when nothing was sent, as there was nobody to send it to. */
const unsent = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']

/**
 * - `refused`: Cognito, or what the credentials come from, says no, and would say no again
 * - `throttled`: Cognito is asked too much
 * - `silent`: no answer, or one that says that Cognito itself has failed
 */
export type FailureKind = 'refused' | 'throttled' | 'silent'

/** Why a call did not succeed. Its message names the operation, and may be logged. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure'
  constructor(
    message: string,
    readonly kind: FailureKind,
    /** The name of the error, such as `NotAuthorizedException`. */
    readonly reason: string,
    /** Whether Cognito may have done all the same what it was asked to do. */
    readonly mayHaveHappened: boolean,
    override readonly cause: unknown,
  ) {
    super(message)
  }
}

/** For whom calls are made: how long they may go on, and who wants to know how they fare. */
export interface Turn {
  readonly until: AbortSignal
  /** A call was answered, so many milliseconds after its first try began. */
  answered(ms: number): void
  /** Cognito throttles a try that began at this uptime. */
  throttled(began: number): void
}

/**
 * Calls an operation of Cognito, again after a pause where that may help, for `callWithin` at most, and for as long as the
 * turn lasts. The SDK's own retries are off, as their pauses know nothing of a deadline that holds for several calls.
 * Pauses have full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter").
 * @param request one try; it is to end when its signal is aborted. `attempt` counts from 1: from the second on, an
 *   earlier try whose answer was lost may have succeeded
 * @throws CallFailure
 */
export function call<T>(
  clock: Clock,
  operation: string,
  turn: Turn,
  request: (signal: AbortSignal, attempt: number) => Promise<T>,
): Promise<T> {
  const start = clock.uptime()
  let mayHaveHappened = false
  return limited(clock, callWithin, turn.until, async signal => {
    for (let attempt = 1; ; attempt++) {
      const began = clock.uptime()
      try {
        const patience = attempt === 1 ? firstTryWithin : callWithin
        const answer = await within(clock, patience, signal, signal => request(signal, attempt))
        turn.answered(clock.uptime() - start)
        return answer
      } catch (error) {
        const failure = explain(operation, error, mayHaveHappened)
        mayHaveHappened = failure.mayHaveHappened
        if (failure.kind === 'throttled') turn.throttled(began)
        if (attempt === (failure.kind === 'throttled' ? triesOfThrottled : tries)) throw failure
        if (mayBeSkew(error, attempt === 1)) continue
        if (failure.kind === 'refused') throw failure
        const longest = Math.min(pauses[0] * 2 ** (attempt - 1), pauses[1])
        // One that was waited for so long needs no pause besides.
        const ms = Math.max(0, Math.random() * longest - (clock.uptime() - began))
        await pause(clock, ms, signal).catch(() => Promise.reject(failure))
      }
    }
  })
}

function explain(operation: string, error: unknown, before: boolean): CallFailure {
  const { name, message } = error instanceof Error ? error : new Error(String(error))
  const isAnswer = error instanceof CognitoIdentityProviderServiceException
  const status = isAnswer ? (error.$metadata.httpStatusCode ?? 0) : 0
  const code = error instanceof Error && 'code' in error ? String(error.code) : name
  // The SDK adds lines for debugging.
  const what = `${operation}: ${message.split('\n')[0]}${code === 'Error' ? '' : ` (${code})`}`
  const fail = (says: string, kind: FailureKind, mayHaveHappened: boolean) =>
    new CallFailure(`${says} ${what}`, kind, name, mayHaveHappened, error)

  if (throttles.includes(name) || status === 429) return fail('Cognito throttles', 'throttled', before)
  if (isAnswer && status >= 400 && status < 500) return fail('Cognito refuses', 'refused', before)
  return fail(isAnswer ? 'Cognito fails at' : 'Cognito does not answer', 'silent', before || !unsent.includes(code))
}

/** What to say of a failure to those who asked. */
export function unavailable(cause: unknown): SignalingError {
  if (cause instanceof SignalingError) return cause
  const isRefused = cause instanceof CallFailure && cause.kind === 'refused'
  const sentence = isRefused ? 'The identity provider refuses this server.' : identitySilent
  return new SignalingError('UNAVAILABLE', sentence, { cause })
}

/** @param retryAfter seconds */
export const busy = (cause: unknown, retryAfter: number): SignalingError =>
  new SignalingError('UNAVAILABLE', 'The identity provider is asked too much at the moment.', { retryAfter, cause })
