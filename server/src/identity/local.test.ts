import { expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalJWKSet, importJWK, type JWK, jwtVerify, SignJWT } from 'jose'
import { inTemporaryFolder } from '../../test/harness.ts'
import { manualClock, systemClock } from '../clock.ts'
import { identityContract } from './identity.contract.ts'
import { local } from './local.ts'

const lifetimes = { lifetime: 3600, refreshLifetime: 86_400 }

identityContract('local', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'parley-test-'))
  const clock = manualClock()
  const identity = await local({ folder, ...lifetimes }, clock)
  return {
    identity: {
      ...identity,
      async close() {
        await identity.close()
        rmSync(folder, { recursive: true })
      },
    },
    expireIdTokens: async () => clock.advance(lifetimes.lifetime * 1000),
    expireRefreshTokens: async () => clock.advance(lifetimes.refreshLifetime * 1000),
  }
})

test('a key that is kept verifies and renews the tokens of an earlier start', () =>
  inTemporaryFolder(async folder => {
    const { idToken, username, refreshToken } = await (await local({ folder, ...lifetimes }, systemClock)).signIn()
    const later = await local({ folder, ...lifetimes }, systemClock)
    expect((await later.verify(idToken)).subject).toBe(username)
    expect((await later.refresh(refreshToken)).username).toBe(username)
  }))

test('each renewal gives a refresh token with its full life, and leaves the old one what is left of its own', () =>
  inTemporaryFolder(async folder => {
    const clock = manualClock()
    const identity = await local({ folder, ...lifetimes }, clock)
    const first = await identity.signIn()
    clock.advance(lifetimes.refreshLifetime * 1000 - 1000)
    const second = await identity.refresh(first.refreshToken)
    expect((await identity.refresh(first.refreshToken)).username).toBe(first.username)
    clock.advance(1000)
    await expect(identity.refresh(first.refreshToken)).rejects.toThrow('Invalid token')
    clock.advance(lifetimes.refreshLifetime * 1000 - 2000)
    expect((await identity.refresh(second.refreshToken)).username).toBe(first.username)
  }))

test('as nothing is kept of an identity, its refresh token outlives a sign-out', () =>
  inTemporaryFolder(async folder => {
    const identity = await local({ folder, ...lifetimes }, systemClock)
    const { username, refreshToken } = await identity.signIn()
    await identity.signOut([username])
    expect((await identity.refresh(refreshToken)).username).toBe(username)
  }))

test('the key belongs to its user alone, and no draft of it stays', () =>
  inTemporaryFolder(async folder => {
    await local({ folder, ...lifetimes }, systemClock)
    expect(readdirSync(folder)).toEqual(['identity-key.json'])
    expect(statSync(join(folder, 'identity-key.json')).mode & 0o777).toBe(0o600)
  }))

test('servers that start at once in one folder end with one key', () =>
  inTemporaryFolder(async folder => {
    const all = await Promise.all(Array.from({ length: 8 }, () => local({ folder, ...lifetimes }, systemClock)))
    const { idToken } = await (all[0] as (typeof all)[0]).signIn()
    for (const one of all) expect((await one.verify(idToken)).subject).toBeString()
  }))

test('a file that is no key is left alone, and named', () =>
  inTemporaryFolder(async folder => {
    for (const content of ['', '{}', '{"kty":"RSA"}', 'null']) {
      writeFileSync(join(folder, 'identity-key.json'), content)
      await expect(local({ folder, ...lifetimes }, systemClock)).rejects.toThrow(
        'identity-key.json is not a signing key',
      )
    }
  }))

test('others verify an ID token with the published keys, and take no refresh token for one', () =>
  inTemporaryFolder(async folder => {
    const identity = await local({ folder, ...lifetimes }, systemClock)
    const { idToken, username, refreshToken } = await identity.signIn()
    const keys = createLocalJWKSet((await identity.keys()) as { keys: JWK[] })
    const { payload } = await jwtVerify(idToken, keys, { issuer: 'parley', audience: 'parley' })
    expect(payload).toMatchObject({ sub: username, token_use: 'id', 'cognito:username': username })
    await expect(jwtVerify(refreshToken, keys, { issuer: 'parley', audience: 'parley' })).rejects.toThrow('"aud"')
  }))

test('a token of the right key for another use is refused', () =>
  inTemporaryFolder(async folder => {
    const identity = await local({ folder, ...lifetimes }, systemClock)
    const key = await importJWK(await Bun.file(join(folder, 'identity-key.json')).json(), 'ES256')
    const sign = (claims: object, audience = 'parley', issuer = 'parley') =>
      new SignJWT({ token_use: 'id', sub: 'a', ...claims })
        .setProtectedHeader({ alg: 'ES256' })
        .setAudience(audience)
        .setIssuer(issuer)
        .setExpirationTime('1h')
        .sign(key)
    expect((await identity.verify(await sign({}))).subject).toBe('a')
    await expect(identity.verify(await sign({ token_use: 'access' }))).rejects.toThrow('Invalid token')
    await expect(identity.verify(await sign({ sub: '' }))).rejects.toThrow('Invalid token')
    await expect(identity.verify(await sign({}, 'other'))).rejects.toThrow('Invalid token')
    await expect(identity.verify(await sign({}, 'parley', 'other'))).rejects.toThrow('Invalid token')
    expect((await identity.refresh(await sign({ token_use: 'refresh' }, 'parley-refresh'))).username).toBe('a')
    await expect(identity.refresh(await sign({}, 'parley-refresh'))).rejects.toThrow('Invalid token')
    await expect(identity.refresh(await sign({ token_use: 'refresh' }))).rejects.toThrow('Invalid token')
    const endless = new SignJWT({ token_use: 'id', sub: 'a' }).setProtectedHeader({ alg: 'ES256' })
    await expect(identity.verify(await endless.setAudience('parley').setIssuer('parley').sign(key))).rejects.toThrow()
  }))
