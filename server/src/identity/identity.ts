/** Whom an ID token proves. */
export interface Identified {
  /** Stable for the identity: the token's `sub`. Never shown to other peers. */
  readonly subject: string
  /** What the provider calls the identity, for `signOut`; the same as in `SignIn`. */
  readonly username: string
  /** Seconds since the epoch at which the token ends. */
  readonly expiresAt: number
}

/**
 * The moment for which the claims of a token count: now, or, where its subject is `proven`, one before its end.
 * @param now milliseconds since the epoch, as is the result
 */
export const judgedAt = (
  { sub, exp }: { readonly sub?: string; readonly exp?: number },
  proven: string | undefined,
  now: number,
): number => (exp !== undefined && sub !== undefined && sub === proven ? Math.min(now, exp * 1000 - 1) : now)

/**
 * A sign-in may take so long where the provider answers, but slowly, or has many to serve (decision 37). Milliseconds; below the
 * half minute that clients wait.
 */
export const signInWithin = 25_000

/** What a peer is told where the provider is silent. */
export const identitySilent = 'The identity provider does not answer.'

export interface SignIn {
  readonly idToken: string
  readonly username: string
  /** Seconds since the epoch at which the ID token ends. */
  readonly expiresAt: number
  /** What `refresh` takes. It outlives the ID token, and proves nothing to anybody else. */
  readonly refreshToken: string
}

/**
 * Who somebody is: gives out identities to whoever asks, and tells later whom a token proves.
 * Every member answers within 5 s or throws SignalingError UNAVAILABLE; but a sign-in within `signInWithin`, and within 5 s
 * of when the provider fell silent.
 */
export interface Identity {
  /**
   * A new anonymous identity, different from all before, with a token that `verify` accepts.
   * @param gone aborted when nobody waits for it any more
   */
  signIn(gone?: AbortSignal): Promise<SignIn>
  /**
   * A new ID token of the identity that `refreshToken` was given to, with the same subject and the same username.
   * Beside it comes the refresh token to use from then on, which may be a new one or the same.
   * @throws SignalingError INVALID_TOKEN if the token is not one of ours, is of another kind, has ended, or is of an
   *   identity that the provider has deleted
   */
  refresh(refreshToken: string): Promise<SignIn>
  /**
   * @param proven the subject of a token that this caller has shown before, on the same connection: one of that subject
   *   may have ended meanwhile. All else is checked as ever.
   * @throws SignalingError INVALID_TOKEN if the token is not one of ours, is of another kind, or has ended
   */
  verify(idToken: string, proven?: string): Promise<Identified>
  /**
   * Deletes what the provider keeps of anonymous identities. An unknown one is deleted already. An ID token that was
   * given out stays valid until it ends: it is verified without asking the provider. So does a refresh token where the
   * provider keeps nothing.
   */
  signOut(usernames: readonly string[]): Promise<void>
  /** The public keys that tokens are signed with (RFC 7517), for others who want to verify them. */
  keys(): Promise<{ keys: readonly object[] }>
  /** Resolves if the provider can be used now. */
  ready(): Promise<void>
  close(): Promise<void>
}
