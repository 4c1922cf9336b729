import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'bun:test'
import { createPublicKey } from 'node:crypto'
import { SignalingError } from '@parley/protocol'
import { exportJWK, generateKeyPair, importJWK, type JWTPayload, SignJWT } from 'jose'
import { type FaultProxy, startFaultProxy } from '../../../e2e/aws/fault-proxy.ts'
import { Inbox } from '../../../e2e/inbox.ts'
import { type OpenIdProvider, Refusal, startOpenIdProvider, type Tokens } from '../../../e2e/oidc/openid-provider.ts'
import { type Clock, manualClock, systemClock } from '../clock.ts'
import { identityContract } from './identity.contract.ts'
import type { Identity, SignIn } from './identity.ts'
import { oidc } from './oidc.ts'

const discoveryPath = '/.well-known/openid-configuration'

/** Peers sign in at the provider, over HTTP; all else is the adapter. */
identityContract('oidc', async () => {
  let ahead = 0
  const clock: Clock = {
    now: () => systemClock.now() + ahead,
    uptime: () => systemClock.uptime() + ahead,
    after: systemClock.after,
  }
  const provider = await startOpenIdProvider(clock.now)
  const { issuer, lifetimes, clients } = provider
  const identity = await oidc({ issuer, audience: clients[0] }, clock)
  const told = ({ idToken, refreshToken }: Tokens): SignIn => {
    const { sub, exp } = claimsOf(idToken)
    return { idToken, refreshToken, username: String(sub), expiresAt: Number(exp) }
  }
  // A token ends at a whole second, so somewhat later than its life after it was given out.
  const pass = async (seconds: number) => {
    ahead += (seconds + 2) * 1000
  }
  return {
    identity: {
      ...identity,
      signIn: async () => told(await provider.signIn()),
      refresh: async refreshToken => {
        const tokens = await provider.refresh(refreshToken).catch(cause => {
          throw cause instanceof Refusal ? new SignalingError('INVALID_TOKEN', undefined, { cause }) : cause
        })
        return told(tokens)
      },
      async close() {
        await identity.close()
        await provider.stop()
      },
    },
    expireIdTokens: () => pass(lifetimes.idToken),
    expireRefreshTokens: () => pass(lifetimes.refreshToken),
  }
})

describe('oidc, before a provider that fails', () => {
  let provider: OpenIdProvider
  let proxy: FaultProxy
  let clock: ReturnType<typeof manualClock>
  beforeAll(async () => {
    provider = await startOpenIdProvider()
    proxy = await startFaultProxy(provider.url)
    provider.issueAs(proxy.url)
  })
  afterAll(async () => {
    await proxy.close()
    await provider.stop()
  })
  beforeEach(() => {
    proxy.fault('none')
    clock = manualClock(Date.now())
  })

  const open = () => opened({ issuer: provider.issuer, audience: provider.clients[0] }, clock)
  const questions = () => proxy.seen.filter(name => name === `GET ${discoveryPath}`).length
  const minutes = (count: number) => count * 60_000

  /** Signed by the provider's key: an ID token but for `changes`. */
  const forge = (changes: object = {}, header: object = {}) => {
    const now = Math.floor(clock.now() / 1000)
    const claims = { iss: provider.issuer, aud: 'parley', sub: 'somebody', iat: now, exp: now + 60, ...changes }
    return signed(claims, provider.signingKey, header)
  }

  test('takes ID tokens of its client, and no access tokens or tokens of other clients', async () => {
    const identity = await open()
    const { idToken, accessToken } = await provider.signIn('somebody')
    expect(await identity.verify(idToken)).toEqual({
      subject: 'somebody',
      username: 'somebody',
      expiresAt: Number(claimsOf(idToken).exp),
    })
    expect(claimsOf(accessToken)).toMatchObject({ aud: 'parley', sub: 'somebody' })
    expect(await codeOf(identity.verify(accessToken))).toBe('INVALID_TOKEN')
    const other = await provider.signIn('somebody', provider.clients[1])
    expect(await codeOf(identity.verify(other.idToken))).toBe('INVALID_TOKEN')
  })

  test('sends whoever wants to sign in, or to refresh, to the issuer', async () => {
    const identity = await open()
    for (const promise of [identity.signIn(), identity.refresh('x')]) {
      const error = await promise.catch(error => error)
      expect([error.code, error.message]).toEqual([
        'SIGN_IN_ELSEWHERE',
        `This server takes the ID tokens of ${proxy.url}; sign in there.`,
      ])
    }
  })

  const taken: Record<string, readonly [claims: object, header?: object]> = {
    'of an ID token, and nothing else': [{}],
    'and typ JWT': [{}, { typ: 'JWT' }],
    'and its use, as Cognito and Keycloak name it': [{ token_use: 'id', typ: 'ID' }],
    'and a list of one audience': [{ aud: ['parley'] }],
    'for one audience, on behalf of another client': [{ azp: 'phone' }],
    'for several audiences, given to our client': [{ aud: ['parley', 'other'], azp: 'parley' }],
    'of an issuer whose clock is half a minute ahead': [{ nbf: Math.floor(Date.now() / 1000) + 30 }],
    'with a sub of 255 characters': [{ sub: 'x'.repeat(255) }],
  }
  test.each(Object.keys(taken))('takes what has the claims %s', async name => {
    const [claims, header] = taken[name] ?? [{}]
    await (await open()).verify(await forge(claims, header))
  })

  const refused: Record<string, readonly [claims: object, header?: object]> = {
    'another issuer': [{ iss: 'https://issuer.example' }],
    'no issuer': [{ iss: undefined }],
    'another audience': [{ aud: 'other' }],
    'no audience': [{ aud: undefined }],
    'no end': [{ exp: undefined }],
    'an end that is no number': [{ exp: '9999999999' }],
    'an end in the past': [{ exp: Math.floor(Date.now() / 1000) - 1 }],
    'no time of issue': [{ iat: undefined }],
    'a beginning in the future': [{ nbf: Math.floor(Date.now() / 1000) + 3600 }],
    'no subject': [{ sub: undefined }],
    'an empty subject': [{ sub: '' }],
    'a subject that is no text': [{ sub: 7 }],
    'a subject of 256 characters': [{ sub: 'x'.repeat(256) }],
    'a subject beyond ASCII': [{ sub: 'ü' }],
    'a subject with a line feed': [{ sub: 'a\n' }],
    'several audiences, and nobody it was given to': [{ aud: ['parley', 'other'] }],
    'several audiences, and given to another': [{ aud: ['parley', 'other'], azp: 'other' }],
    'typ at+jwt': [{}, { typ: 'at+jwt' }],
    'typ application/at+jwt': [{}, { typ: 'application/at+jwt' }],
    'typ logout+jwt': [{}, { typ: 'logout+jwt' }],
    'token_use access': [{ token_use: 'access' }],
    'typ Bearer among its claims': [{ typ: 'Bearer' }],
    'a scope': [{ scope: 'openid' }],
    'scopes as Entra names them': [{ scp: 'user.read' }],
    'events of a logout': [{ events: {} }],
  }
  test.each(Object.keys(refused))('refuses what has %s', async name => {
    const [claims, header] = refused[name] ?? [{}]
    expect(await codeOf((await open()).verify(await forge(claims, header)))).toBe('INVALID_TOKEN')
  })

  test('refuses a token from the second on in which it ends', async () => {
    const identity = await open()
    const exp = Math.ceil(clock.now() / 1000) + 1
    const token = await forge({ exp })
    clock.advance(exp * 1000 - 1 - clock.now())
    await identity.verify(token)
    clock.advance(1)
    expect(await codeOf(identity.verify(token))).toBe('INVALID_TOKEN')
  })

  test('refuses tokens without a signature, and those signed with the public key as a secret', async () => {
    const identity = await open()
    await identity.ready()
    const claims = claimsOf(await forge())
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    for (const alg of ['none', 'None', 'NONE']) {
      expect(await codeOf(identity.verify(`${encode({ alg })}.${encode(claims)}.`))).toBe('INVALID_TOKEN')
    }
    const { keys } = (await identity.keys()) as { keys: [Record<'kid' | 'n', string>] }
    const key = createPublicKey({ key: { ...keys[0] }, format: 'jwk' })
    const secrets = [
      key.export({ type: 'spki', format: 'pem' }),
      key.export({ type: 'spki', format: 'der' }),
      JSON.stringify(keys[0]),
      keys[0].n,
    ]
    for (const secret of secrets) {
      for (const alg of ['HS256', 'HS384', 'HS512']) {
        const token = await new SignJWT(claims)
          .setProtectedHeader({ alg, kid: keys[0].kid })
          .sign(Buffer.from(secret).length < 64 ? Buffer.alloc(64) : Buffer.from(secret))
        expect(await codeOf(identity.verify(token))).toBe('INVALID_TOKEN')
      }
    }
  })

  test('refuses tokens of another issuer, and does not ask its own for their keys', async () => {
    const other = await startOpenIdProvider()
    onTestFinished(() => other.stop())
    const identity = await open()
    await identity.ready()
    clock.advance(minutes(1))
    const before = questions()
    expect(await codeOf(identity.verify((await other.signIn()).idToken))).toBe('INVALID_TOKEN')
    expect(questions()).toBe(before)
    const impostor = await signed(claimsOf(await forge()), { ...other.signingKey, kid: provider.signingKey.kid })
    expect(await codeOf(identity.verify(impostor))).toBe('INVALID_TOKEN')
    expect(questions()).toBe(before)
  })

  test('asks once for all who come before it has the keys', async () => {
    const before = questions()
    const identity = await open()
    const { idToken } = await provider.signIn()
    const outcomes = Array.from({ length: 20 }, () => codeOf(identity.verify(idToken)))
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['taken']))
    expect(questions()).toBe(before + 1)
  })

  test('asks for the key that a token names when it has not got it, and gives up those that are no more', async () => {
    const identity = await open()
    const old = await provider.signIn()
    await identity.verify(old.idToken)
    provider.rotateKeys()
    const { idToken } = await provider.signIn()
    await identity.verify(old.idToken)
    clock.advance(5_000)
    await identity.verify(idToken)
    expect(await codeOf(identity.verify(old.idToken))).toBe('INVALID_TOKEN')
    expect((await identity.keys()).keys).toEqual([expect.objectContaining({ kid: provider.signingKey.kid })])
  })

  test('asks for new keys every ten minutes, whether or not anybody comes', async () => {
    const identity = await open()
    const { idToken } = await provider.signIn()
    await identity.verify(idToken)
    provider.rotateKeys()
    clock.advance(minutes(10))
    await identity.ready()
    expect(await codeOf(identity.verify(idToken))).toBe('INVALID_TOKEN')
  })

  test('does not pester the issuer for keys that nobody has', async () => {
    const identity = await open()
    await identity.ready()
    const before = questions()
    for (let round = 1; round <= 3; round++) {
      clock.advance(5_000)
      const tokens = await Promise.all(Array.from({ length: 30 }, () => forge({}, { kid: crypto.randomUUID() })))
      for (const token of tokens.slice(0, 15)) expect(await codeOf(identity.verify(token))).toBe('INVALID_TOKEN')
      const outcomes = await Promise.all(tokens.slice(15).map(token => codeOf(identity.verify(token))))
      expect(new Set(outcomes)).toEqual(new Set(['INVALID_TOKEN']))
      expect(questions()).toBe(before + round)
    }
  })

  test('goes on with the keys it has while the issuer hangs, waits for nobody, and finds back', async () => {
    const identity = await open()
    const idToken = await forge({ exp: Math.floor(clock.now() / 1000) + 86_400 })
    await identity.verify(idToken)
    proxy.fault('hung')
    clock.advance(minutes(10))
    const unready = codeOf(identity.ready())
    const unknown = codeOf(identity.verify(await forge({}, { kid: 'unknown' })))
    await identity.verify(idToken)
    expect((await identity.keys()).keys).toHaveLength(1)
    clock.advance(4_000)
    expect([await unready, await unknown]).toEqual(['UNAVAILABLE', 'UNAVAILABLE'])
    await identity.verify(idToken)
    proxy.fault('none')
    clock.advance(1_000)
    await identity.ready()
    expect(await codeOf(identity.verify(await forge({}, { kid: 'unknown' })))).toBe('INVALID_TOKEN')
  })

  test('gives up keys that no issuer has confirmed for a day', async () => {
    const identity = await open()
    const idToken = await forge({ exp: Math.floor(clock.now() / 1000) + 1_000_000 })
    await identity.verify(idToken)
    proxy.fault('refused')
    clock.advance(minutes(24 * 60) - 1)
    await identity.verify(idToken)
    clock.advance(1)
    expect(await codeOf(identity.verify(idToken))).toBe('UNAVAILABLE')
    proxy.fault('none')
    clock.advance(1_000)
    await identity.verify(idToken)
  })

  test('starts without its issuer, says that it is unavailable, and begins when it is there', async () => {
    proxy.fault('refused')
    const identity = await open()
    const { idToken } = await provider.signIn()
    expect(await codeOf(identity.verify(idToken))).toBe('UNAVAILABLE')
    expect(await codeOf(identity.keys())).toBe('UNAVAILABLE')
    expect(await codeOf(identity.ready())).toBe('UNAVAILABLE')
    expect(await codeOf(identity.verify('x'))).toBe('INVALID_TOKEN')
    await identity.signOut(['somebody'])
    // By now its own tries are far apart; whoever comes has it try again sooner.
    for (let second = 0; second < 6; second++) {
      clock.advance(1_000)
      expect(await codeOf(identity.ready())).toBe('UNAVAILABLE')
    }
    proxy.fault('none')
    clock.advance(1_000)
    await identity.verify(idToken)
  })

  test.each([
    ['discovery', /openid-configuration/],
    ['the keys', /jwks/],
  ])('gives up after four seconds when %s hangs', async (_, only) => {
    proxy.fault('hung', only)
    const identity = await open()
    const late = codeOf(identity.verify(await forge()))
    const unready = codeOf(identity.ready())
    clock.advance(3_999)
    expect(await Promise.race([late, 'waits'])).toBe('waits')
    clock.advance(1)
    expect([await late, await unready]).toEqual(['UNAVAILABLE', 'UNAVAILABLE'])
  })

  test.each(['cut', 'throttled', { status: 500 }] as const)('is unavailable when the issuer fails: %j', async fault => {
    for (const only of [/openid-configuration/, /jwks/]) {
      proxy.fault(fault, only)
      const identity = await open()
      expect(await codeOf(identity.verify(await forge()))).toBe('UNAVAILABLE')
      proxy.fault('none')
      clock.advance(1_000)
      await identity.verify(await forge())
    }
  })

  test('asks no more when it is closed, and lets nobody wait', async () => {
    proxy.fault('hung')
    const identity = await open()
    const late = codeOf(identity.verify(await forge()))
    await identity.close()
    expect(await late).toBe('UNAVAILABLE')
    proxy.fault('none')
    const before = questions()
    clock.advance(minutes(60))
    expect(await codeOf(identity.ready())).toBe('UNAVAILABLE')
    expect(questions()).toBe(before)
  })
})

describe('oidc, before an issuer that says other things', () => {
  test('tries again by itself', async () => {
    const issuer = await startIssuer()
    const good = issuer.answers['/jwks']
    issuer.answers['/jwks'] = () => new Response('', { status: 503 })
    const clock = manualClock()
    const identity = await opened({ issuer: issuer.url, audience: 'parley' }, clock)
    for (let time = 0; time < 3; time++) {
      await issuer.asked.find(path => path === '/jwks')
      expect(await codeOf(identity.ready())).toBe('UNAVAILABLE')
      if (time === 2 && good) issuer.answers['/jwks'] = good
      clock.advance(1_000 * 2 ** time)
    }
    await issuer.asked.find(path => path === '/jwks')
    await identity.ready()
  })

  test('finds the keys of an issuer whose name has a path and a slash at its end', async () => {
    const issuer = await startIssuer('/tenant/')
    const identity = await opened({ issuer: `${issuer.url}/tenant/`, audience: 'parley' }, manualClock())
    await identity.ready()
    expect(await issuer.asked.next()).toBe(`/tenant${discoveryPath}`)
    expect((await identity.keys()).keys).toEqual([issuer.publicKey])
  })

  test('tells on no key that is secret, nor trusts it', async () => {
    const issuer = await startIssuer()
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const [given, known] = [await exportJWK(privateKey), await exportJWK(publicKey)]
    issuer.answers['/jwks'] = () =>
      Response.json({ keys: [{ ...given, kid: 'given' }, { kty: 'oct', k: 'c2VjcmV0' }, null, { ...known, kid: 'a' }] })
    const identity = await opened({ issuer: issuer.url, audience: 'parley' }, systemClock)
    expect((await identity.keys()).keys).toEqual([{ ...known, kid: 'a' }])
    const now = Math.floor(Date.now() / 1000)
    const claims = { iss: issuer.url, aud: 'parley', sub: 'somebody', iat: now, exp: now + 60 }
    const token = (kid: string) => signed(claims, { ...given, alg: 'ES256', kid })
    expect(await codeOf(identity.verify(await token('given')))).toBe('INVALID_TOKEN')
    expect(await codeOf(identity.verify(await token('a')))).toBe('taken')
  })

  const documents: Record<string, readonly [path: string, answer: (url: string) => Response, cause: RegExp]> = {
    'another issuer': [
      discoveryPath,
      at => discovered(at, { issuer: 'https://id.example' }),
      /is of the issuer "https/,
    ],
    'the issuer with a slash': [discoveryPath, at => discovered(at, { issuer: `${at}/` }), /is of the issuer/],
    'no issuer': [discoveryPath, at => discovered(at, { issuer: undefined }), /is of the issuer undefined/],
    'no place of the keys': [discoveryPath, at => discovered(at, { jwks_uri: undefined }), /names no URL/],
    'keys without TLS elsewhere': [
      discoveryPath,
      at => discovered(at, { jwks_uri: 'http://keys.example/' }),
      /http:\/\/keys\.example\/ of .* must begin with https:/,
    ],
    'keys in a file': [discoveryPath, at => discovered(at, { jwks_uri: 'file:///etc/keys' }), /must begin with https/],
    'a redirect': [discoveryPath, at => Response.redirect(`${at}/elsewhere`), /answered 302/],
    'a redirect of the keys': ['/jwks', at => Response.redirect(`${at}/elsewhere`), /answered 302/],
    'a document too big': [discoveryPath, () => new Response(' '.repeat(300_000)), /more than 262144 bytes/],
    'keys without an end': ['/jwks', () => endless(), /more than 262144 bytes/],
    'text instead of JSON': [discoveryPath, () => new Response('<html>'), /JSON/],
    'nothing in JSON': [discoveryPath, () => new Response('null'), /no JSON object/],
    'no list of keys': ['/jwks', () => Response.json({ keys: {} }), /has no public keys/],
    'an empty list of keys': ['/jwks', () => Response.json({ keys: [] }), /has no public keys/],
  }
  test.each(Object.keys(documents))('is unavailable, and says to the log why: %s', async name => {
    const [path, answer, cause] = documents[name] ?? ['', () => new Response(), /x/]
    const issuer = await startIssuer()
    issuer.answers['/elsewhere'] = issuer.answers[path] ?? answer
    issuer.answers[path] = answer
    const identity = await opened({ issuer: issuer.url, audience: 'parley' }, manualClock())
    const error = await identity.ready().catch(error => error)
    expect([error.code, error.message]).toEqual([
      'UNAVAILABLE',
      `${issuer.url} does not answer as an OpenID provider does.`,
    ])
    expect(String(error.cause)).toMatch(cause)
  })

  test.each(['http://id.example', 'http://127.0.0.1.example', 'ftp://localhost', 'id.example', ''])(
    'does not start for the issuer "%s"',
    async issuer => {
      await expect(oidc({ issuer, audience: 'parley' }, manualClock())).rejects.toThrow()
    },
  )
})

/** An adapter that ends with its test. */
async function opened(config: { issuer: string; audience: string }, clock: Clock): Promise<Identity> {
  const identity = await oidc(config, clock)
  onTestFinished(() => identity.close())
  return identity
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'taken',
    error => error.code,
  )

const claimsOf = (token: string): JWTPayload =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())

async function signed(claims: JWTPayload, jwk: Readonly<Record<string, unknown>>, header: object = {}) {
  const alg = String(jwk.alg)
  const key = await importJWK(jwk, alg)
  return new SignJWT(claims).setProtectedHeader({ alg, kid: String(jwk.kid), ...header }).sign(key)
}

const discovered = (url: string, changes: object = {}, path = ''): Response =>
  Response.json({ issuer: `${url}${path}`, jwks_uri: `${url}/jwks`, ...changes })

/** An answer that goes on for as long as somebody reads it. */
const endless = (): Response =>
  new Response(new ReadableStream({ pull: controller => controller.enqueue(new Uint8Array(10_000)) }))

/** An issuer that gives out no tokens, but answers what it is told to. It ends with its test. */
async function startIssuer(path = '') {
  const { publicKey: key } = await generateKeyPair('ES256')
  const publicKey = { ...(await exportJWK(key)), kid: 'a' }
  const asked = new Inbox<string>()
  const answers: Record<string, (url: string) => Response> = {
    [`${path.replace(/\/$/, '')}${discoveryPath}`]: url => discovered(url, {}, path),
    '/jwks': () => Response.json({ keys: [publicKey] }),
  }
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch({ url }) {
      const { pathname, origin } = new URL(url)
      asked.push(pathname)
      return answers[pathname]?.(origin) ?? new Response('', { status: 404 })
    },
  })
  onTestFinished(() => server.stop(true))
  return { url: server.url.origin, asked, answers, publicKey }
}
