import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Identity } from './identity.ts'

export interface IdentityUnderTest {
  readonly identity: Identity
  /** Makes the tokens that were given out until now end. */
  expireTokens(): Promise<void>
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

    const codeOf = (token: string) =>
      identity.verify(token).then(
        () => 'verified',
        error => error.code,
      )
    const part = (token: string, index: number) => token.split('.')[index] ?? ''
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

    test('gives out a token that it verifies as the same identity, each time anew', async () => {
      const [first, second] = await Promise.all([identity.signIn(), identity.signIn()])
      const [one, again, two] = await Promise.all([first.idToken, first.idToken, second.idToken].map(identity.verify))
      expect(one?.subject).toBe(again?.subject ?? '')
      expect(one?.subject).not.toBe(two?.subject)
      expect(first.username).not.toBe(second.username)
      expect(one?.expiresAt).toBe(first.expiresAt)
    })

    test('refuses what is not a token', async () => {
      for (const token of ['', 'x', 'a.b.c', '..', 'null', '\u0000', 'x'.repeat(100_000)]) {
        expect(await codeOf(token)).toBe('INVALID_TOKEN')
      }
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
      const { idToken } = await identity.signIn()
      const { subject } = await identity.verify(idToken)
      await identity.signOut([subject, 'nobody'])
      await identity.signOut([subject])
      await identity.signOut([])
      expect(await codeOf((await identity.signIn()).idToken)).toBe('verified')
    })

    test('is ready', async () => {
      await identity.ready()
    })

    test('refuses a token that has ended', async () => {
      const { idToken } = await identity.signIn()
      expect(await codeOf(idToken)).toBe('verified')
      await opened.expireTokens()
      expect(await codeOf(idToken)).toBe('INVALID_TOKEN')
      expect(await codeOf((await identity.signIn()).idToken)).toBe('verified')
    })
  })
}
