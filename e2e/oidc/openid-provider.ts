/// <reference path="./oidc-provider.d.ts" />
import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Context, Provider } from 'oidc-provider'
import { shelf } from './shelf.ts'

/** What a sign-in gives. */
export interface Tokens {
  readonly idToken: string
  /** A JWT as well (RFC 9068), for the same audience and signed with the same key. */
  readonly accessToken: string
  readonly refreshToken: string
}

/** The provider has refused something, with an error of OAuth 2.0 (RFC 6749 section 5.2). */
export class Refusal extends Error {}

/** An OpenID provider of one's own on loopback: the package oidc-provider, with clients, users and keys in memory. */
export interface OpenIdProvider {
  /** Where it listens. */
  readonly url: string
  /** Its name; at first its URL. */
  readonly issuer: string
  /** The client ids that it knows: public ones, without a secret. */
  readonly clients: readonly [string, string]
  /** Seconds that its tokens last. */
  readonly lifetimes: { readonly idToken: number; readonly refreshToken: number }
  /** Signs in by the authorization code flow with PKCE. Default: a new user, at the first client. @throws Refusal */
  signIn(user?: string, client?: string): Promise<Tokens>
  /** The refresh token is used up by it, and the next is among the tokens. @throws Refusal */
  refresh(refreshToken: string): Promise<Tokens>
  /** The private key that tokens are signed with at the moment (RFC 7517), to forge with. */
  readonly signingKey: Readonly<Record<string, unknown>>
  /** From now on there is a new key only, and none of before. */
  rotateKeys(): void
  /** From now on it has this name, under which something passes on to `url` what it is asked. */
  issueAs(issuer: string): void
  stop(): Promise<void>
}

const clients = ['parley', 'another app'] as const
const lifetimes = { idToken: 3600, refreshToken: 86_400 } as const
/** Nobody is there; the browser that we play stops before it. */
const redirectUri = 'https://app.example/signed-in'

/** Starts one. @param now milliseconds since the epoch, for what lasts some time */
export async function startOpenIdProvider(now: () => number = Date.now): Promise<OpenIdProvider> {
  const store = shelf(now)
  let signingKey = newKey()
  let issuer = ''
  let provider: Provider
  let handle: ReturnType<Provider['callback']>

  const server = createServer((request, response) => {
    // The URLs in its documents are made of it.
    request.headers.host = new URL(issuer).host
    const answered = request.url?.startsWith('/interaction/') ? logIn(request, response) : handle(request, response)
    answered.catch(error => response.writeHead(500).end(String(error)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  issueAs(url)

  /** Its authors have keys and names change with a start. */
  function issueAs(name: string): void {
    issuer = name
    provider = new Provider(issuer, configure(store, signingKey, now))
    handle = provider.callback()
  }

  /** The page on which a user would type a name and a password. */
  async function logIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { params } = await provider.interactionDetails(request, response)
    await provider.interactionFinished(request, response, { login: { accountId: params.login_hint } })
  }

  async function redeem(grant: Record<string, string>): Promise<Tokens> {
    const response = await fetch(`${url}/token`, { method: 'POST', body: new URLSearchParams(grant) })
    const answer = (await response.json()) as Record<string, string>
    const { id_token: idToken, access_token: accessToken, refresh_token: refreshToken } = answer
    if (!idToken || !accessToken || !refreshToken) throw new Refusal(`${answer.error}: ${answer.error_description}`)
    return { idToken, accessToken, refreshToken }
  }

  return {
    url,
    clients,
    lifetimes,
    get issuer() {
      return issuer
    },
    get signingKey() {
      return signingKey
    },
    async signIn(user = randomUUID(), client = clients[0]) {
      const verifier = randomBytes(32).toString('base64url')
      const query = new URLSearchParams({
        client_id: client,
        response_type: 'code',
        scope: 'openid',
        redirect_uri: redirectUri,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        login_hint: user,
      })
      const code = await browse(url, `/auth?${query}`)
      return redeem({
        grant_type: 'authorization_code',
        client_id: client,
        redirect_uri: redirectUri,
        code_verifier: verifier,
        code,
      })
    },
    refresh: refreshToken =>
      redeem({ grant_type: 'refresh_token', client_id: clients[0], refresh_token: refreshToken }),
    rotateKeys() {
      signingKey = newKey()
      issueAs(issuer)
    },
    issueAs,
    async stop() {
      const stopped = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await stopped
    },
  }
}

/** Does what a browser does between the page of an app and its return to it. @returns the authorization code */
async function browse(url: string, path: string): Promise<string> {
  const cookies = new Map<string, string>()
  for (let target = new URL(path, url); ; ) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url + target.pathname + target.search, { redirect: 'manual', headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = line.match(/^([^=]+)=([^;]*)/) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (!location) throw new Refusal(`${response.status}: ${await response.text()}`)
    target = new URL(location, url)
    if (!target.href.startsWith(redirectUri)) continue
    const code = target.searchParams.get('code')
    if (!code) throw new Refusal(target.search)
    return code
  }
}

/** An RSA key, as most issuers have it: RS256 is what OpenID Connect Core 1.0 section 2 has all of them know. */
function newKey(): Record<string, unknown> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'RS256', use: 'sig' }
}

/** Whoever asks is signed in, agrees to everything, and may stay. */
function configure(adapter: ReturnType<typeof shelf>, signingKey: object, now: () => number): object {
  // It has no clock to set, but asks how long a token is to last.
  const ahead = () => Math.round((now() - Date.now()) / 1000)
  return {
    adapter,
    jwks: { keys: [signingKey] },
    cookies: { keys: ['secret of a test'] },
    clients: clients.map(client_id => ({
      client_id,
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: [redirectUri],
    })),
    findAccount: (_: Context, sub: string) => ({ accountId: sub, claims: () => ({ sub }) }),
    interactions: { url: (_: Context, { uid }: { uid: string }) => `/interaction/${uid}` },
    loadExistingGrant: async ({ oidc: { provider, client, session } }: Context) => {
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
      grant.addOIDCScope('openid')
      await grant.save()
      return grant
    },
    issueRefreshToken: () => true,
    ttl: {
      IdToken: () => lifetimes.idToken + ahead(),
      RefreshToken: lifetimes.refreshToken,
      AccessToken: 3600,
      Grant: 2_592_000,
      Session: 2_592_000,
      Interaction: 3600,
    },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://signaling.example',
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: 'signal', audience: clients[0], accessTokenFormat: 'jwt' }),
      },
    },
  }
}
