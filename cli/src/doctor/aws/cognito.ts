import { type Answer, at, listIn, objectIn, textIn } from './answer.ts'
import type { Aws } from './calls.ts'
import { Refusal } from './calls.ts'
import { doubtful, good, wrong } from './codes.ts'
import type { AwsTarget } from './target.ts'

export type Pool = NonNullable<AwsTarget['pool']>

/** Characters of the password that the server makes; the mix of them meets every policy (server/src/identity/cognito.ts). */
const passwordLength = 100

const console_ = 'in the console of Cognito'
/** Why no command is shown. */
const notByCommand = '“aws cognito-idp update-user-pool” would reset all that it is not told.'

/** The pool as it is (API reference, UserPoolType). @throws Trouble, Skip */
export async function describePool(aws: Aws, { region, id }: Pool, signal: AbortSignal) {
  // As the server has it: what looks like no region, as the ids of emulators, says nothing.
  const [, home] = /^([a-z]{2,}(?:-[a-z]+)+-\d+)_/.exec(id) ?? []
  if (home !== undefined && home !== region) {
    const detail = `The user pool ${id} is in ${home}, but ${region} is given as its region.`
    throw wrong('POOL_IN_OTHER_REGION', detail, `Set COGNITO_REGION=${home}.`)
  }
  const input = { UserPoolId: id }
  const answer = await aws
    .ask({ service: 'cognito-idp', region, operation: 'DescribeUserPool', input }, signal)
    .catch(
      notThere(
        'POOL_NOT_FOUND',
        `There is no user pool ${id} in ${region} in this account.`,
        'Compare COGNITO_USER_POOL_ID with “aws cognito-idp list-user-pools --max-results 60”, and look whether these credentials are of its account.',
      ),
    )
  const pool = objectIn(answer.UserPool)
  const tier = textIn(pool.UserPoolTier)
  const about = [tier && `plan ${tier}`, `about ${Number(pool.EstimatedNumberOfUsers) || 0} users`].filter(Boolean)
  return { detail: `${id} (${textIn(pool.Name)}) is there: ${about.join(', ')}.`, value: pool }
}

/** The app client as it is, with its secret, if it has one (API reference, UserPoolClientType). @throws Trouble, Skip */
export async function describeClient(aws: Aws, { region, id, clientId }: Pool, signal: AbortSignal) {
  const input = { UserPoolId: id, ClientId: clientId }
  const call = { service: 'cognito-idp', region, operation: 'DescribeUserPoolClient', input } as const
  const answer = await aws
    .ask(call, signal)
    .catch(
      notThere(
        'CLIENT_NOT_FOUND',
        `The user pool ${id} has no app client ${clientId}.`,
        `Compare COGNITO_APP_CLIENT_ID with “aws cognito-idp list-user-pool-clients --user-pool-id ${id}”.`,
      ),
    )
  const client = objectIn(answer.UserPoolClient)
  return { detail: `${clientId} (${textIn(client.ClientName)}) is there.`, value: client }
}

const notThere = (code: 'POOL_NOT_FOUND' | 'CLIENT_NOT_FOUND', detail: string, advice: string) => (error: unknown) => {
  if (!(error instanceof Refusal) || error.reason !== 'ResourceNotFoundException') throw error
  throw wrong(code, detail, advice, error)
}

/** What of a pool decides whether a user with a random name and password can sign up and in, each by its name. */
export const poolAspects = {
  'sign-up': (pool: Answer) => {
    if (at(pool, 'AdminCreateUserConfig', 'AllowAdminCreateUserOnly') !== true) return good('Anybody may sign up.')
    const detail = 'Only administrators may create users, so that nobody can sign in anonymously.'
    throw wrong(
      'SIGN_UP_OFF',
      detail,
      `Switch self-registration on, ${console_} at “Sign-up”, or in Terraform (allow_admin_create_user_only = false). ${notByCommand}`,
    )
  },

  'user names': (pool: Answer) => {
    const kinds = listIn(pool.UsernameAttributes).map(textIn)
    if (kinds.length === 0) return good('They may be anything.')
    const detail = `Users are named by their ${kinds.join(' or ')}, so that a random name is refused.`
    throw wrong('USERNAME_IS_CONTACT', detail, 'This cannot be changed: make another pool, without UsernameAttributes.')
  },

  attributes: (pool: Answer) => {
    // Cognito itself gives each user a sub.
    const required = listIn(pool.SchemaAttributes)
      .map(objectIn)
      .filter(({ Name, Required }) => Required === true && Name !== 'sub')
    if (required.length === 0) return good('None is required.')
    const names = required.map(({ Name }) => textIn(Name)).join(', ')
    const detail = `Who signs up must give ${names}, which anonymous users do not have.`
    throw wrong(
      'ATTRIBUTES_REQUIRED',
      detail,
      'This cannot be changed: make another pool, without required attributes.',
    )
  },

  passwords: (pool: Answer) => {
    const least = Number(at(pool, 'Policies', 'PasswordPolicy', 'MinimumLength')) || 0
    if (least <= passwordLength) return good('The passwords that the server makes meet the policy.')
    const detail = `The policy asks for ${least} characters; the server makes passwords of ${passwordLength}.`
    throw wrong('PASSWORD_TOO_SHORT', detail, `Ask for less, ${console_} at “Authentication methods”.`)
  },

  MFA: (pool: Answer) => {
    if (pool.MfaConfiguration !== 'ON') return good('No second factor is required.')
    const detail = 'Every user must have a second factor (MFA), so that a password alone gives no tokens.'
    throw wrong('MFA_REQUIRED', detail, `Make MFA optional or switch it off, ${console_} at “Sign-in”.`)
  },

  triggers: (pool: Answer) => {
    const harmless = [
      'CustomMessage',
      'KMSKeyID',
      'CustomEmailSender',
      'CustomSMSSender',
      'UserMigration',
      'DefineAuthChallenge',
      'CreateAuthChallenge',
      'VerifyAuthChallengeResponse',
    ]
    const triggers = Object.entries(objectIn(pool.LambdaConfig)).filter(
      ([name, value]) => value && !harmless.includes(name),
    )
    if (triggers.length === 0) return good('No function of yours takes part in a sign-in.')
    const names = [...new Set(triggers.map(([name]) => name.replace(/Config$/, '')))].join(', ')
    return doubtful(
      'LAMBDA_TRIGGERS',
      `Functions of yours take part in each sign-in (${names}): one that fails, refuses or is slow makes it fail.`,
      'See that they let users with a random name and no attributes pass within a second.',
    )
  },

  devices: (pool: Answer) => {
    if (Object.keys(objectIn(pool.DeviceConfiguration)).length === 0) return good('None is remembered.')
    const detail =
      'The pool remembers devices, and then takes no refresh token without the key of one: identities end with their ID token.'
    return doubtful('DEVICES_REMEMBERED', detail, `Do not remember devices, ${console_} at “Sign-in”.`)
  },

  threats: (pool: Answer) => {
    if (at(pool, 'UserPoolAddOns', 'AdvancedSecurityMode') !== 'ENFORCED')
      return good('Sign-ins are not blocked by their risk.')
    const detail =
      'Threat protection is enforced: many new users from one address, as the server makes them, can look like an attack.'
    return doubtful(
      'THREAT_PROTECTION',
      detail,
      `Set it to audit only, ${console_} at “Threat protection”, or let the address of the server always pass.`,
    )
  },
} as const

const makeAnother = (pool: string) =>
  `aws cognito-idp create-user-pool-client --user-pool-id ${pool} --client-name parley --explicit-auth-flows ALLOW_USER_PASSWORD_AUTH ALLOW_REFRESH_TOKEN_AUTH`

const flows = (client: Answer) => listIn(client.ExplicitAuthFlows).map(textIn)
const toggle = `Switch it on, ${console_} at “App clients”, or in Terraform (explicit_auth_flows). “aws cognito-idp update-user-pool-client” would reset all that it is not told.`

/** What of an app client decides the same. */
export const clientAspects = {
  secret: (client: Answer, { id }: Pool) => {
    if (!client.ClientSecret) return good('The app client has none.')
    const detail = 'The app client has a secret, without which Cognito refuses every sign-up; the server knows none.'
    throw wrong(
      'CLIENT_HAS_SECRET',
      detail,
      `This cannot be changed: make another, and set COGNITO_APP_CLIENT_ID to it: ${makeAnother(id)}`,
    )
  },

  'password flow': (client: Answer) => {
    // The second is what it was called before 2019.
    if (flows(client).some(flow => ['ALLOW_USER_PASSWORD_AUTH', 'USER_PASSWORD_AUTH'].includes(flow))) {
      return good('The app client allows USER_PASSWORD_AUTH.')
    }
    const detail = 'The app client does not allow ALLOW_USER_PASSWORD_AUTH, so that nobody can sign in.'
    throw wrong('PASSWORD_FLOW_OFF', detail, toggle)
  },

  'refresh flow': (client: Answer) => {
    if (at(client, 'RefreshTokenRotation', 'Feature') === 'ENABLED') {
      const detail =
        'The app client rotates refresh tokens, which excludes REFRESH_TOKEN_AUTH: identities end with their ID token.'
      return doubtful('REFRESH_ROTATION', detail, `Switch the rotation off, ${console_} at “App clients”.`)
    }
    const allowed = flows(client)
    // Without any flow, and with those of before 2019, it is always allowed.
    const isImplied = allowed.every(flow => !flow.startsWith('ALLOW_'))
    if (isImplied || allowed.includes('ALLOW_REFRESH_TOKEN_AUTH'))
      return good('The app client allows REFRESH_TOKEN_AUTH.')
    const detail =
      'The app client does not allow ALLOW_REFRESH_TOKEN_AUTH: identities end with their ID token, after an hour by default.'
    return doubtful('REFRESH_FLOW_OFF', detail, toggle)
  },
} as const
