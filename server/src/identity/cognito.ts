import { randomBytes } from 'node:crypto'
import {
  AdminConfirmSignUpCommand,
  AdminDeleteUserCommand,
  type AuthenticationResultType,
  CognitoIdentityProviderClient,
  InitiateAuthCommand,
  type InitiateAuthCommandOutput,
  NotAuthorizedException,
  SignUpCommand,
  UserNotFoundException,
  UsernameExistsException,
} from '@aws-sdk/client-cognito-identity-provider'
import { SignalingError } from '@parley/protocol'
import { CognitoJwtVerifier } from 'aws-jwt-verify'
import { decomposeUnverifiedJwt } from 'aws-jwt-verify/jwt'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { busy, CallFailure, call, unavailable } from './cognito/calls.ts'
import { door, limited, within } from './cognito/deadline.ts'
import { openSignOuts } from './cognito/sign-outs.ts'
import { tokenLength, verification } from './cognito/verification.ts'
import type { Identity, SignIn } from './identity.ts'

/** All of what one member does. Milliseconds; below the deadline of whoever waits for it. */
const deadline = 4_000
/** The same of a sign-out, without the time to write down who is left. Milliseconds. */
const signOutDeadline = 3_500
/** Sign-ins and renewals that are under way at once, below the 50 connections that the SDK opens at most. */
const atOnce = 32
/** Whoever has waited so long for a turn has too little time left for it. Milliseconds. */
const turnWithin = 2_000

/** After it has refused to have a user confirmed, nobody is signed up for so long. Milliseconds. */
const refusalLasts = 10_000

/** What Cognito can give as a refresh token (API reference, RevokeToken). */
const refreshTokenForm = /^[\w=.-]+$/
/** Cognito's answers to a refresh token that is not good, or no longer (API reference, InitiateAuth). */
const notGood = [
  'NotAuthorizedException',
  'UserNotFoundException',
  'UserNotConfirmedException',
  'PasswordResetRequiredException',
  'InvalidParameterException',
]

export interface CognitoConfig {
  readonly region: string
  readonly userPoolId: string
  /** An app client without a secret, with ALLOW_USER_PASSWORD_AUTH and ALLOW_REFRESH_TOKEN_AUTH. */
  readonly clientId: string
  /** The folder that keeps whom Cognito could not delete yet; it must exist. */
  readonly folder: string
}

/**
 * Anonymous identities are users of an Amazon Cognito user pool, made as the original made them: `SignUp` with a random
 * name and password, `AdminConfirmSignUp`, `InitiateAuth`. A user whose sign-in fails midway is deleted, as are those
 * that are signed out, later if need be. Users whose name is no UUID are never deleted.
 *
 * The credentials are those that the AWS SDK finds, and need on the pool exactly `cognito-idp:AdminConfirmSignUp` and
 * `cognito-idp:AdminDeleteUser`. `SignUp` and `InitiateAuth` take no credentials. The endpoint is that of the region,
 * or what `AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER` or `AWS_ENDPOINT_URL` say; the pool's keys are below it.
 *
 * Starts whether Cognito can be reached or not; `ready` tells.
 * @throws Error if `userPoolId` is not the id of a pool
 */
export async function cognito(config: CognitoConfig, clock: Clock, log: Log): Promise<Identity> {
  const { region, userPoolId, clientId, folder } = config
  const stopped = new AbortController()
  const client = new CognitoIdentityProviderClient({ region, maxAttempts: 1 })
  const endpoint = await client.config.serviceConfiguredEndpoint?.()
  const { jwksUri } = CognitoJwtVerifier.parseUserPoolId(userPoolId)
  const jwksUrl = endpoint ? `${endpoint.replace(/\/$/, '')}/${userPoolId}/.well-known/jwks.json` : jwksUri
  const tokens = verification({ userPoolId, clientId, jwksUrl }, clock, log, stopped.signal)
  const signOuts = await openSignOuts({
    folder,
    deadline: signOutDeadline,
    clock,
    log,
    until: stopped.signal,
    deleteUser,
  })
  const enter = door(atOnce)
  const running = new Set<Promise<unknown>>()
  /** Why nobody could be confirmed last, and until when that counts. */
  let refusal: { readonly failure: CallFailure; readonly end: number } | undefined

  /**
   * What `work` results in, when it is its turn and before the deadline.
   * @param work it ends at once when its signal is aborted
   * @throws SignalingError
   */
  function inTurn<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const outcome = limited(clock, deadline, stopped.signal, async signal => {
      const leave = await within(clock, turnWithin, signal, enter).catch(cause => {
        const late = new Error(`${atOnce} sign-ins and renewals are under way; waited ${turnWithin} ms for a turn`)
        throw busy(signal.aborted ? cause : late)
      })
      const act = work(signal).finally(leave)
      running.add(act)
      return act.finally(() => running.delete(act))
    })
    return outcome.catch(cause => Promise.reject(unavailable(cause)))
  }

  /** Has the SDK find credentials, which takes long at times, and is not Cognito's failure. @throws CallFailure */
  const findCredentials = (operation: string, signal: AbortSignal) =>
    within(clock, deadline, signal, () => client.config.credentials()).catch(cause => {
      const message = `No AWS credentials for ${operation}: ${cause instanceof Error ? cause.message : cause}`
      throw new CallFailure(message, 'refused', 'CredentialsProviderError', false, cause)
    })

  async function signUp(username: string, password: string, until: AbortSignal): Promise<{ isConfirmed: boolean }> {
    const command = new SignUpCommand({ ClientId: clientId, Username: username, Password: password })
    return call(clock, 'SignUp', until, async (abortSignal, attempt) => {
      try {
        const { UserConfirmed } = await client.send(command, { abortSignal })
        return { isConfirmed: UserConfirmed === true }
      } catch (error) {
        if (attempt > 1 && error instanceof UsernameExistsException) return { isConfirmed: false }
        throw error
      }
    })
  }

  async function confirm(username: string, until: AbortSignal): Promise<void> {
    const command = new AdminConfirmSignUpCommand({ UserPoolId: userPoolId, Username: username })
    try {
      await call(clock, 'AdminConfirmSignUp', until, async (abortSignal, attempt) => {
        try {
          await client.send(command, { abortSignal })
        } catch (error) {
          // That is what it says of a user who is confirmed already.
          if (attempt > 1 && error instanceof NotAuthorizedException) return
          throw error
        }
      })
    } catch (failure) {
      // Where somebody has deleted the user meanwhile, the next one may well be confirmed.
      const isOfThisUser = failure instanceof CallFailure && failure.reason === 'UserNotFoundException'
      if (failure instanceof CallFailure && failure.kind === 'refused' && !isOfThisUser) {
        refusal = { failure, end: clock.uptime() + refusalLasts }
      }
      throw failure
    }
  }

  const initiate = (command: InitiateAuthCommand, until: AbortSignal): Promise<InitiateAuthCommandOutput> =>
    call(clock, 'InitiateAuth', until, abortSignal => client.send(command, { abortSignal }))

  async function deleteUser(name: string, until: AbortSignal): Promise<void> {
    const command = new AdminDeleteUserCommand({ UserPoolId: userPoolId, Username: name })
    await findCredentials('AdminDeleteUser', until)
    await call(clock, 'AdminDeleteUser', until, async abortSignal => {
      try {
        await client.send(command, { abortSignal })
      } catch (error) {
        if (!(error instanceof UserNotFoundException)) throw error
      }
    })
  }

  async function signIn(until: AbortSignal): Promise<SignIn> {
    const username = crypto.randomUUID()
    const password = newPassword()
    let mayBeThere = false
    // Nobody is signed up who could be neither confirmed nor, perhaps, deleted.
    if (refusal && clock.uptime() < refusal.end) throw refusal.failure
    await findCredentials('AdminConfirmSignUp', until)
    try {
      const { isConfirmed } = await signUp(username, password, until).catch(error => {
        mayBeThere = !(error instanceof CallFailure) || error.mayHaveHappened
        throw error
      })
      mayBeThere = true
      if (!isConfirmed) await confirm(username, until)
      const answer = await initiate(
        new InitiateAuthCommand({
          ClientId: clientId,
          AuthFlow: 'USER_PASSWORD_AUTH',
          AuthParameters: { USERNAME: username, PASSWORD: password },
        }),
        until,
      )
      const signedIn = signInOf(answer)
      // Too late: nobody will hear of it.
      until.throwIfAborted()
      return signedIn
    } catch (error) {
      if (mayBeThere) signOuts.deleteLater(username)
      throw error
    }
  }

  let isTold = false
  async function refresh(refreshToken: string, until: AbortSignal): Promise<SignIn> {
    const command = new InitiateAuthCommand({
      ClientId: clientId,
      AuthFlow: 'REFRESH_TOKEN_AUTH',
      AuthParameters: { REFRESH_TOKEN: refreshToken },
    })
    const answer = await initiate(command, until).catch(cause => {
      if (!(cause instanceof CallFailure) || !notGood.includes(cause.reason)) throw cause
      // It may also be that the client has no ALLOW_REFRESH_TOKEN_AUTH, which would else stay hidden.
      const isOdd = cause.reason === 'InvalidParameterException'
      if (isOdd && !isTold) log.warn({ cause: cause.message }, 'refresh token refused')
      isTold ||= isOdd
      throw new SignalingError('INVALID_TOKEN', undefined, { cause })
    })
    return signInOf(answer, refreshToken)
  }

  return {
    signIn: () => inTurn(signIn),
    async refresh(refreshToken) {
      if (refreshToken.length > tokenLength || !refreshTokenForm.test(refreshToken)) {
        throw new SignalingError('INVALID_TOKEN')
      }
      return inTurn(signal => refresh(refreshToken, signal))
    },
    verify: tokens.verify,
    signOut: signOuts.deleteAll,
    keys: tokens.keys,
    async ready() {
      await Promise.all([tokens.ready(), signOuts.ready()])
    },
    async close() {
      stopped.abort(new Error('the server is stopping'))
      await Promise.allSettled(running)
      await signOuts.close()
      client.destroy()
    },
  }
}

/** @param refreshToken what to go on with if the answer has none, as that to a renewal. @throws Error */
function signInOf({ AuthenticationResult, ChallengeName }: InitiateAuthCommandOutput, refreshToken?: string): SignIn {
  const { IdToken, RefreshToken = refreshToken }: AuthenticationResultType = AuthenticationResult ?? {}
  if (!IdToken) throw new Error(`Cognito gives no tokens, but asks for ${ChallengeName ?? 'nothing'}.`)
  if (!RefreshToken) throw new Error('Cognito gives no refresh token: the app client lacks ALLOW_REFRESH_TOKEN_AUTH.')
  const { exp, 'cognito:username': username } = decomposeUnverifiedJwt(IdToken).payload
  if (typeof exp !== 'number' || typeof username !== 'string') throw new Error('Cognito gives an ID token without end.')
  return { idToken: IdToken, username, expiresAt: exp, refreshToken: RefreshToken }
}

/** Long and mixed enough for any policy that a pool can have (API reference, PasswordPolicyType: 99 at most). */
const newPassword = (): string => `aA1!${randomBytes(72).toString('base64url')}`
