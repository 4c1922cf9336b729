import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import type { Fault } from '../../../../e2e/aws/fault-proxy.ts'
import {
  type CognitoWorld,
  keptLog,
  startCognitoWorld,
  type TestClock,
  testClock,
} from '../../../test/cognito-world.ts'

/** The ways in which Cognito may fail for a while. */
const faults: readonly (readonly [string, Fault])[] = [
  ['refuses connections', 'refused'],
  ['hangs', 'hung'],
  ['throttles', 'throttled'],
  ['answers 500', { status: 500 }],
  ['answers 503', { status: 503 }],
  ['cuts its answers', 'cut'],
]

let world: CognitoWorld
beforeAll(async () => {
  world = await startCognitoWorld()
})
afterEach(() => world.proxy.fault('none'))
afterAll(() => world[Symbol.asyncDispose]())

const unavailable = expect.objectContaining({ code: 'UNAVAILABLE' })
const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    error => error,
  )

describe('a sign-in', () => {
  let before: string[]
  beforeEach(async () => {
    before = await world.emulator.usernames(world.userPoolId)
  })
  const newUsers = async () => (await world.emulator.usernames(world.userPoolId)).filter(name => !before.includes(name))

  /** The outcome of `signIn`, whose time goes by as soon as this operation is asked for: that Cognito falls silent midway. */
  async function fromWhenAsked<T>(operation: string, clock: TestClock, signIn: Promise<T>): Promise<T> {
    const asked = world.proxy.seen.filter(name => name === operation).length
    await world.asked(new RegExp(`^${operation}$`), asked + 1)
    return clock.whilePassing(signIn)
  }

  test.each(faults)('fails in time while Cognito %s, and succeeds right afterwards', async (_, fault) => {
    const clock = testClock()
    const identity = await world.open({ clock })
    world.proxy.fault(fault)
    expect(await errorOf(clock.whilePassing(identity.signIn()))).toEqual(unavailable)
    world.proxy.fault('none')
    const { username } = await identity.signIn()
    expect(await newUsers()).toContain(username)
  })

  for (const operation of ['SignUp', 'AdminConfirmSignUp', 'InitiateAuth']) {
    test.each(faults)(`leaves no user behind while Cognito %s at ${operation}`, async (_, fault) => {
      const clock = testClock()
      const log = keptLog()
      const identity = await world.open({ clock, log })
      world.proxy.fault(fault, new RegExp(operation))
      expect(await errorOf(fromWhenAsked(operation, clock, identity.signIn()))).toEqual(unavailable)
      world.proxy.fault('none')
      // Throttled, nothing was done, and so there is nobody to look for.
      if (operation !== 'SignUp' || fault !== 'throttled') {
        await clock.advanceToPlan()
        await log.said('identities signed out late')
      }
      expect(await newUsers()).toEqual([])
    })

    test(`succeeds with one user if the answer to ${operation} is lost once`, async () => {
      const clock = testClock()
      const identity = await world.open({ clock })
      world.proxy.fault('cut', new RegExp(operation))
      const paused = clock.nextPause()
      const signedIn = identity.signIn()
      await paused
      world.proxy.fault('none')
      clock.advance(1_000)
      const { username } = await signedIn
      expect(await newUsers()).toEqual([username])
    })
  }

  test('succeeds when Cognito is slow', async () => {
    const identity = await world.open()
    world.proxy.fault({ slow: 30 })
    const { username } = await identity.signIn()
    expect(await newUsers()).toEqual([username])
  })

  test('is told when to come back while Cognito throttles', async () => {
    const identity = await world.open()
    world.proxy.fault('throttled')
    const error = await errorOf(identity.signIn())
    expect(error.message).toBe('The identity provider is asked too much at the moment.')
    expect(error.context.retryAfter).toBeWithin(2, 11)
    expect(String(error.context.cause)).toBe(
      'CallFailure: Cognito throttles SignUp: by the fault proxy (TooManyRequestsException)',
    )
  })

  test.each(['SignUp', 'AdminConfirmSignUp', 'InitiateAuth'])(
    'names %s where that is what Cognito does not answer',
    async operation => {
      const clock = testClock()
      const identity = await world.open({ clock })
      world.proxy.fault('hung', new RegExp(`^${operation}$`))
      const { cause } = await errorOf(fromWhenAsked(operation, clock, identity.signIn()))
      expect(String(cause)).toMatch(`CallFailure: Cognito does not answer ${operation}: no answer in `)
    },
  )

  test.each([
    ['four times, no more', { status: 500 }, 4],
    ['eight times, no more, where Cognito throttles', 'throttled', 8],
  ] as const)('tries %s', async (_, fault, times) => {
    const identity = await world.open()
    const asked = world.proxy.seen.length
    world.proxy.fault(fault, /SignUp/)
    await errorOf(identity.signIn())
    expect(world.proxy.seen.slice(asked).filter(name => name === 'SignUp')).toHaveLength(times)
  })

  test('of 200 at once against a Cognito that hangs ends in time, and Cognito gets no more than 32 of them at once, then one', async () => {
    const clock = testClock()
    const identity = await world.open({ clock })
    const asked = world.proxy.seen.length
    world.proxy.fault('hung')
    const errors = await clock.whilePassing(Promise.all(Array.from({ length: 200 }, () => errorOf(identity.signIn()))))
    for (const error of errors) expect(error).toEqual(unavailable)
    // 32 of them, each again after the try that was given up. Those who waited are not tried any more.
    expect(world.proxy.seen.slice(asked).filter(name => name === 'SignUp').length).toBeLessThanOrEqual(32 * 2)
    expect(new Set(errors.map(({ message }) => message))).toEqual(new Set(['The identity provider does not answer.']))
    // Then with one at a time.
    const asking = world.proxy.seen.length
    const others = Array.from({ length: 20 }, () => errorOf(identity.signIn()))
    for (const error of await clock.whilePassing(Promise.all(others))) expect(error).toEqual(unavailable)
    expect(world.proxy.seen.slice(asking).filter(name => name === 'SignUp').length).toBeLessThanOrEqual(2)
    world.proxy.fault('none')
    expect((await identity.signIn()).idToken).toBeString()
  })

  test('is given up as soon as nobody waits for it, and leaves no user behind', async () => {
    const clock = testClock()
    const log = keptLog()
    const identity = await world.open({ clock, log })
    const gone = new AbortController()
    world.proxy.fault('hung', /InitiateAuth/)
    const asked = world.proxy.seen.filter(name => name === 'InitiateAuth').length
    const signedIn = errorOf(identity.signIn(gone.signal))
    await world.asked(/^InitiateAuth$/, asked + 1)
    gone.abort()
    expect(await signedIn).toEqual(unavailable)
    world.proxy.fault('none')
    await clock.advanceToPlan()
    await log.said('identities signed out late')
    expect(await newUsers()).toEqual([])
  })

  test('of 100 at once succeeds when all is well', async () => {
    const identity = await world.open()
    const signedIn = await Promise.all(Array.from({ length: 100 }, () => identity.signIn()))
    expect(new Set(signedIn.map(({ username }) => username)).size).toBe(100)
  })

  test('that is under way when the server stops ends at once, and its user is deleted after the next start', async () => {
    const folder = await world.newFolder()
    const identity = await world.open({ folder })
    world.proxy.fault('hung', /InitiateAuth/)
    const asked = world.proxy.seen.filter(name => name === 'InitiateAuth').length
    const failed = errorOf(identity.signIn())
    await world.asked(/InitiateAuth/, asked + 1)
    await identity.close()
    expect(await failed).toEqual(unavailable)
    expect(await newUsers()).toHaveLength(1)

    world.proxy.fault('none')
    const clock = testClock()
    const log = keptLog()
    await world.open({ folder, clock, log })
    await clock.advanceToPlan()
    await log.said('identities signed out late')
    expect(await newUsers()).toEqual([])
  })
})

describe('a renewal', () => {
  test.each(faults)('fails in time while Cognito %s, and succeeds right afterwards', async (_, fault) => {
    const clock = testClock()
    const identity = await world.open({ clock })
    const { refreshToken, username } = await identity.signIn()
    world.proxy.fault(fault)
    expect(await errorOf(clock.whilePassing(identity.refresh(refreshToken)))).toEqual(unavailable)
    world.proxy.fault('none')
    expect((await identity.refresh(refreshToken)).username).toBe(username)
  })

  test('succeeds when Cognito is slow, and when its answer is lost once', async () => {
    const clock = testClock()
    const identity = await world.open({ clock })
    const { refreshToken, username } = await identity.signIn()
    world.proxy.fault({ slow: 30 })
    expect((await identity.refresh(refreshToken)).username).toBe(username)
    world.proxy.fault('cut')
    const paused = clock.nextPause()
    const renewed = identity.refresh(refreshToken)
    await paused
    world.proxy.fault('none')
    clock.advance(1_000)
    expect((await renewed).username).toBe(username)
  })
})

describe('a verification', () => {
  const keyFetches = () => world.proxy.seen.filter(name => name.startsWith('GET')).length

  test.each(faults)('needs no Cognito that %s, once the keys are known', async (_, fault) => {
    const identity = await world.open()
    const { idToken, expiresAt } = await identity.signIn()
    await identity.verify(idToken)
    const fetches = keyFetches()
    world.proxy.fault(fault)
    expect((await identity.verify(idToken)).expiresAt).toBe(expiresAt)
    expect(keyFetches()).toBe(fetches)
  })

  test.each(faults)('is unavailable as long as Cognito %s before the keys are known', async (_, fault) => {
    const clock = testClock()
    const log = keptLog()
    const token = await world.token({ sub: 'a' })
    world.proxy.fault(fault)
    const identity = await world.open({ clock, log })
    expect(await errorOf(clock.whilePassing(identity.verify(token)))).toEqual(unavailable)
    expect(await errorOf(clock.whilePassing(identity.keys()))).toEqual(unavailable)
    // What is no token is none, whatever the keys are.
    expect(await errorOf(identity.verify('x'))).toMatchObject({ code: 'INVALID_TOKEN' })
    expect(log.lines.map(({ msg }) => msg)).toEqual(['keys not renewed'])

    world.proxy.fault('none')
    clock.advance(1_000)
    expect((await identity.verify(token)).subject).toBe('a')
  })

  test('that comes with the start waits for the keys of a slow Cognito', async () => {
    const token = await world.token({ sub: 'a' })
    world.proxy.fault({ slow: 30 })
    const identity = await world.open()
    expect((await identity.verify(token)).subject).toBe('a')
  })

  test('asks for keys that fail to come once a second, however many tokens wait for them', async () => {
    const clock = testClock()
    const token = await world.token()
    world.proxy.fault({ status: 500 })
    const fetches = keyFetches()
    const identity = await world.open({ clock })
    for (let second = 1; second < 4; second++) {
      await Promise.all(Array.from({ length: 50 }, () => errorOf(identity.verify(token))))
      expect(keyFetches()).toBe(fetches + second)
      clock.advance(1_000)
    }
  })

  test('fetches keys for an unknown key once in ten seconds, whatever strangers send', async () => {
    const clock = testClock()
    const identity = await world.open({ clock })
    const known = await world.token({ sub: 'a' })
    await identity.verify(known)
    const random = () => world.token({}, { kid: crypto.randomUUID() })
    const fetches = keyFetches()
    for (let tens = 1; tens < 4; tens++) {
      clock.advance(10_000)
      for (let time = 0; time < 20; time++) {
        expect(await errorOf(identity.verify(await random()))).toMatchObject({ code: 'INVALID_TOKEN' })
      }
      expect(keyFetches()).toBe(fetches + tens)
    }

    // While such a fetch hangs, nobody else waits.
    clock.advance(10_000)
    world.proxy.fault('hung')
    const unknown = errorOf(identity.verify(await random()))
    expect((await identity.verify(known)).subject).toBe('a')
    expect(await clock.whilePassing(unknown)).toEqual(unavailable)
  })

  test('takes to new keys as soon as a token has one, and still takes the old ones', async () => {
    const clock = testClock()
    await using other = await startCognitoWorld()
    const identity = await other.open({ clock })
    const old = await identity.signIn()
    await identity.verify(old.idToken)
    await other.emulator.changeKeys()
    const { idToken, expiresAt } = await identity.signIn()
    clock.advance(10_000)
    expect((await identity.verify(idToken)).expiresAt).toBe(expiresAt)
    expect((await identity.verify(old.idToken)).expiresAt).toBe(old.expiresAt)
    expect((await identity.keys()).keys).toHaveLength(2)
  })

  test('fetches the keys anew when they are an hour old, and uses the old ones for as long as that fails', async () => {
    const clock = testClock()
    const log = keptLog()
    const identity = await world.open({ clock, log })
    const token = await world.token({ sub: 'a', exp: Math.floor(clock.now() / 1000) + 86_400 })
    await identity.verify(token)
    clock.advance(3_600_001)
    const fetches = keyFetches()
    world.proxy.fault({ status: 500 })
    expect((await identity.verify(token)).subject).toBe('a')
    await log.said('keys not renewed')
    for (let time = 0; time < 10; time++) expect((await identity.verify(token)).subject).toBe('a')
    expect(keyFetches()).toBe(fetches + 1)
    expect((await identity.keys()).keys).toHaveLength(1)

    clock.advance(60_001)
    world.proxy.fault('none')
    await identity.verify(token)
    await world.asked(/^GET/, fetches + 2)
    await identity.ready()
    await identity.verify(token)
    expect(keyFetches()).toBe(fetches + 2)
  })
})

describe('readiness', () => {
  test.each(faults)('is over while Cognito %s, and comes back', async (_, fault) => {
    const clock = testClock()
    const identity = await world.open({ clock })
    await identity.ready()
    clock.advance(1_001)
    world.proxy.fault(fault)
    for (let time = 0; time < 2; time++) {
      expect(await errorOf(clock.whilePassing(identity.ready()))).toEqual(unavailable)
    }
    world.proxy.fault('none')
    await identity.ready()
  })

  test('is found out once a second at most while all is well', async () => {
    const identity = await world.open()
    await identity.ready()
    const asked = world.proxy.seen.length
    for (let time = 0; time < 20; time++) await identity.ready()
    expect(world.proxy.seen).toHaveLength(asked)
  })
})
