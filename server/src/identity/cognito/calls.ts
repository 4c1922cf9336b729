import { CognitoIdentityProviderServiceException } from '@aws-sdk/client-cognito-identity-provider'
import { SignalingError } from '@parley/protocol'
import { mayBeSkew } from '../../aws-signature.ts'
import type { Clock } from '../../clock.ts'
import { abortAfter, withTimeout } from '../../resilience/deadline.ts'
import { backoff, retry } from '../../resilience/retry.ts'
import { identitySilent } from '../identity.ts'

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
  let began = start
  let mayHaveHappened = false

  async function attemptOnce(attempt: number, until: AbortSignal): Promise<T> {
    began = clock.uptime()
    const patience = attempt === 1 ? firstTryWithin : callWithin
    try {
      const answer = await withTimeout(clock, patience, until, signal => request(signal, attempt))
      turn.answered(clock.uptime() - start)
      return answer
    } catch (error) {
      const failure = explain(operation, error, mayHaveHappened)
      mayHaveHappened = failure.mayHaveHappened
      if (failure.kind === 'throttled') turn.throttled(began)
      throw failure
    }
  }

  function pauseAfter(failure: unknown, attempt: number): number {
    if (!(failure instanceof CallFailure)) throw failure
    if (attempt === (failure.kind === 'throttled' ? triesOfThrottled : tries)) throw failure
    if (mayBeSkew(failure.cause, attempt === 1)) return 0
    if (failure.kind === 'refused') throw failure
    // One that was waited for so long needs no pause besides.
    return Math.max(0, Math.random() * backoff(pauses, attempt) - (clock.uptime() - began))
  }

  return abortAfter(clock, callWithin, turn.until, signal =>
    retry(clock, attempt => attemptOnce(attempt, signal), pauseAfter, signal),
  )
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
