import { expect, onTestFinished, test } from 'bun:test'
import { describeWithRedis, hasRedis, type RedisProcess, startRedis } from '../../../test/redis-process.ts'
import { type Clock, manualClock, systemClock } from '../../clock.ts'
import { openRedis, type Redis } from '../../redis/redis.ts'
import { adapterTimeout } from '../../resilience/deadline.ts'
import { identityContract } from '../identity.contract.ts'
import { local } from '../local.ts'
import { keyList } from './key-list.ts'
import { keyStoreContract, someKey } from './key-store.contract.ts'

const lifetimes = { lifetime: 3600, refreshLifetime: 86_400 }
/** Milliseconds after which the store is asked again for an unknown key. */
const askedEvery = 1_000

/** Here, as a hook that starts one would end it, too. */
const forContracts = hasRedis ? [await startRedis(), await startRedis()] : []

async function connect({ url }: RedisProcess, clock: Clock = systemClock): Promise<Redis> {
  const redis = openRedis(url, clock)
  await new Promise<void>(resolve => redis.onConnected(resolve))
  return redis
}

/** A server's identity on that Redis, with a connection and a time of its own. */
async function node(server: RedisProcess) {
  const clock = manualClock()
  const redis = await connect(server)
  onTestFinished(() => redis.close())
  let connected = () => {}
  redis.onConnected(() => connected())
  const reconnected = () =>
    new Promise<void>(resolve => {
      connected = resolve
    })
  return { clock, redis, reconnected, ...(await local({ keys: keyList(redis, clock), ...lifetimes }, clock)) }
}

type Node = Awaited<ReturnType<typeof node>>

const kids = async ({ keys }: Pick<Node, 'keys'>) => (await keys()).keys.map(key => (key as { kid: string }).kid)
const kidOf = (token: string): string => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
const signerOf = async ({ signIn }: Pick<Node, 'signIn'>) => kidOf((await signIn()).idToken)

/** Starts Redis again, which loses what it kept. Resolves once this node is connected again. */
async function restart(server: RedisProcess, { reconnected }: Node): Promise<void> {
  const back = reconnected()
  await server.kill()
  await server.start()
  await back
}

describeWithRedis('keys in Redis', () => {
  const [first, second] = forContracts as [RedisProcess, RedisProcess]

  keyStoreContract('Redis', async () => {
    const redis = await connect(first)
    await redis.send('FLUSHALL')
    return () => keyList(redis, systemClock)
  })

  identityContract('local, with its keys in Redis', async () => {
    const redis = await connect(second)
    const clock = manualClock()
    const identity = await local({ keys: keyList(redis, clock), ...lifetimes }, clock)
    return {
      identity: { ...identity, close: async () => redis.close() },
      expireIdTokens: async () => clock.advance(lifetimes.lifetime * 1000),
      expireRefreshTokens: async () => clock.advance(lifetimes.refreshLifetime * 1000),
    }
  })

  test('nodes that start at once sign with the same key, and take and renew tokens of each other', async () => {
    const server = await startRedis()
    const nodes = await Promise.all(Array.from({ length: 5 }, () => node(server)))
    expect(new Set(await Promise.all(nodes.map(signerOf))).size).toBe(1)
    const { idToken, username, refreshToken } = await (nodes[0] as Node).signIn()
    for (const { verify, refresh } of nodes) {
      expect((await verify(idToken)).subject).toBe(username)
      expect((await refresh(refreshToken)).username).toBe(username)
    }
  })

  test('a Redis that has lost its memory is given the key back, and later nodes sign with it', async () => {
    const server = await startRedis()
    const before = await node(server)
    const { idToken, username } = await before.signIn()
    await restart(server, before)
    await before.restore()
    const after = await node(server)
    expect((await after.verify(idToken)).subject).toBe(username)
    expect(await signerOf(after)).toBe(await signerOf(before))
    expect(await kids(after)).toHaveLength(1)
  })

  test('where nodes had different keys all take tokens of each, and end by signing with the first', async () => {
    const server = await startRedis()
    const old = await node(server)
    const signedBefore = await old.signIn()
    await restart(server, old)
    const young = await node(server)
    const youngTokens = await young.signIn()
    old.clock.advance(askedEvery)
    expect((await old.verify(youngTokens.idToken)).subject).toBe(youngTokens.username)
    young.clock.advance(askedEvery)
    expect((await young.verify(signedBefore.idToken)).subject).toBe(signedBefore.username)
    expect((await young.refresh(signedBefore.refreshToken)).username).toBe(signedBefore.username)
    const first = kidOf(youngTokens.idToken)
    expect(await Promise.all([old, young].map(signerOf))).toEqual([first, first])
    const both = [first, kidOf(signedBefore.idToken)]
    old.clock.advance(askedEvery)
    expect(await kids(old)).toEqual(both)
    expect(await kids(young)).toEqual(both)
  })

  test('without Redis a node goes on with the keys it knows, and cannot judge those it does not', async () => {
    const server = await startRedis()
    const one = await node(server)
    const other = await node(await startRedis())
    const mine = await one.signIn()
    const theirs = await other.signIn()
    await server.kill()
    one.clock.advance(askedEvery)
    expect((await one.verify(mine.idToken)).subject).toBe(mine.username)
    expect((await one.refresh((await one.signIn()).refreshToken)).idToken).toBeString()
    expect(await kids(one)).toEqual([kidOf(mine.idToken)])
    await one.ready()
    await expect(one.verify(theirs.idToken)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(one.restore()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(one.verify('a.b.c')).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
  })

  test('a node that starts without Redis makes no key of its own, and signs once it is there', async () => {
    const server = await startRedis()
    const before = await node(server)
    const { idToken, username } = await before.signIn()
    const clock = manualClock()
    const redis = openRedis(server.url, systemClock)
    onTestFinished(() => redis.close())
    // It is not connected yet.
    const late = await local({ keys: keyList(redis, clock), ...lifetimes }, clock)
    for (const ask of [late.signIn, () => late.verify(idToken), late.keys, late.ready])
      await expect(ask()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await new Promise<void>(resolve => redis.onConnected(resolve))
    await late.restore()
    expect((await late.verify(idToken)).subject).toBe(username)
    expect(await signerOf(late)).toBe(kidOf(idToken))
    await late.ready()
  })

  test('strangers who name unknown keys have Redis asked once in a second', async () => {
    const server = await startRedis()
    const one = await node(server)
    const { idToken } = await (await node(await startRedis())).signIn()
    let asked = 0
    const { redis, clock } = one
    const run: Redis['run'] = (...args) => {
      asked++
      return redis.run(...args)
    }
    const counting: Redis = { ...redis, run }
    const identity = await local({ keys: keyList(counting, clock), ...lifetimes }, clock)
    clock.advance(askedEvery)
    asked = 0
    const codes = await Promise.all(
      Array.from({ length: 20 }, () => identity.verify(idToken).catch(({ code }) => code)),
    )
    expect(codes).toEqual(Array(20).fill('INVALID_TOKEN'))
    expect(asked).toBe(1)
    clock.advance(askedEvery)
    await expect(identity.verify(idToken)).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
    expect(asked).toBe(2)
  })

  test('a Redis that hangs is waited for within the deadline', async () => {
    const server = await startRedis()
    const clock = manualClock()
    const redis = openRedis(server.url, systemClock)
    onTestFinished(() => redis.close())
    await new Promise<void>(resolve => redis.onConnected(resolve))
    server.signal('SIGSTOP')
    const asked = keyList(redis, clock).open(someKey)
    clock.advance(adapterTimeout)
    await expect(asked).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    server.signal('SIGCONT')
  })

  test('what is no key in Redis is passed over, and is told without what it says where there is nothing else', async () => {
    const redis = await connect(await startRedis())
    onTestFinished(() => redis.close())
    const keys = keyList(redis, systemClock)
    await redis.send('RPUSH', 'parley:identity-keys', '{"d":"secret"}')
    const failure = await keys.open(someKey).catch(error => error)
    expect(failure.code).toBe('UNAVAILABLE')
    expect(failure.cause.message).toBe(
      'What Redis has at parley:identity-keys is no signing key; delete it to have a new one made.',
    )
    const key = await someKey()
    expect(await keys.merge([key])).toEqual([key])
    expect(await keys.open(someKey)).toEqual([key])
  })
})
