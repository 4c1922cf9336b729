import { join } from 'node:path'
import { SignalingError } from '@parley/protocol'
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, SignJWT } from 'jose'
import type { Clock } from '../clock.ts'
import { type Identified, type Identity, judgedAt, type SignIn } from './identity.ts'
import { keyFile } from './local/key-file.ts'
import { algorithm, type Key, keyRing } from './local/key-ring.ts'
import type { KeyStore } from './local/key-store.ts'

const issuer = 'parley'
/**
 * The kinds of tokens, each for an audience of its own: whoever checks ID tokens with the published keys, but does not
 * look at `token_use`, takes no refresh token for one.
 */
const audiences = { id: 'parley', refresh: 'parley-refresh' } as const
type TokenUse = keyof typeof audiences

export type LocalIdentityConfig = {
  /** Seconds that an ID token lasts. */
  readonly lifetime: number
  /** Seconds that a refresh token lasts. */
  readonly refreshLifetime: number
} & (
  | {
      /** The folder that keeps the signing key in a file; it must exist. */
      readonly folder: string
    }
  | { readonly keys: KeyStore }
)

export interface LocalIdentity extends Identity {
  /**
   * Gives the signing keys back to a store that has lost them, and learns those of other servers: to be called whenever
   * there is a new connection to it.
   * @throws SignalingError UNAVAILABLE
   */
  restore(): Promise<void>
}

/**
 * Parley signs the tokens itself: JWTs (RFC 7519) with ES256 and the claims that Cognito's ID tokens have. It keeps
 * nothing but its keys, so there is nothing to delete when an identity signs out, and no token can be called back.
 * A store of keys that does not answer yet is asked again when a key is needed.
 * @throws Error if the keys can be neither read nor written
 */
export async function local(config: LocalIdentityConfig, clock: Clock): Promise<LocalIdentity> {
  const store = 'folder' in config ? keyFile(join(config.folder, 'identity-key.json')) : config.keys
  const ring = keyRing(store, clock)
  await ring.held().catch(error => {
    if (!(error instanceof SignalingError)) throw error
  })

  /** Signs a token; `from` and `end` are seconds since the epoch. */
  const sign = (key: Key, use: TokenUse, subject: string, from: number, end: number): Promise<string> =>
    new SignJWT({ token_use: use, 'cognito:username': subject })
      .setProtectedHeader({ alg: algorithm, kid: key.kid })
      .setSubject(subject)
      .setIssuer(issuer)
      .setAudience(audiences[use])
      .setIssuedAt(from)
      .setExpirationTime(end)
      .sign(key.signing)

  /** The key that a token names; the first one if that is unknown, or none. */
  async function keyOf(token: string): Promise<Key> {
    const { kid } = decodeProtectedHeader(token)
    const named = (key: Key) => key.kid === kid
    const held = await ring.held()
    if (kid === undefined) return held[0]
    // Another server may have signed it with a key that this one has not heard of.
    return held.find(named) ?? (await ring.recent()).find(named) ?? held[0]
  }

  async function check(use: TokenUse, token: string, proven?: string): Promise<Identified> {
    try {
      const { payload } = await jwtVerify(token, (await keyOf(token)).verifying, {
        algorithms: [algorithm],
        issuer,
        audience: audiences[use],
        requiredClaims: ['sub', 'exp'],
        currentDate: new Date(judgedAt(decodeJwt(token), proven, clock.now())),
      })
      if (payload.token_use !== use || !payload.sub || payload.exp === undefined) throw new errors.JWTInvalid()
      return { subject: payload.sub, username: payload.sub, expiresAt: payload.exp }
    } catch (cause) {
      if (cause instanceof SignalingError) throw cause
      throw new SignalingError('INVALID_TOKEN', undefined, { cause })
    }
  }

  async function giveTokens(username: string): Promise<SignIn> {
    const [key] = await ring.held()
    const now = Math.floor(clock.now() / 1000)
    const expiresAt = now + config.lifetime
    const [idToken, refreshToken] = await Promise.all([
      sign(key, 'id', username, now, expiresAt),
      sign(key, 'refresh', username, now, now + config.refreshLifetime),
    ])
    return { idToken, username, expiresAt, refreshToken }
  }

  return {
    signIn: () => giveTokens(crypto.randomUUID()),
    refresh: async refreshToken => giveTokens((await check('refresh', refreshToken)).subject),
    verify: (idToken, proven) => check('id', idToken, proven),
    async signOut() {},
    keys: async () => {
      // Where the store does not answer, those that are known will do.
      const keys = await ring.recent().catch(() => ring.held())
      return { keys: keys.map(({ published }) => published) }
    },
    ready: async () => void (await ring.held()),
    restore: async () => void (await ring.renew()),
    async close() {},
  }
}
