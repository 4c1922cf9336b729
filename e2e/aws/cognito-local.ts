import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What its process can be told. */
export type Command = { readonly act: 'advance'; readonly milliseconds: number } | { readonly act: 'changeKeys' }

export interface Pool {
  readonly userPoolId: string
  readonly clientId: string
}

/** A Cognito of one's own on loopback: empty, in memory, without credentials to check. */
export interface CognitoLocal {
  readonly url: string
  /** A pool as the original's: plain user names, and a client without a secret that signs in with passwords. */
  createPool(): Promise<Pool>
  /** One more client of a pool. @param flows its ExplicitAuthFlows; default those of the original's */
  createClient(userPoolId: string, flows?: readonly string[]): Promise<string>
  /** The names of all users of a pool. */
  usernames(userPoolId: string): Promise<string[]>
  /** Calls any operation of Cognito. @throws Error with the answer, if it is refused */
  call(operation: string, parameters: object): Promise<Record<string, unknown>>
  /** Resolves when so many more milliseconds have passed for it. */
  advance(milliseconds: number): Promise<void>
  /** Resolves when it signs with a new key, and publishes that before the old ones. */
  changeKeys(): Promise<void>
  /** Resolves when it has ended, and all that it kept is gone. */
  stop(): Promise<void>
}

/** Seconds that tokens last in the pools that are made here, as they do by default in AWS. */
export const lifetimes = { idToken: 3600, refreshToken: 30 * 86_400 }

/** The key that tokens are signed with, until it changes. */
export const signingKey: { readonly pem: string; readonly kid: string } = {
  pem: createRequire(import.meta.url)('cognito-local/lib/keys/cognitoLocal.private.json').pem,
  kid: 'CognitoLocal',
}

/**
 * Starts cognito-local in a process of its own, and resolves when it listens. Its tokens have the issuer that AWS's
 * would have in `region`.
 * @throws Error if it ends before that
 */
export async function startCognitoLocal(region = 'us-east-1'): Promise<CognitoLocal> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-cognito-'))
  await mkdir(join(folder, '.cognito'))
  const config = {
    TokenConfig: { IssuerDomain: `https://cognito-idp.${region}.amazonaws.com` },
    UserPoolDefaults: { UsernameAttributes: [] },
  }
  await writeFile(join(folder, '.cognito/config.json'), JSON.stringify(config))

  const waiting: ((answer: { port: number }) => void)[] = []
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'cognito-local-launcher.ts'), region], {
    cwd: folder,
    // It prints the codes that AWS would send by mail, and that its AWS SDK is old.
    stdio: ['ignore', 'ignore', 'ignore'],
    ipc: answer => waiting.shift()?.(answer),
  })
  const answered = () =>
    Promise.race([
      new Promise<{ port: number }>(resolve => waiting.push(resolve)),
      child.exited.then(code => Promise.reject(new Error(`cognito-local ended with code ${code}`))),
    ])
  const tell = async (command: Command) => {
    const done = answered()
    child.send(command)
    await done
  }
  const { port } = await answered()
  const url = `http://127.0.0.1:${port}`

  const self: CognitoLocal = {
    url,
    async call(operation, parameters) {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': `AWSCognitoIdentityProviderService.${operation}`,
        },
        body: JSON.stringify(parameters),
      })
      if (!response.ok) throw new Error(`Cognito refuses ${operation}: ${await response.text()}`)
      return (await response.json()) as Record<string, unknown>
    },
    async createPool() {
      const { UserPool } = (await self.call('CreateUserPool', { PoolName: 'parley' })) as { UserPool: { Id: string } }
      return { userPoolId: UserPool.Id, clientId: await self.createClient(UserPool.Id) }
    },
    async createClient(userPoolId, flows = ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH']) {
      const { UserPoolClient } = (await self.call('CreateUserPoolClient', {
        UserPoolId: userPoolId,
        ClientName: 'parley',
        GenerateSecret: false,
        ExplicitAuthFlows: flows,
        IdTokenValidity: lifetimes.idToken,
        AccessTokenValidity: lifetimes.idToken,
        RefreshTokenValidity: lifetimes.refreshToken,
        TokenValidityUnits: { IdToken: 'seconds', AccessToken: 'seconds', RefreshToken: 'seconds' },
      })) as { UserPoolClient: { ClientId: string } }
      return UserPoolClient.ClientId
    },
    async usernames(userPoolId) {
      const { Users } = (await self.call('ListUsers', { UserPoolId: userPoolId })) as { Users: { Username: string }[] }
      return Users.map(({ Username }) => Username)
    },
    advance: milliseconds => tell({ act: 'advance', milliseconds }),
    changeKeys: () => tell({ act: 'changeKeys' }),
    async stop() {
      child.kill('SIGKILL')
      await child.exited
      await rm(folder, { recursive: true })
    },
  }
  return self
}
