import { SignalingError } from '@parley/protocol'
import { CognitoJwtVerifier } from 'aws-jwt-verify'
import { JwksNotAvailableInCacheError, KidNotFoundInJwksError } from 'aws-jwt-verify/error'
import { assertIsJwks, type Jwks } from 'aws-jwt-verify/jwk'
import type { Json } from 'aws-jwt-verify/safe-json-parse'
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { withTimeout } from '../../resilience/deadline.ts'
import { type Identified, judgedAt } from '../identity.ts'
import type { Told } from './skew.ts'

/** Longer ones are refused unread. Characters; Cognito's have about 1,000. */
export const tokenLength = 16_384

/** Keys are had anew when they are that old. Milliseconds. */
const keysLast = 3_600_000
/** All of one fetch. Milliseconds. */
const fetchWithin = 3_500
/** Between two fetches for the sake of keys that are not known: tokens of strangers may name any. Milliseconds. */
const unknownKeyPause = 10_000
/** Between two fetches while they fail. Milliseconds. */
const failurePause = 1_000
/** The same while the old keys still serve. Milliseconds. */
const renewalPause = 60_000
/** Keys as fresh as that show that Cognito answers. Milliseconds. */
const readyFor = 1_000

export interface Verification {
  /** As that of `Identity`. @throws SignalingError INVALID_TOKEN; UNAVAILABLE if the keys to check it with cannot be had */
  verify(idToken: string, proven?: string): Promise<Identified>
  /** @throws SignalingError UNAVAILABLE */
  keys(): Promise<Jwks>
  /** Resolves if the keys can be had anew. @throws SignalingError UNAVAILABLE naming the pool */
  ready(): Promise<void>
}

export interface VerificationConfig {
  readonly userPoolId: string
  readonly clientId: string
  /** Where the pool's keys are. */
  readonly jwksUrl: string
  /** Is called with the headers of each answer. */
  told(headers: Told): void
}

/**
 * Verifies ID tokens (Amazon Cognito developer guide, "Verifying JSON web tokens") with the pool's keys, which are kept
 * in memory. A token of a key that is known is verified at once, whether Cognito can be reached or not. Keys that are
 * an hour old are had anew when they are used next, while the old ones serve.
 */
export function verification(
  { userPoolId, clientId, jwksUrl, told }: VerificationConfig,
  clock: Clock,
  log: Log,
  until: AbortSignal,
): Verification {
  const verifier = CognitoJwtVerifier.create({ userPoolId, clientId, tokenUse: 'id' })
  let known: { readonly jwks: Jwks; readonly at: number } | undefined
  /** When the keys were asked for last, and why they could not be had then. */
  let asked = Number.NEGATIVE_INFINITY
  let failure: SignalingError | undefined
  let fetching: Promise<Jwks> | undefined

  const renew = (): Promise<Jwks> => {
    asked = clock.uptime()
    fetching ??= withTimeout(clock, fetchWithin, until, signal => fetchKeys(jwksUrl, told, signal))
      .then(
        jwks => {
          verifier.cacheJwks(jwks)
          known = { jwks, at: clock.uptime() }
          failure = undefined
          return jwks
        },
        cause => {
          const isFirst = failure === undefined
          failure = new SignalingError('UNAVAILABLE', sentenceOf(cause, userPoolId), { cause })
          if (isFirst && !until.aborted) log.warn({ pool: userPoolId, cause: String(cause) }, 'keys not renewed')
          throw failure
        },
      )
      .finally(() => {
        fetching = undefined
      })
    return fetching
  }
  const renewInBackground = () => void renew().catch(() => {})

  /** Resolves when the keys are as new as can be expected. */
  async function renewForUnknownKey(): Promise<void> {
    if (!fetching && clock.uptime() - asked < (failure ? failurePause : unknownKeyPause)) {
      if (failure) throw failure
    } else await renew()
  }

  function check(idToken: string, proven: string | undefined): Identified {
    const graceSeconds = proven === undefined ? 0 : Number.MAX_SAFE_INTEGER
    const payload = verifier.verifySync(idToken, { graceSeconds })
    const { sub, exp, nbf, 'cognito:username': name } = payload
    // The verifier takes a token without an end, goes by the time of the system, and has one grace for start and end.
    if (!sub || typeof exp !== 'number' || exp * 1000 <= judgedAt(payload, proven, clock.now())) {
      throw new Error('no subject, or ended')
    }
    if (typeof nbf === 'number' && nbf * 1000 > clock.now()) throw new Error('not valid yet')
    return { subject: sub, username: typeof name === 'string' ? name : sub, expiresAt: exp }
  }

  renewInBackground()
  return {
    async verify(idToken, proven) {
      if (idToken.length > tokenLength) throw new SignalingError('INVALID_TOKEN')
      try {
        const identified = check(idToken, proven)
        const now = clock.uptime()
        if (known && now - known.at > keysLast && now - asked > renewalPause) renewInBackground()
        return identified
      } catch (cause) {
        const isKeyUnknown = cause instanceof KidNotFoundInJwksError || cause instanceof JwksNotAvailableInCacheError
        if (!isKeyUnknown) throw new SignalingError('INVALID_TOKEN', undefined, { cause })
      }
      // Which pool it is, is for the operator.
      await renewForUnknownKey().catch(cause => {
        throw new SignalingError('UNAVAILABLE', 'The identity provider does not answer.', { cause })
      })
      try {
        return check(idToken, proven)
      } catch (cause) {
        throw new SignalingError('INVALID_TOKEN', undefined, { cause })
      }
    },

    async keys() {
      if (!known) await renewForUnknownKey()
      else if (clock.uptime() - known.at > keysLast && clock.uptime() - asked > renewalPause) renewInBackground()
      return known?.jwks ?? renew()
    },

    async ready() {
      if (failure || !known || clock.uptime() - known.at > readyFor) await renew()
    },
  }
}

/** The service has answered, but not with keys. */
class NoKeys extends Error {
  override readonly name = 'NoKeys'
}

async function fetchKeys(url: string, told: VerificationConfig['told'], signal: AbortSignal): Promise<Jwks> {
  const response = await fetch(url, { signal, redirect: 'error' })
  told({ date: response.headers.get('date'), age: response.headers.get('age') })
  if (!response.ok) {
    await response.body?.cancel()
    const message = `${url} answers ${response.status}`
    throw [400, 404].includes(response.status) ? new NoKeys(message) : new Error(message)
  }
  const jwks: Json = JSON.parse(await response.text())
  assertIsJwks(jwks)
  if (jwks.keys.length === 0) throw new NoKeys(`${url} has no keys`)
  return jwks
}

function sentenceOf(cause: unknown, userPoolId: string): string {
  const [region] = userPoolId.split('_')
  return cause instanceof NoKeys
    ? `Cognito knows no user pool ${userPoolId} in ${region}.`
    : `Cognito in ${region} does not answer for the keys of the user pool ${userPoolId}.`
}
