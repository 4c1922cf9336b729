import {
  AdminConfirmSignUpCommand,
  AdminDeleteUserCommand,
  CognitoIdentityProviderClient,
  InitiateAuthCommand,
  type InitiateAuthCommandInput,
  type InitiateAuthCommandOutput,
  NotAuthorizedException,
  SignUpCommand,
  UserNotFoundException,
  UsernameExistsException,
} from '@aws-sdk/client-cognito-identity-provider'
import type { Clock } from '../../clock.ts'
import { withTimeout } from '../../resilience/deadline.ts'
import { CallFailure, call, type Turn } from './calls.ts'
import { mostPlaces } from './pace.ts'
import type { Told } from './skew.ts'

/** Connections at most: one for each place of a sign-in, some for renewals and deletions. */
const connections = mostPlaces + 64

/** To find credentials. Milliseconds. */
const credentialsWithin = 4_000

export interface PoolConfig {
  readonly region: string
  readonly userPoolId: string
  readonly clientId: string
}

/** What is asked of a user pool, each time as `call` does it. All members throw CallFailure. */
export interface Pool {
  /** Has the SDK find credentials, which takes long at times, and is not Cognito's failure. */
  findCredentials(operation: string, until: AbortSignal): Promise<void>
  signUp(username: string, password: string, turn: Turn): Promise<{ readonly isConfirmed: boolean }>
  /** Confirms a user, who may be confirmed already if that was asked for before. */
  confirm(username: string, turn: Turn): Promise<void>
  initiate(
    flow: Pick<InitiateAuthCommandInput, 'AuthFlow' | 'AuthParameters'>,
    turn: Turn,
  ): Promise<InitiateAuthCommandOutput>
  /** Deletes a user; one that is not there is deleted already. */
  deleteUser(username: string, until: AbortSignal): Promise<void>
  /** Where it is, if not at the endpoint of its region. */
  endpoint(): Promise<string | undefined>
  close(): void
}

/** @param told is called with the headers of each answer */
export function openPool(
  { region, userPoolId, clientId }: PoolConfig,
  clock: Clock,
  told: (headers: Told) => void,
): Pool {
  const agent = { maxSockets: connections }
  const client = new CognitoIdentityProviderClient({
    region,
    maxAttempts: 1,
    requestHandler: { httpAgent: agent, httpsAgent: agent },
  })
  client.middlewareStack.add(
    next => async args => {
      const result = await next(args)
      told(headersOf(result.response))
      return result
    },
    // Before errors are made of answers.
    { step: 'deserialize', priority: 'low' },
  )

  const findCredentials = (operation: string, until: AbortSignal) =>
    withTimeout(clock, credentialsWithin, until, () => client.config.credentials()).then(
      () => {},
      cause => {
        const message = `No AWS credentials for ${operation}: ${cause instanceof Error ? cause.message : cause}`
        throw new CallFailure(message, 'refused', 'CredentialsProviderError', false, cause)
      },
    )

  return {
    findCredentials,

    signUp(username, password, turn) {
      const command = new SignUpCommand({ ClientId: clientId, Username: username, Password: password })
      return call(clock, 'SignUp', turn, async (abortSignal, attempt) => {
        try {
          const { UserConfirmed } = await client.send(command, { abortSignal })
          return { isConfirmed: UserConfirmed === true }
        } catch (error) {
          if (attempt > 1 && error instanceof UsernameExistsException) return { isConfirmed: false }
          throw error
        }
      })
    },

    confirm(username, turn) {
      const command = new AdminConfirmSignUpCommand({ UserPoolId: userPoolId, Username: username })
      return call(clock, 'AdminConfirmSignUp', turn, async (abortSignal, attempt) => {
        try {
          await client.send(command, { abortSignal })
        } catch (error) {
          // That is what it says of a user who is confirmed already.
          if (attempt > 1 && error instanceof NotAuthorizedException) return
          throw error
        }
      })
    },

    initiate(flow, turn) {
      const command = new InitiateAuthCommand({ ClientId: clientId, ...flow })
      return call(clock, 'InitiateAuth', turn, abortSignal => client.send(command, { abortSignal }))
    },

    async deleteUser(username, until) {
      const command = new AdminDeleteUserCommand({ UserPoolId: userPoolId, Username: username })
      await findCredentials('AdminDeleteUser', until)
      await call(clock, 'AdminDeleteUser', { until, answered() {}, throttled() {} }, async abortSignal => {
        try {
          await client.send(command, { abortSignal })
        } catch (error) {
          if (!(error instanceof UserNotFoundException)) throw error
        }
      })
    },

    endpoint: async () => client.config.serviceConfiguredEndpoint?.(),
    close: () => client.destroy(),
  }
}

/** The SDK hands on what its client for HTTP has answered. */
function headersOf(response: unknown): Told {
  const headers = typeof response === 'object' && response !== null && 'headers' in response ? response.headers : {}
  return typeof headers === 'object' && headers !== null ? headers : {}
}
