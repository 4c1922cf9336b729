import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SignalingError } from '@parley/protocol'
import {
  calculateJwkThumbprint,
  decodeJwt,
  errors,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose'
import type { Clock } from '../clock.ts'
import { type Identified, type Identity, judgedAt, type SignIn } from './identity.ts'

const algorithm = 'ES256'
const issuer = 'parley'
/**
 * The kinds of tokens, each for an audience of its own: whoever checks ID tokens with the published keys, but does not
 * look at `token_use`, takes no refresh token for one.
 */
const audiences = { id: 'parley', refresh: 'parley-refresh' } as const
type TokenUse = keyof typeof audiences

export interface LocalIdentityConfig {
  /** The folder that keeps the signing key; it must exist. */
  readonly folder: string
  /** Seconds that an ID token lasts. */
  readonly lifetime: number
  /** Seconds that a refresh token lasts. */
  readonly refreshLifetime: number
}

/**
 * Parley signs the tokens itself: JWTs (RFC 7519) with ES256 and the claims that Cognito's ID tokens have. It keeps
 * nothing but the key, so there is nothing to delete when an identity signs out, and no token can be called back.
 * @throws Error if the key can be neither read nor written
 */
export async function local(config: LocalIdentityConfig, clock: Clock): Promise<Identity> {
  const secret = await openKey(join(config.folder, 'identity-key.json'))
  const { d: _, ...shared } = secret
  const publicJwk = { ...shared, kid: await calculateJwkThumbprint(shared), alg: algorithm, use: 'sig' }
  const signingKey = await importJWK(secret, algorithm)
  const verifyingKey = await importJWK(publicJwk, algorithm)

  /** Signs a token; `from` and `end` are seconds since the epoch. */
  const sign = (use: TokenUse, subject: string, from: number, end: number): Promise<string> =>
    new SignJWT({ token_use: use, 'cognito:username': subject })
      .setProtectedHeader({ alg: algorithm, kid: publicJwk.kid })
      .setSubject(subject)
      .setIssuer(issuer)
      .setAudience(audiences[use])
      .setIssuedAt(from)
      .setExpirationTime(end)
      .sign(signingKey)

  async function check(use: TokenUse, token: string, proven?: string): Promise<Identified> {
    try {
      const { payload } = await jwtVerify(token, verifyingKey, {
        algorithms: [algorithm],
        issuer,
        audience: audiences[use],
        requiredClaims: ['sub', 'exp'],
        currentDate: new Date(judgedAt(decodeJwt(token), proven, clock.now())),
      })
      if (payload.token_use !== use || !payload.sub || payload.exp === undefined) throw new errors.JWTInvalid()
      return { subject: payload.sub, username: payload.sub, expiresAt: payload.exp }
    } catch (cause) {
      throw new SignalingError('INVALID_TOKEN', undefined, { cause })
    }
  }

  async function giveTokens(username: string): Promise<SignIn> {
    const now = Math.floor(clock.now() / 1000)
    const expiresAt = now + config.lifetime
    const [idToken, refreshToken] = await Promise.all([
      sign('id', username, now, expiresAt),
      sign('refresh', username, now, now + config.refreshLifetime),
    ])
    return { idToken, username, expiresAt, refreshToken }
  }

  return {
    signIn: () => giveTokens(crypto.randomUUID()),
    refresh: async refreshToken => giveTokens((await check('refresh', refreshToken)).subject),
    verify: (idToken, proven) => check('id', idToken, proven),
    async signOut() {},
    keys: async () => ({ keys: [publicJwk] }),
    async ready() {},
    async close() {},
  }
}

/** The key in `file`, made and kept there at the first start. Two servers that start at once end with the same key. */
async function openKey(file: string): Promise<JWK> {
  const kept = await readKey(file)
  if (kept) return kept
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
  const draft = `${file}.${crypto.randomUUID()}`
  await writeFile(draft, JSON.stringify(await exportJWK(privateKey)), { mode: 0o600, flag: 'wx', flush: true })
  try {
    // Unlike rename, link fails if the file is there: then the other server was first, and its key counts.
    await link(draft, file)
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
  } finally {
    await rm(draft)
  }
  const key = await readKey(file)
  if (!key) throw new Error(`The signing key ${file} vanished while it was read.`)
  return key
}

async function readKey(file: string): Promise<JWK | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
  const key = parseKey(text)
  if (!key) throw new Error(`The file ${file} is not a signing key; restore it, or delete it to have a new one made.`)
  return key
}

function parseKey(text: string): JWK | undefined {
  try {
    const key: JWK = JSON.parse(text)
    return key.kty === 'EC' && key.crv === 'P-256' && key.d && key.x && key.y ? key : undefined
  } catch {
    return undefined
  }
}

const isErrno = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
