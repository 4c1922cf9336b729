import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createPublicKey } from 'node:crypto'
import { generateKeyPair, SignJWT } from 'jose'
import { lifetimes, signingKey } from '../../../e2e/aws/cognito-local.ts'
import {
  type CognitoWorld,
  keptLog,
  region,
  setEnvironment,
  startCognitoWorld,
  testClock,
} from '../../test/cognito-world.ts'
import { systemClock } from '../clock.ts'
import { identityContract } from './identity.contract.ts'

identityContract('cognito', async () => {
  const world = await startCognitoWorld()
  /** Time passes at the provider and here. */
  let ahead = 0
  const clock = {
    ...systemClock,
    now: () => systemClock.now() + ahead,
    uptime: () => systemClock.uptime() + ahead,
  }
  const identity = await world.open({ clock })
  const pass = async (seconds: number) => {
    ahead += seconds * 1000
    await world.emulator.advance(seconds * 1000)
  }
  return {
    identity: { ...identity, close: async () => world[Symbol.asyncDispose]() },
    expireIdTokens: () => pass(lifetimes.idToken),
    expireRefreshTokens: () => pass(lifetimes.refreshToken),
  }
})

describe('cognito', () => {
  let world: CognitoWorld
  beforeAll(async () => {
    world = await startCognitoWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  test('makes users as the original did, whose password is good for any policy', async () => {
    const identity = await world.open()
    const { username, idToken } = await identity.signIn()
    expect(username).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
    const { Username, UserStatus, Enabled, UserAttributes } = await world.emulator.call('AdminGetUser', {
      UserPoolId: world.userPoolId,
      Username: username,
    })
    expect({ Username, UserStatus, Enabled }).toEqual({ Username: username, UserStatus: 'CONFIRMED', Enabled: true })
    const { subject } = await identity.verify(idToken)
    expect(UserAttributes).toEqual([{ Name: 'sub', Value: subject }])
  })

  test('signs out a user, after which its refresh token is not good any more', async () => {
    const identity = await world.open()
    const [gone, stays] = [await identity.signIn(), await identity.signIn()]
    await identity.signOut([(await identity.verify(gone.idToken)).username])
    const usernames = await world.emulator.usernames(world.userPoolId)
    expect(usernames).not.toContain(gone.username)
    expect(usernames).toContain(stays.username)
    await expect(identity.refresh(gone.refreshToken)).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
    expect((await identity.refresh(stays.refreshToken)).refreshToken).toBe(stays.refreshToken)
    // Decision 4: an ID token stays good until it ends.
    expect((await identity.verify(gone.idToken)).expiresAt).toBe(gone.expiresAt)
  })

  test('asks nobody about a refresh token that Cognito cannot have given', async () => {
    const identity = await world.open()
    const before = world.proxy.seen.length
    for (const token of ['', 'a b', 'ä', '\u0000', 'a'.repeat(16_385)]) {
      await expect(identity.refresh(token)).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
    }
    expect(world.proxy.seen.slice(before).filter(name => !name.startsWith('GET'))).toEqual([])
  })

  test('takes the ID tokens of its own pool and client that have an end, and no other tokens', async () => {
    const identity = await world.open()
    const { userPoolId, clientId, emulator, token } = world
    const other = await emulator.createPool()
    const strangers = await generateKeyPair('RS256')
    const claims = {
      sub: 'a',
      aud: clientId,
      token_use: 'id',
      iss: `https://cognito-idp.${region}.amazonaws.com/${userPoolId}`,
    }
    const unsigned = (header: object) =>
      [header, { ...claims, exp: 9_999_999_999 }].map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    const publicPem = createPublicKey(signingKey.pem).export({ format: 'pem', type: 'spki' })
    const at = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

    const { username } = await identity.signIn()
    await emulator.call('AdminSetUserPassword', {
      UserPoolId: userPoolId,
      Username: username,
      Password: 'aA1!aaaa',
      Permanent: true,
    })
    const { AuthenticationResult } = (await emulator.call('InitiateAuth', {
      ClientId: clientId,
      AuthFlow: 'USER_PASSWORD_AUTH',
      AuthParameters: { USERNAME: username, PASSWORD: 'aA1!aaaa' },
    })) as { AuthenticationResult: { AccessToken: string; IdToken: string } }

    expect((await identity.verify(await token({ sub: 'a' }))).subject).toBe('a')
    expect((await identity.verify(AuthenticationResult.IdToken)).subject).toBeString()
    const refused = {
      'access token of the same user': AuthenticationResult.AccessToken,
      'access token': await token({ token_use: 'access', client_id: clientId }),
      'no use': await token({ token_use: undefined }),
      'no audience': await token({ aud: undefined }),
      'no audience, but a client': await token({ aud: undefined, client_id: clientId }),
      'list of audiences': await token({ aud: [clientId, 'other'] }),
      'other client': await token({ aud: await emulator.createClient(userPoolId) }),
      'other pool': await token({ iss: `https://cognito-idp.${region}.amazonaws.com/${other.userPoolId}` }),
      'other region': await token({ iss: `https://cognito-idp.eu-west-1.amazonaws.com/${userPoolId}` }),
      'issuer of no pool': await token({ iss: 'https://cognito-idp.us-east-1.amazonaws.com.example/x' }),
      'no issuer': await token({ iss: undefined }),
      'no end': await token({ exp: undefined }),
      'end that is a text': await token({ exp: String(at(3600)) }).catch(() => 'not made'),
      ended: await token({ exp: at(-1) }),
      'not yet': await token({ nbf: at(60) }),
      'no subject': await token({ sub: undefined }),
      'empty subject': await token({ sub: '' }),
      'no kid': await token({}, { kid: undefined }),
      'unknown kid': await token({}, { kid: 'other' }),
      'key of a stranger': await new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', kid: signingKey.kid })
        .setExpirationTime('1h')
        .sign(strangers.privateKey),
      'other algorithm': await token({}, { alg: 'RS512' }),
      'public key as a secret': await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', kid: signingKey.kid })
        .setExpirationTime('1h')
        .sign(Buffer.from(publicPem)),
      'alg none': `${unsigned({ alg: 'none', kid: signingKey.kid }).join('.')}.`,
      'alg none, signed': `${unsigned({ alg: 'none', kid: signingKey.kid }).join('.')}.YQ`,
      'too long': await token({ pad: 'a'.repeat(16_384) }),
    }
    for (const [what, hostile] of Object.entries(refused)) {
      const outcome = await identity.verify(hostile).catch(error => error.code)
      expect([what, outcome]).toEqual([what, 'INVALID_TOKEN'])
    }
  })

  test('goes by its own clock for the end of a token', async () => {
    const clock = testClock()
    const identity = await world.open({ clock })
    const { idToken, expiresAt } = await identity.signIn()
    clock.advance(expiresAt * 1000 - clock.now() - 1)
    expect((await identity.verify(idToken)).expiresAt).toBe(expiresAt)
    clock.advance(1)
    await expect(identity.verify(idToken)).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
  })

  test('names the pool that is not there', async () => {
    const identity = await world.open({ userPoolId: `${region}_nowhere` })
    await expect(identity.ready()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `Cognito knows no user pool ${region}_nowhere in ${region}.`,
    })
    await expect(world.open({ userPoolId: 'nowhere' })).rejects.toThrow('Invalid Cognito User Pool ID: nowhere')
  })

  describe('says for the operator why Cognito refuses', () => {
    const causeOf = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => 'not refused',
        ({ code, message, context }) => [code, message, String(context.cause)],
      )
    const refused = (cause: string) => [
      'UNAVAILABLE',
      'The identity provider refuses this server.',
      expect.stringContaining(cause),
    ]

    test('to serve a client without passwords', async () => {
      const clientId = await world.emulator.createClient(world.userPoolId, ['ALLOW_REFRESH_TOKEN_AUTH'])
      const identity = await world.open({ clientId })
      expect(await causeOf(identity.signIn())).toEqual(
        refused(
          'Cognito refuses InitiateAuth: USER_PASSWORD_AUTH flow not enabled for this client (InvalidParameterException)',
        ),
      )
    })

    test('to give a refresh token, by the flow that the client lacks', async () => {
      await using cognito = answering(world.emulator.url, answer => answer.replace('"RefreshToken"', '"None"'))
      const identity = await world.open({ endpoint: cognito.url })
      expect(await causeOf(identity.signIn())).toEqual([
        'UNAVAILABLE',
        'The identity provider does not answer.',
        'Error: Cognito gives no refresh token: the app client lacks ALLOW_REFRESH_TOKEN_AUTH.',
      ])
    })

    test('to renew tokens of a client without that', async () => {
      const { refreshToken } = await (await world.open()).signIn()
      const clientId = await world.emulator.createClient(world.userPoolId, ['ALLOW_USER_PASSWORD_AUTH'])
      const log = keptLog()
      const identity = await world.open({ clientId, log })
      for (let time = 0; time < 2; time++) {
        await expect(identity.refresh(refreshToken)).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
      }
      expect(log.lines).toEqual([
        {
          msg: 'refresh token refused',
          cause:
            'Cognito refuses InitiateAuth: REFRESH_TOKEN_AUTH flow not enabled for this client (InvalidParameterException)',
        },
      ])
    })

    test('to serve a client that is not there', async () => {
      const identity = await world.open({ clientId: 'nobody' })
      expect(await causeOf(identity.signIn())).toEqual(
        refused('Cognito refuses SignUp: App Client nobody not found (ResourceNotFoundException)'),
      )
    })

    test('what its role does not allow', async () => {
      await using cognito = refusing(world.emulator.url, /^Admin/, 'AccessDeniedException')
      const identity = await world.open({ endpoint: cognito.url })
      expect(await causeOf(identity.signIn())).toEqual(
        refused('Cognito refuses AdminConfirmSignUp: not allowed (AccessDeniedException)'),
      )
      await expect(identity.signOut([crypto.randomUUID(), crypto.randomUUID()])).rejects.toThrow(
        '2 of 2 users were not deleted, and are tried again later: Cognito refuses AdminDeleteUser: not allowed (AccessDeniedException)',
      )
    })

    test('to confirm users, after which nobody is signed up for ten seconds', async () => {
      const clock = testClock()
      await using cognito = refusing(world.emulator.url, /^Admin/, 'AccessDeniedException')
      const identity = await world.open({ endpoint: cognito.url, clock })
      const before = await world.emulator.usernames(world.userPoolId)
      const newUsers = async () => (await world.emulator.usernames(world.userPoolId)).length - before.length
      const outcome = refused('Cognito refuses AdminConfirmSignUp: not allowed (AccessDeniedException)')
      for (const [ms, users] of [
        [0, 1],
        [0, 1],
        [9_999, 1],
        [1, 2],
        [9_999, 2],
      ] as const) {
        clock.advance(ms)
        expect(await causeOf(identity.signIn())).toEqual(outcome)
        expect(await newUsers()).toBe(users)
      }
      cognito.permit()
      expect(await causeOf(identity.signIn())).toEqual(outcome)
      clock.advance(1)
      expect(await causeOf(identity.signIn())).toBe('not refused')
    })

    test('when there are no credentials', async () => {
      const identity = await world.open()
      const restore = setEnvironment({ AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined })
      try {
        expect(await causeOf(identity.signIn())).toEqual(
          refused('No AWS credentials for AdminConfirmSignUp: Could not load credentials from any providers'),
        )
      } finally {
        restore()
      }
      expect(await causeOf(identity.signIn())).toBe('not refused')
    })
  })
})

/** Passes calls on to a Cognito, except for those that it refuses until it is told to permit them. */
function refusing(target: string, operation: RegExp, type: string) {
  let isPermitted = false
  const server = between(async request => {
    const name = request.headers.get('x-amz-target')?.replace(/^.*\./, '') ?? ''
    if (isPermitted || !operation.test(name)) return passOn(target, request)
    const headers = { 'content-type': 'application/x-amz-json-1.1' }
    return new Response(JSON.stringify({ __type: type, message: 'not allowed' }), { status: 400, headers })
  })
  const permit = () => {
    isPermitted = true
  }
  return { ...server, permit }
}

/** Passes calls on to a Cognito, and changes what it answers. */
const answering = (target: string, change: (answer: string) => string) =>
  between(async request => {
    const answer = await passOn(target, request)
    const headers = { 'content-type': answer.headers.get('content-type') ?? '' }
    return new Response(change(await answer.text()), { status: answer.status, headers })
  })

function between(fetch: (request: Request) => Promise<Response>): AsyncDisposable & { readonly url: string } {
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch })
  return { url: server.url.href, [Symbol.asyncDispose]: () => server.stop(true) }
}

async function passOn(target: string, request: Request): Promise<Response> {
  const body = request.method === 'POST' ? { body: await request.arrayBuffer() } : {}
  return fetch(target + new URL(request.url).pathname, { method: request.method, headers: request.headers, ...body })
}
