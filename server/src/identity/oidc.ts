import { SignalingError } from '@parley/protocol'
import {
  createLocalJWKSet,
  decodeJwt,
  errors,
  type JSONWebKeySet,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'
import { type Clock, nothingPlanned } from '../clock.ts'
import { type Identified, type Identity, judgedAt } from './identity.ts'

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

/** Milliseconds within which the issuer must have told its keys; the callers give up soon after. */
const answerWithin = 4_000
/** Milliseconds after which the keys are asked for anew. */
const refreshEvery = 600_000
/** Milliseconds for which keys are used while the issuer does not answer: then it might have given them up long ago. */
const keptFor = 86_400_000
/** Milliseconds in which nobody has the issuer asked again, by unknown keys or otherwise, after an answer and after none. */
const pauses = { answered: 5_000, failed: 1_000 } as const
/** Milliseconds between tries of our own while the issuer does not answer: at most these, with full jitter. */
const retries = { first: 1_000, last: 30_000 } as const
/** Bytes of a document of the issuer; those in use have less than 32 KiB. */
const maxBytes = 262_144

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
    keys: async () => (await keys.held()).set,
    async ready() {
      await keys.recent()
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

interface HeldKeys {
  readonly set: JSONWebKeySet
  readonly find: JWTVerifyGetKey
  /** The uptime, in milliseconds. */
  readonly since: number
}

interface IssuerKeys {
  /**
   * The key that a token is signed with. One that is held is found without the network; for another one the issuer is
   * asked, but not again within the pause.
   * @throws JWKSNoMatchingKey, SignalingError UNAVAILABLE if the issuer would have to be asked but does not answer
   */
  readonly find: JWTVerifyGetKey
  /** Those in use, or else the issuer's answer. @throws SignalingError UNAVAILABLE */
  held(): Promise<HeldKeys>
  /** The issuer's answer, of now or of some seconds ago. @throws SignalingError UNAVAILABLE */
  recent(): Promise<HeldKeys>
  /** Asks no more. */
  close(): void
}

/** The public keys of an issuer, kept fresh from now on. @throws Error as `oidc` */
function issuerKeys(issuer: string, clock: Clock): IssuerKeys {
  const discovery = secureUrl(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, issuer)
  let keys: HeldKeys | undefined
  let failures = 0
  let isClosed = false
  let cancelNext = nothingPlanned
  let abort = (_reason: Error): void => {}
  /** The latest answer, or that which is waited for. */
  let asked: Promise<HeldKeys>
  let answeredAt: number | undefined

  async function ask(): Promise<HeldKeys> {
    const controller = new AbortController()
    const { signal } = controller
    abort = reason => controller.abort(reason)
    const cancelDeadline = clock.after(answerWithin, () => abort(new Error(`no answer in ${answerWithin} ms`)))
    try {
      // Raced, as fetch may go on for some time when it is aborted while it connects.
      const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      const set = await Promise.race([loadKeys(issuer, discovery, signal), aborted])
      keys = { set, find: createLocalJWKSet(set), since: clock.uptime() }
      failures = 0
      return keys
    } catch (cause) {
      failures++
      // The log tells the cause alone, and most do not say whom they are about.
      const named = new Error(`${issuer}: ${cause instanceof Error ? cause.message : cause}`, { cause })
      throw new SignalingError('UNAVAILABLE', `${issuer} does not answer as an OpenID provider does.`, { cause: named })
    } finally {
      cancelDeadline()
      abort(new Error('read no further'))
      answeredAt = clock.uptime()
      const longest = Math.min(retries.last, retries.first * 2 ** (failures - 1))
      if (!isClosed) cancelNext = clock.after(failures ? Math.random() * longest : refreshEvery, askAnew)
    }
  }

  function askAnew(): void {
    cancelNext()
    answeredAt = undefined
    asked = ask()
    // Whoever waits for it is told; at times nobody does.
    asked.catch(() => {})
  }

  function recent(): Promise<HeldKeys> {
    const pause = failures > 0 ? pauses.failed : pauses.answered
    if (answeredAt !== undefined && clock.uptime() - answeredAt >= pause && !isClosed) askAnew()
    return asked
  }

  const held = async () => (keys && clock.uptime() - keys.since < keptFor ? keys : recent())

  askAnew()
  return {
    async find(header, token) {
      try {
        return await (await held()).find(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
        return (await recent()).find(header, token)
      }
    },
    held,
    recent,
    close() {
      isClosed = true
      cancelNext()
      abort(new Error('closed'))
    },
  }
}

/** Asks where the keys are, and for the keys. @throws Error if what comes is not what the issuer should say */
async function loadKeys(issuer: string, discovery: URL, signal: AbortSignal): Promise<JSONWebKeySet> {
  const metadata = await fetchObject(discovery, signal)
  // Section 4.3: otherwise one issuer could speak for another.
  if (metadata.issuer !== issuer) {
    throw new Error(`${discovery} is of the issuer ${JSON.stringify(metadata.issuer)?.slice(0, 300)}, not of ${issuer}`)
  }
  const url = secureUrl(metadata.jwks_uri, issuer)
  const { keys } = await fetchObject(url, signal)
  const usable = Array.isArray(keys) ? keys.filter(isPublicKey) : []
  if (usable.length === 0) throw new Error(`${url} has no public keys`)
  return { keys: usable }
}

/** A key that is secret must neither be told on, nor does it prove anything once it was published. */
const isPublicKey = (key: unknown): key is JSONWebKeySet['keys'][number] =>
  typeof key === 'object' && key !== null && 'kty' in key && key.kty !== 'oct' && !('d' in key) && !('priv' in key)

/** The URL, if nobody in between can answer in its place: with TLS, or from an issuer on this machine to this machine. */
function secureUrl(text: unknown, issuer: string): URL {
  if (typeof text !== 'string' || !URL.canParse(text)) throw new Error(`${issuer} names no URL where one must be`)
  const url = new URL(text)
  const isLocal = [url, new URL(issuer)].every(
    ({ protocol, hostname }) => protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname),
  )
  if (url.protocol !== 'https:' && !isLocal) throw new Error(`${url} of ${issuer} must begin with https:`)
  return url
}

/** The JSON object at `url` itself: no redirect is followed. @throws Error if there is none, or it is too big */
async function fetchObject(url: URL, signal: AbortSignal): Promise<Record<string, unknown>> {
  const response = await fetch(url, { signal, redirect: 'manual', headers: { Accept: 'application/json' } })
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) throw new Error(`${url} has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString())
  if (typeof value !== 'object' || value === null) throw new Error(`${url} has no JSON object`)
  return value as Record<string, unknown>
}
