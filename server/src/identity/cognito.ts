import { randomBytes } from 'node:crypto'
import type { AuthenticationResultType, InitiateAuthCommandOutput } from '@aws-sdk/client-cognito-identity-provider'
import { SignalingError } from '@parley/protocol'
import { CognitoJwtVerifier } from 'aws-jwt-verify'
import { decomposeUnverifiedJwt } from 'aws-jwt-verify/jwt'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { CallFailure, callWithin, type Turn, unavailable } from './cognito/calls.ts'
import { Line } from './cognito/line.ts'
import { openPool, type PoolConfig } from './cognito/pool.ts'
import { openSignOuts } from './cognito/sign-outs.ts'
import { skewWatch } from './cognito/skew.ts'
import { tokenLength, verification } from './cognito/verification.ts'
import { type Identity, type SignIn, signInWithin } from './identity.ts'

/** All of a sign-out, without the time to write down who is left. Milliseconds. */
const signOutDeadline = 3_500

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

/** The app client has no secret, but ALLOW_USER_PASSWORD_AUTH and ALLOW_REFRESH_TOKEN_AUTH. */
export interface CognitoConfig extends PoolConfig {
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
 * Starts whether Cognito can be reached or not; `ready` tells. While Cognito answers, but slowly or not all at once, a sign-in
 * may take as long as `signInWithin` (decision 37).
 * @throws Error if `userPoolId` is not the id of a pool
 */
export async function cognito(config: CognitoConfig, clock: Clock, log: Log): Promise<Identity> {
  const { userPoolId, clientId, folder } = config
  const stopped = new AbortController()
  const until = stopped.signal
  const told = skewWatch(clock, log)
  const pool = openPool(config, clock, told)
  const endpoint = await pool.endpoint()
  const { jwksUri } = CognitoJwtVerifier.parseUserPoolId(userPoolId)
  const jwksUrl = endpoint ? `${endpoint.replace(/\/$/, '')}/${userPoolId}/.well-known/jwks.json` : jwksUri
  const tokens = verification({ userPoolId, clientId, jwksUrl, told }, clock, log, until)
  const { deleteUser } = pool
  const signOuts = await openSignOuts({ folder, deadline: signOutDeadline, clock, log, until, deleteUser })
  // Apart from each other, as they have different quotas.
  const signIns = new Line(clock, { within: signInWithin, calls: 3 })
  const renewals = new Line(clock, { within: callWithin, calls: 1 })
  const running = new Set<Promise<unknown>>()
  /** Why nobody could be confirmed last, and until when that counts. */
  let refusal: { readonly failure: CallFailure; readonly end: number } | undefined

  /** @throws SignalingError */
  async function inLine<T>(line: Line, gone: AbortSignal | undefined, work: (turn: Turn) => Promise<T>): Promise<T> {
    const act = line.act(gone ? AbortSignal.any([until, gone]) : until, work)
    running.add(act)
    try {
      return await act
    } catch (cause) {
      throw unavailable(cause)
    } finally {
      running.delete(act)
    }
  }

  async function confirm(username: string, turn: Turn): Promise<void> {
    try {
      await pool.confirm(username, turn)
    } catch (failure) {
      // Where somebody has deleted the user meanwhile, the next one may well be confirmed.
      const isOfThisUser = failure instanceof CallFailure && failure.reason === 'UserNotFoundException'
      if (failure instanceof CallFailure && failure.kind === 'refused' && !isOfThisUser) {
        refusal = { failure, end: clock.uptime() + refusalLasts }
      }
      throw failure
    }
  }

  async function signIn(turn: Turn): Promise<SignIn> {
    const username = crypto.randomUUID()
    const password = newPassword()
    let mayBeThere = false
    // Nobody is signed up who could be neither confirmed nor, perhaps, deleted.
    if (refusal && clock.uptime() < refusal.end) throw refusal.failure
    await pool.findCredentials('AdminConfirmSignUp', turn.until)
    try {
      const { isConfirmed } = await pool.signUp(username, password, turn).catch(error => {
        mayBeThere = !(error instanceof CallFailure) || error.mayHaveHappened
        throw error
      })
      mayBeThere = true
      if (!isConfirmed) await confirm(username, turn)
      const AuthParameters = { USERNAME: username, PASSWORD: password }
      const answer = await pool.initiate({ AuthFlow: 'USER_PASSWORD_AUTH', AuthParameters }, turn)
      const signedIn = signInOf(answer)
      // Too late: nobody will hear of it.
      turn.until.throwIfAborted()
      return signedIn
    } catch (error) {
      if (mayBeThere) signOuts.deleteLater(username)
      throw error
    }
  }

  let isTold = false
  async function refresh(refreshToken: string, turn: Turn): Promise<SignIn> {
    const AuthParameters = { REFRESH_TOKEN: refreshToken }
    const answer = await pool.initiate({ AuthFlow: 'REFRESH_TOKEN_AUTH', AuthParameters }, turn).catch(cause => {
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
    signIn: gone => inLine(signIns, gone, signIn),
    async refresh(refreshToken) {
      if (refreshToken.length > tokenLength || !refreshTokenForm.test(refreshToken)) {
        throw new SignalingError('INVALID_TOKEN')
      }
      return inLine(renewals, undefined, turn => refresh(refreshToken, turn))
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
      pool.close()
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
