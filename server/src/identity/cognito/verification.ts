import { SignalingError } from '@parley/protocol'
import { CognitoJwtVerifier } from 'aws-jwt-verify'
import { JwksNotAvailableInCacheError, KidNotFoundInJwksError } from 'aws-jwt-verify/error'
import { assertIsJwks, type Jwks } from 'aws-jwt-verify/jwk'
import type { Json } from 'aws-jwt-verify/safe-json-parse'
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { type Identified, judgedAt } from '../identity.ts'
import { fetchObject, UnexpectedStatus } from '../jwks/fetch-object.ts'
import { keySource } from '../jwks/key-source.ts'
import type { Told } from './skew.ts'

/** Longer ones are refused unread. Characters; Cognito's have about 1,000. */
export const tokenLength = 16_384

/** Keys are had anew when they are that old. Milliseconds. */
const keysLast = 3_600_000
/** All of one fetch. Milliseconds. */
const fetchWithin = 3_500
/** Between two fetches for the sake of keys that are not known, after one that has succeeded and after one that has not. Milliseconds. */
const pauses = { answered: 10_000, failed: 1_000 } as const
/** The same where the keys are old, but still serve. Milliseconds. */
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
  const source = keySource({
    ...{ clock, until, pauses, answerWithin: fetchWithin, keptFor: Number.POSITIVE_INFINITY },
    load: signal => fetchKeys(jwksUrl, told, signal),
    explain: cause => new SignalingError('UNAVAILABLE', sentenceOf(cause, userPoolId), { cause }),
    settled(outcome) {
      if ('keys' in outcome) verifier.cacheJwks(outcome.keys)
      else if (outcome.failures === 1 && !until.aborted) {
        log.warn({ pool: userPoolId, cause: String(outcome.failure.cause) }, 'keys not renewed')
      }
    },
  })

  /** Has old keys renewed, while they serve. */
  function renewIfOld(): void {
    if (source.age > keysLast && source.sinceSettled > renewalPause) void source.renew()
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

  void source.renew()
  return {
    async verify(idToken, proven) {
      if (idToken.length > tokenLength) throw new SignalingError('INVALID_TOKEN')
      try {
        const identified = check(idToken, proven)
        renewIfOld()
        return identified
      } catch (cause) {
        const isKeyUnknown = cause instanceof KidNotFoundInJwksError || cause instanceof JwksNotAvailableInCacheError
        if (!isKeyUnknown) throw new SignalingError('INVALID_TOKEN', undefined, { cause })
      }
      // Which pool it is, is for the operator.
      await source.recent().catch(cause => {
        throw new SignalingError('UNAVAILABLE', 'The identity provider does not answer.', { cause })
      })
      try {
        return check(idToken, proven)
      } catch (cause) {
        throw new SignalingError('INVALID_TOKEN', undefined, { cause })
      }
    },

    keys() {
      renewIfOld()
      return source.held()
    },

    async ready() {
      if (source.failures > 0 || source.age > readyFor) await source.renew()
    },
  }
}

/** The service has answered, but not with keys. */
class NoKeys extends Error {
  override readonly name = 'NoKeys'
}

async function fetchKeys(url: string, told: VerificationConfig['told'], signal: AbortSignal): Promise<Jwks> {
  const hear = (headers: Headers) => told({ date: headers.get('date'), age: headers.get('age') })
  const jwks = (await fetchObject(url, signal, hear).catch(error => {
    const isUnknown = error instanceof UnexpectedStatus && [400, 404].includes(error.status)
    throw isUnknown ? new NoKeys(error.message) : error
  })) as Json
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
