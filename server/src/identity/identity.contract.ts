import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Identity } from './identity.ts'

export interface IdentityUnderTest {
  readonly identity: Identity
  /** Makes the ID tokens that were given out until now end, and no refresh token. */
  expireIdTokens(): Promise<void>
  /** Makes the refresh tokens that were given out until now end. */
  expireRefreshTokens(): Promise<void>
}

/** What every identity adapter must do. */
export function identityContract(name: string, open: () => Promise<IdentityUnderTest>): void {
  describe(`identity: ${name}`, () => {
    let opened: IdentityUnderTest
    let identity: Identity
    beforeAll(async () => {
      opened = await open()
      identity = opened.identity
    })
    afterAll(() => identity.close())

    const outcomeOf = (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => 'taken',
        error => error.code,
      )
    const codeOf = (idToken: string) => outcomeOf(identity.verify(idToken))
    const refreshCodeOf = (refreshToken: string) => outcomeOf(identity.refresh(refreshToken))
    const part = (token: string, index: number) => token.split('.')[index] ?? ''
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

    test('gives out a token that it verifies as the same identity, each time anew', async () => {
      const [first, second] = await Promise.all([identity.signIn(), identity.signIn()])
      const [one, again, two] = await Promise.all(
        [first.idToken, first.idToken, second.idToken].map(token => identity.verify(token)),
      )
      expect(one?.subject).toBe(again?.subject ?? '')
      expect(one?.subject).not.toBe(two?.subject)
      expect(first.username).not.toBe(second.username)
      expect(one?.expiresAt).toBe(first.expiresAt)
    })

    test('gives a new token of the same identity for a refresh token, each time anew', async () => {
      const first = await identity.signIn()
      const identified = await identity.verify(first.idToken)
      expect(identified.username).toBe(first.username)
      let { refreshToken } = first
      for (let hour = 0; hour < 3; hour++) {
        await opened.expireIdTokens()
        const next = await identity.refresh(refreshToken)
        expect(await identity.verify(next.idToken)).toEqual({ ...identified, expiresAt: next.expiresAt })
        expect(next.expiresAt).toBeGreaterThan(first.expiresAt)
        expect(next.username).toBe(first.username)
        refreshToken = next.refreshToken
      }
      expect(await codeOf(first.idToken)).toBe('INVALID_TOKEN')
    })

    test('takes no refresh token for an ID token, and no ID token for a refresh token', async () => {
      const first = await identity.signIn()
      for (const { idToken, refreshToken } of [first, await identity.refresh(first.refreshToken)]) {
        expect(await codeOf(refreshToken)).toBe('INVALID_TOKEN')
        expect(await refreshCodeOf(idToken)).toBe('INVALID_TOKEN')
      }
    })

    test('refuses what is not a token', async () => {
      for (const token of ['', 'x', 'a.b.c', '..', 'null', '\u0000', 'x'.repeat(100_000)]) {
        expect(await codeOf(token)).toBe('INVALID_TOKEN')
        expect(await refreshCodeOf(token)).toBe('INVALID_TOKEN')
      }
    })

    test('refuses a refresh token in which anything was changed', async () => {
      const { refreshToken } = await identity.signIn()
      for (const part of [0, 0.25, 0.5, 0.75, 0.9]) {
        const at = Math.floor(refreshToken.length * part)
        const other = refreshToken[at] === 'A' ? 'B' : 'A'
        const changed = `${refreshToken.slice(0, at)}${other}${refreshToken.slice(at + 1)}`
        expect([at, await refreshCodeOf(changed)]).toEqual([at, 'INVALID_TOKEN'])
      }
      for (const changed of [refreshToken.slice(0, -10), `${refreshToken}.`, refreshToken.repeat(2)]) {
        expect(await refreshCodeOf(changed)).toBe('INVALID_TOKEN')
      }
      expect(await refreshCodeOf(refreshToken)).toBe('taken')
    })

    test('refuses a token whose content, signature or algorithm was changed', async () => {
      const { idToken } = await identity.signIn()
      const [header, payload, signature] = [0, 1, 2].map(index => part(idToken, index))
      const other = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString())
      const changed = encode({ ...other, sub: 'somebody else' })
      const changedSignature = `${signature?.startsWith('A') ? 'B' : 'A'}${signature?.slice(1)}`
      expect(await codeOf(`${header}.${changed}.${signature}`)).toBe('INVALID_TOKEN')
      expect(await codeOf(`${header}.${payload}.${changedSignature}`)).toBe('INVALID_TOKEN')
      expect(await codeOf(`${header}.${payload}.`)).toBe('INVALID_TOKEN')
      expect(await codeOf(`${encode({ alg: 'none' })}.${payload}.`)).toBe('INVALID_TOKEN')
      expect(await codeOf(`${encode({ alg: 'HS256' })}.${payload}.${signature}`)).toBe('INVALID_TOKEN')
    })

    test('publishes the public keys of its tokens, and nothing private', async () => {
      const { idToken } = await identity.signIn()
      const { kid } = JSON.parse(Buffer.from(part(idToken, 0), 'base64url').toString())
      const { keys } = await identity.keys()
      expect(keys).toContainEqual(expect.objectContaining({ kid }))
      for (const key of keys) expect(Object.keys(key)).not.toContain('d')
    })

    test('signs out identities, known or not, as often as it is asked', async () => {
      const { username } = await identity.signIn()
      await identity.signOut([username, 'nobody'])
      await identity.signOut([username])
      await identity.signOut([])
      expect(await codeOf((await identity.signIn()).idToken)).toBe('taken')
    })

    test('is ready', async () => {
      await identity.ready()
    })

    test('refuses a token that has ended', async () => {
      const { idToken } = await identity.signIn()
      expect(await codeOf(idToken)).toBe('taken')
      await opened.expireIdTokens()
      expect(await codeOf(idToken)).toBe('INVALID_TOKEN')
      expect(await codeOf((await identity.signIn()).idToken)).toBe('taken')
    })

    test('takes a token that has ended from who has proven its subject before, and no other', async () => {
      const [mine, theirs] = await Promise.all([identity.signIn(), identity.signIn()])
      const { subject, expiresAt } = await identity.verify(mine.idToken)
      await opened.expireIdTokens()
      expect(await identity.verify(mine.idToken, subject)).toMatchObject({ subject, expiresAt })
      expect(await outcomeOf(identity.verify(theirs.idToken, subject))).toBe('INVALID_TOKEN')
      expect(await outcomeOf(identity.verify(mine.refreshToken, subject))).toBe('INVALID_TOKEN')
      const [header, payload, signature] = [0, 1, 2].map(index => part(mine.idToken, index))
      const stretched = encode({ ...JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()), exp: 1e10 })
      for (const changed of [`${header}.${stretched}.${signature}`, `${header}.${payload}.`]) {
        expect(await outcomeOf(identity.verify(changed, subject))).toBe('INVALID_TOKEN')
      }
      // It makes no difference to a token that has not ended.
      const next = await identity.refresh(mine.refreshToken)
      expect(await identity.verify(next.idToken, subject)).toMatchObject({ subject })
      expect(await identity.verify(next.idToken, 'somebody else')).toMatchObject({ subject })
    })

    test('refuses a refresh token that has ended', async () => {
      const { refreshToken } = await identity.signIn()
      expect(await refreshCodeOf(refreshToken)).toBe('taken')
      await opened.expireRefreshTokens()
      expect(await refreshCodeOf(refreshToken)).toBe('INVALID_TOKEN')
      expect(await refreshCodeOf((await identity.signIn()).refreshToken)).toBe('taken')
    })
  })
}
