import { SignalingError } from '@parley/protocol'
import { decodeJwt, errors, type JWTHeaderParameters, type JWTPayload, jwtVerify } from 'jose'
import type { Clock } from '../clock.ts'
import { type Identified, type Identity, judgedAt } from './identity.ts'
import { issuerKeys } from './oidc/issuer-keys.ts'

export interface OidcConfig {
  /** The issuer, to the letter as it stands in its ID tokens (`iss`): https:, or http: on this machine. */
  readonly issuer: string
  /** The client id for which the issuer gives out the ID tokens (`aud`). */
  readonly audience: string
}

/** Signatures that the holder of a public key can check, but not make: never `none`, never HMAC. */
const algorithms = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ')

/** Seconds by which the clock of the issuer may be ahead of ours. A token's end is not stretched by it. */
const clockTolerance = 60

/**
 * Takes the ID tokens of an OpenID provider that is found by discovery (OpenID Connect Discovery 1.0 section 4). It
 * verifies, and no more: peers sign in at the issuer, and its users are not ours to delete. It begins to ask for the
 * issuer's keys at once, but does not wait for them.
 * @throws Error if the issuer is no URL, or one without TLS on another machine
 */
export async function oidc({ issuer, audience }: OidcConfig, clock: Clock): Promise<Identity> {
  const keys = issuerKeys(issuer, clock)

  const signInElsewhere = async (): Promise<never> => {
    throw new SignalingError('SIGN_IN_ELSEWHERE', `This server takes the ID tokens of ${issuer}; sign in there.`)
  }

  return {
    signIn: signInElsewhere,
    refresh: signInElsewhere,
    async verify(idToken, proven) {
      try {
        const claims = decodeJwt(idToken)
        // Again below, with the proof; here so that the tokens of others never have the issuer asked.
        if (claims.iss !== issuer) throw new errors.JWTInvalid('of another issuer')
        const at = judgedAt(claims, proven, clock.now())
        const { payload, protectedHeader } = await jwtVerify(idToken, keys.find, {
          algorithms,
          issuer,
          audience,
          requiredClaims: ['sub', 'exp', 'iat'],
          currentDate: new Date(at),
          clockTolerance,
        })
        return identified(protectedHeader, payload, audience, at / 1000)
      } catch (cause) {
        throw cause instanceof SignalingError ? cause : new SignalingError('INVALID_TOKEN', undefined, { cause })
      }
    },
    async signOut() {},
    keys: keys.published,
    async ready() {
      await keys.confirm()
    },
    async close() {
      keys.close()
    },
  }
}

/**
 * Whom a signed token of the issuer proves, if it is an ID token: OpenID Connect Core 1.0 sections 2 and 3.1.3.7, and
 * what tells it from other tokens that the same keys sign for the same audience.
 * @param now seconds since the epoch; see `judgedAt`
 * @throws JWTInvalid if it is something else, or has ended
 */
function identified(header: JWTHeaderParameters, payload: JWTPayload, audience: string, now: number): Identified {
  const { sub, exp = 0, aud, azp } = payload
  const refuse = (reason: string): never => {
    throw new errors.JWTInvalid(reason)
  }
  if (exp <= now) refuse('has ended')
  if (typeof sub !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(sub)) {
    return refuse('sub is not 1 to 255 ASCII characters')
  }
  // A token that is meant for others, too, counts only if it was given to our client.
  if (Array.isArray(aud) && aud.length > 1 && azp !== audience) refuse('given to another client')
  // RFC 9068 access tokens are at+jwt, logout tokens are logout+jwt.
  if (header.typ !== undefined && !/^(application\/)?jwt$/i.test(header.typ)) refuse(`typ ${header.typ}`)
  // Cognito names the use in token_use, Keycloak in typ. Others' access tokens have a scope; events are not about tokens.
  if ((payload.token_use ?? 'id') !== 'id' || (payload.typ ?? 'ID') !== 'ID') refuse('another use')
  if (['scope', 'scp', 'events'].some(claim => payload[claim] !== undefined)) refuse('no ID token')
  return { subject: sub, username: sub, expiresAt: exp }
}
