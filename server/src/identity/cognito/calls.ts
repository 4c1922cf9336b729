import { CognitoIdentityProviderServiceException } from '@aws-sdk/client-cognito-identity-provider'
import { SignalingError } from '@parley/protocol'
import type { Clock } from '../../clock.ts'
import { pause, within } from './deadline.ts'

/** How often one call is tried. */
const tries = 4
/** One try is given up after that. Milliseconds. */
const tryWithin = 1_500
/** The pause before the second try is at most that; it may double each time. Milliseconds. */
const firstPause = 250

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

/**
 * Calls an operation of Cognito, again after a pause where that may help, for as long as `until` lasts. The SDK's own
 * retries are off, as their pauses know nothing of a deadline that holds for several calls. Pauses have full jitter
 * (AWS Architecture Blog, "Exponential Backoff And Jitter").
 * @param request one try; it is to end when its signal is aborted. `attempt` counts from 1: from the second on, an
 *   earlier try whose answer was lost may have succeeded
 * @throws CallFailure
 */
export async function call<T>(
  clock: Clock,
  operation: string,
  until: AbortSignal,
  request: (signal: AbortSignal, attempt: number) => Promise<T>,
): Promise<T> {
  let mayHaveHappened = false
  for (let attempt = 1; ; attempt++) {
    try {
      return await within(clock, tryWithin, until, signal => request(signal, attempt))
    } catch (error) {
      const failure = explain(operation, error, mayHaveHappened)
      mayHaveHappened = failure.mayHaveHappened
      if (failure.kind === 'refused' || attempt === tries) throw failure
      await pause(clock, Math.random() * firstPause * 2 ** (attempt - 1), until).catch(() => Promise.reject(failure))
    }
  }
}

function explain(operation: string, error: unknown, before: boolean): CallFailure {
  const { name, message } = error instanceof Error ? error : new Error(String(error))
  const isAnswer = error instanceof CognitoIdentityProviderServiceException
  const status = isAnswer ? (error.$metadata.httpStatusCode ?? 0) : 0
  const code = error instanceof Error && 'code' in error ? String(error.code) : name
  // The SDK adds lines for whoever debugs.
  const what = `${operation}: ${message.split('\n')[0]}${code === 'Error' ? '' : ` (${code})`}`
  const fail = (says: string, kind: FailureKind, mayHaveHappened: boolean) =>
    new CallFailure(`${says} ${what}`, kind, name, mayHaveHappened, error)

  if (throttles.includes(name) || status === 429) return fail('Cognito throttles', 'throttled', before)
  if (isAnswer && status >= 400 && status < 500) return fail('Cognito refuses', 'refused', before)
  return fail(isAnswer ? 'Cognito fails at' : 'Cognito does not answer', 'silent', before || !unsent.includes(code))
}

/** What to say of a failure to whoever asked. Seconds to wait differ, so that not all come back at once. */
export function unavailable(cause: unknown): SignalingError {
  if (cause instanceof SignalingError) return cause
  const kind = cause instanceof CallFailure ? cause.kind : 'silent'
  if (kind === 'throttled') return busy(cause)
  const sentence =
    kind === 'refused' ? 'The identity provider refuses this server.' : 'The identity provider does not answer.'
  return new SignalingError('UNAVAILABLE', sentence, { cause })
}

export const busy = (cause: unknown): SignalingError =>
  new SignalingError('UNAVAILABLE', 'The identity provider is asked too much at the moment.', {
    retryAfter: 2 + Math.floor(9 * Math.random()),
    cause,
  })
