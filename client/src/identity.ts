import { ask } from './api.ts'
import { type Clock, systemClock } from './clock.ts'
import { hasCode } from './errors.ts'
import type { IdentityStore } from './kept-identity.ts'

/** Who somebody is to the server, for as long as it takes. */
export interface Identity {
  /** Not secret. */
  readonly username: string
  /** An ID token that is valid for some time yet. @throws ParleyError */
  token(): Promise<string>
  /** The same, but not the one that the server has just refused. @throws ParleyError */
  renew(): Promise<string>
  /**
   * A secret with which `signIn` comes back to the same identity later; undefined if the server gives none. Without it `renew`
   * may be somebody new, so a registered peer does not show the server newer tokens by itself.
   */
  readonly refreshToken: string | undefined
}

/** Does what needs an ID token; once more with a new one, if the server refuses that: it may have other keys by now. @throws ParleyError */
export async function withToken<T>(identity: Identity, act: (idToken: string) => Promise<T>): Promise<T> {
  try {
    return await act(await identity.token())
  } catch (error) {
    if (!hasCode(error, 'INVALID_TOKEN')) throw error
    return act(await identity.renew())
  }
}

/** Shows the server an ID token that lasts longer. Without a refresh token there is none, but for a new identity. */
export function renew(identity: Identity, show: (idToken: string) => Promise<unknown>): void {
  // If the server minds, it closes the connection, and the next one begins with a token that is valid.
  if (identity.refreshToken)
    identity
      .renew()
      .then(show)
      .catch(() => {})
}

/** What `signIn` may be told. */
export interface SignInOptions {
  /** That of an identity to come back to. If it is not valid any more, this is a new one. */
  readonly refreshToken?: string | undefined
  /** Has that of an identity to come back to, and keeps each new one. @internal */
  readonly store?: IdentityStore | undefined
  /** Default: that of the platform. */
  readonly clock?: Clock
}

/** What the server answers to a sign-in. Times are seconds since the epoch. */
interface SignedIn {
  readonly id_token: string
  readonly username: string
  /** The Python server did not say. */
  readonly expires_at?: number
  /** Not every identity provider gives one. */
  readonly refresh_token?: string
}

/** Part of its life after which a token is not handed out any more. */
const renewAt = 0.75

/** Milliseconds that a token of unknown end lives, as those of the Python server do. */
const usualLife = 3_600_000

/**
 * Signs in anonymously. The token is renewed before it ends: as the same identity where the server gives out refresh
 * tokens, else as a new one.
 * @param httpUrl without a slash at its end
 * @throws ParleyError RATE_LIMITED, SIGN_IN_ELSEWHERE, UNAVAILABLE, DISCONNECTED or TIMEOUT
 */
export async function signIn(httpUrl: string, options: SignInOptions = {}): Promise<Identity> {
  const { clock = systemClock } = options
  const { store } = options
  let current = kept(await obtain(httpUrl, options.refreshToken ?? store?.get()))
  let freshUntil = freshness(current)
  let renewal: Promise<string> | undefined

  function freshness({ expires_at }: SignedIn): number {
    const now = clock.now()
    return now + renewAt * (expires_at === undefined ? usualLife : expires_at * 1000 - now)
  }

  function kept(signedIn: SignedIn): SignedIn {
    if (signedIn.refresh_token !== undefined) store?.set(signedIn.refresh_token)
    return signedIn
  }

  async function renewNow(): Promise<string> {
    current = kept({ ...current, ...(await obtain(httpUrl, current.refresh_token)) })
    freshUntil = freshness(current)
    return current.id_token
  }

  const renew = (): Promise<string> => {
    renewal ??= renewNow().finally(() => {
      renewal = undefined
    })
    return renewal
  }

  return {
    get username() {
      return current.username
    },
    get refreshToken() {
      return current.refresh_token
    },
    token: async () => (clock.now() < freshUntil ? current.id_token : renew()),
    renew,
  }
}

/** A token of the identity that the refresh token is of; without one, or if it is not valid any more, of a new one. */
async function obtain(httpUrl: string, refreshToken: string | undefined): Promise<SignedIn> {
  if (refreshToken !== undefined) {
    try {
      const body = { refresh_token: refreshToken }
      return await ask<SignedIn>(httpUrl, { method: 'POST', path: '/refresh-token', body })
    } catch (error) {
      if (!hasCode(error, 'INVALID_TOKEN', 'NOT_FOUND')) throw error
    }
  }
  return ask<SignedIn>(httpUrl, { method: 'POST', path: '/anonymous-signin' })
}
