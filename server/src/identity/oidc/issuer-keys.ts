import { SignalingError } from '@parley/protocol'
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { type Clock, nothingPlanned } from '../../clock.ts'
import { backoff } from '../../resilience/retry.ts'
import { fetchObject } from '../jwks/fetch-object.ts'
import { keySource } from '../jwks/key-source.ts'

/** Milliseconds within which the issuer must have told its keys; the callers give up soon after. */
const answerWithin = 4_000
/** Milliseconds after which the keys are asked for again. */
const refreshEvery = 600_000
/** Milliseconds for which keys are used while the issuer does not answer: then it might have given them up long ago. */
const keptFor = 86_400_000
/** Milliseconds in which nobody has the issuer asked again, by unknown keys or otherwise, after an answer and after none. */
const pauses = { answered: 5_000, failed: 1_000 } as const
/** Milliseconds between tries of our own while the issuer does not answer: at most these, with full jitter. */
const retries = [1_000, 30_000] as const

interface IssuerKeys {
  /**
   * The key that a token is signed with. One that is held is found without the network; for another one the issuer is
   * asked, but not again within the pause.
   * @throws JWKSNoMatchingKey, SignalingError UNAVAILABLE if the issuer would have to be asked but does not answer
   */
  readonly find: JWTVerifyGetKey
  /** Those in use, or else the issuer's answer. @throws SignalingError UNAVAILABLE */
  published(): Promise<JSONWebKeySet>
  /** Resolves if the issuer has told its keys now or some seconds ago. @throws SignalingError UNAVAILABLE */
  confirm(): Promise<void>
  /** Asks no more. */
  close(): void
}

/** The public keys of an issuer, kept fresh from now on. @throws Error as `oidc` */
export function issuerKeys(issuer: string, clock: Clock): IssuerKeys {
  const discovery = secureUrl(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, issuer)
  const closed = new AbortController()
  let cancelNext = nothingPlanned

  const source = keySource({
    ...{ clock, answerWithin, pauses, keptFor, until: closed.signal },
    async load(signal) {
      const set = await loadKeys(issuer, discovery, signal)
      return { set, find: createLocalJWKSet(set) }
    },
    explain(cause) {
      // The log tells the cause alone, and most do not say whom they are about.
      const named = new Error(`${issuer}: ${cause instanceof Error ? cause.message : cause}`, { cause })
      return new SignalingError('UNAVAILABLE', `${issuer} does not answer as an OpenID provider does.`, {
        cause: named,
      })
    },
    settled(outcome) {
      cancelNext()
      if (closed.signal.aborted) return
      const pause = 'failures' in outcome ? Math.random() * backoff(retries, outcome.failures) : refreshEvery
      cancelNext = clock.after(pause, () => void source.renew())
    },
  })

  void source.renew()
  return {
    async find(header, token) {
      try {
        return await (await source.held()).find(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
        return (await source.recent()).find(header, token)
      }
    },
    published: async () => (await source.held()).set,
    async confirm() {
      await source.recent()
    },
    close() {
      closed.abort(new Error('closed'))
      cancelNext()
    },
  }
}

/** Asks where the keys are, and for the keys. @throws Error if what comes is not what the issuer should say */
async function loadKeys(issuer: string, discovery: URL, signal: AbortSignal): Promise<JSONWebKeySet> {
  const metadata: { issuer?: unknown; jwks_uri?: unknown } = await fetchObject(discovery, signal)
  // Section 4.3: otherwise one issuer could speak for another.
  if (metadata.issuer !== issuer) {
    throw new Error(`${discovery} is of the issuer ${JSON.stringify(metadata.issuer)?.slice(0, 300)}, not of ${issuer}`)
  }
  const url = secureUrl(metadata.jwks_uri, issuer)
  const { keys }: { keys?: unknown } = await fetchObject(url, signal)
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
