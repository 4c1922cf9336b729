import { describe, expect, test } from 'bun:test'
import { InternalErrorException, TooManyRequestsException } from '@aws-sdk/client-cognito-identity-provider'
import type { SignalingError } from '@parley/protocol'
import { manualClock } from '../../clock.ts'
import { signInWithin } from '../identity.ts'
import { call, type Turn } from './calls.ts'
import { Line } from './line.ts'

/** How a Cognito of the test is. */
interface Ways {
  /** What each call takes. Milliseconds. */
  ms: number
  /** SignUp and AdminConfirmSignUp that it takes in a second, together; it saves up those of one second. */
  quota: number
  /** What it does not answer. */
  hung: readonly string[]
  failing: boolean
}

interface Outcome {
  readonly error: SignalingError | undefined
  /** Milliseconds since the arrival. */
  readonly took: number
  /** Milliseconds since the start. */
  readonly at: number
}

/** A Cognito in a time of its own, and a line before it. */
function world(ways: Partial<Ways> = {}) {
  const clock = manualClock()
  const cognito: Ways = { ms: 100, quota: Number.POSITIVE_INFINITY, hung: [], failing: false, ...ways }
  const line = new Line(clock, { within: signInWithin, calls: 3 })
  const users = { signedUp: 0, signedIn: 0 }
  const calls = { underWay: 0, most: 0, taken: 0, throttled: 0 }
  let tokens = cognito.quota
  let filledAt = 0

  function takesOne(name: string): boolean {
    if (name === 'InitiateAuth' || cognito.quota === Number.POSITIVE_INFINITY) return true
    tokens = Math.min(cognito.quota, tokens + ((clock.uptime() - filledAt) / 1000) * cognito.quota)
    filledAt = clock.uptime()
    if (tokens < 1) return false
    tokens--
    return true
  }

  function ask(name: string, turn: Turn): Promise<void> {
    return call(clock, name, turn, async signal => {
      calls.most = Math.max(calls.most, ++calls.underWay)
      const isTaken = takesOne(name)
      calls[isTaken ? 'taken' : 'throttled']++
      try {
        await new Promise<void>((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
          if (!cognito.hung.includes(name)) clock.after(isTaken ? cognito.ms : 20, resolve)
        })
      } finally {
        calls.underWay--
      }
      if (!isTaken) throw new TooManyRequestsException({ message: 'Rate exceeded', $metadata: { httpStatusCode: 400 } })
      if (cognito.failing) throw new InternalErrorException({ message: '', $metadata: { httpStatusCode: 500 } })
    })
  }

  async function signIn(until = new AbortController().signal): Promise<Outcome> {
    const start = clock.uptime()
    const error = await line
      .act(until, async turn => {
        await ask('SignUp', turn)
        users.signedUp++
        await ask('AdminConfirmSignUp', turn)
        await ask('InitiateAuth', turn)
        users.signedIn++
      })
      .then(
        () => undefined,
        error => error,
      )
    return { error, took: clock.uptime() - start, at: clock.uptime() }
  }

  /** Lets time go by. */
  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      clock.advance(10)
      await new Promise(setImmediate)
    }
  }

  return {
    clock,
    line,
    cognito,
    users,
    calls,
    signIn,
    /** So many who arrive now. */
    crowd: (size: number): Promise<Outcome>[] => Array.from({ length: size }, () => signIn()),
    pass,
    /** What becomes of them, while time goes by. */
    async outcomes(crowd: readonly Promise<Outcome>[]): Promise<Outcome[]> {
      let isOver = false
      const all = Promise.all(crowd).finally(() => {
        isOver = true
      })
      while (!isOver) await pass(10)
      return all
    },
  }
}

const served = (outcomes: readonly Outcome[]) => outcomes.filter(({ error }) => !error)
const refused = (outcomes: readonly Outcome[]) => outcomes.filter(({ error }) => error)
const longest = (outcomes: readonly Outcome[]) => Math.max(0, ...outcomes.map(({ took }) => took))
const retryAfter = ({ error }: Outcome) => error?.context.retryAfter ?? Number.NaN

/** The figures of decision 37. */
test.each([
  ['50 ms a call', { ms: 50 }, 600],
  ['300 ms a call', { ms: 300 }, 3_000],
  ['1,450 ms a call', { ms: 1_450 }, 13_000],
  ['100 ms a call, and the quota that Cognito has by default', { ms: 100, quota: 50 }, 10_000],
])('200 at once are all served with %s', async (_, ways, within) => {
  const { outcomes, crowd, users, calls } = world(ways)
  const all = await outcomes(crowd(200))
  expect(refused(all)).toEqual([])
  expect(longest(all)).toBeLessThanOrEqual(within)
  expect(users).toEqual({ signedUp: 200, signedIn: 200 })
  // What is refused in the quest for the quota is a part of what is taken.
  expect(calls.throttled).toBeLessThan(calls.taken / 2)
})

test('calls that take longer than a first try are served', async () => {
  const { outcomes, crowd } = world({ ms: 2_000 })
  const all = await outcomes(crowd(50))
  expect(refused(all)).toEqual([])
  expect(longest(all)).toBeLessThanOrEqual(3 * 3_600 + 3_600)
})

test('one who comes alone waits for nobody', async () => {
  const { outcomes, crowd } = world({ ms: 300 })
  expect(longest(await outcomes(crowd(1)))).toBeWithin(900, 931)
})

test('one who has begun too late to end in time is told when to come back, not that Cognito is silent', async () => {
  const { clock, line, signIn, outcomes, pass } = world({ ms: 100 })
  const endless = line
    .act(new AbortController().signal, async turn => {
      for (;;) await call(clock, 'SignUp', turn, () => new Promise<void>(resolve => clock.after(1_000, resolve)))
    })
    .catch(error => error)
  // Others are served meanwhile.
  while (clock.uptime() < signInWithin - 1_000) {
    expect(refused(await outcomes([signIn()]))).toEqual([])
    await pass(500)
  }
  await outcomes([endless.then(error => ({ error, took: 0, at: 0 }))])
  expect(await endless).toMatchObject({ code: 'UNAVAILABLE', context: { retryAfter: expect.any(Number) } })
  expect((await endless).message).toContain('asked too much')
})

describe('of 1,000 at once those who cannot be served in time', () => {
  test('are told early, and when to come back, and are served then', async () => {
    const { outcomes, crowd, signIn, clock, users } = world({ ms: 100, quota: 50 })
    const told: Outcome[] = []
    const all = await outcomes(
      crowd(1_000).map(async first => {
        const outcome = await first
        if (!outcome.error) return outcome
        told.push(outcome)
        await new Promise<void>(resolve => clock.after(retryAfter(outcome) * 1_000, resolve))
        return signIn()
      }),
    )
    expect(told.length).toBeWithin(100, 600)
    for (const { error } of told)
      expect(error).toMatchObject({ code: 'UNAVAILABLE', context: { retryAfter: expect.any(Number) } })
    expect(told.filter(({ took }) => took < 8_000).length).toBeGreaterThan(told.length / 2)
    expect(refused(all)).toEqual([])
    // 25 a second is all that the quota allows.
    expect(clock.uptime()).toBeWithin(38_000, 60_000)
    expect(users.signedIn).toBe(1_000)
    // One that was begun in time may be throttled more often than was to be expected. What it leaves behind is deleted.
    expect(users.signedUp).toBeWithin(1_000, 1_010)
  })

  test('are told with the first answers where it is slow, and nobody is begun with who cannot end', async () => {
    const { outcomes, crowd, users } = world({ ms: 1_450 })
    const all = await outcomes(crowd(1_000))
    expect(served(all).length).toBeGreaterThan(400)
    expect(users).toEqual({ signedUp: served(all).length, signedIn: served(all).length })
    for (const outcome of refused(all)) expect(retryAfter(outcome)).toBeWithin(1, 61)
    expect(refused(all).filter(({ took }) => took < 1_600).length).toBeGreaterThan(100)
  })

  test('and all beyond them are told at once', async () => {
    const { outcomes, crowd } = world({ ms: 300 })
    const all = await outcomes(crowd(1_500))
    // 32 have a place, and 1,000 wait.
    expect(refused(all).filter(({ took }) => took <= 10).length).toBe(1_500 - 1_032)
    for (const outcome of refused(all)) expect(retryAfter(outcome)).toBeWithin(1, 61)
  })
})

describe('while Cognito is down', () => {
  test.each([
    ['hangs', { hung: ['SignUp', 'AdminConfirmSignUp', 'InitiateAuth'] }],
    ['hangs at the last call only', { hung: ['InitiateAuth'] }],
    ['fails', { failing: true }],
  ])('as it %s, all are told within 5 s, and later nearly nobody is tried', async (_, ways) => {
    const { outcomes, crowd, calls, pass } = world({ ms: 100, ...ways })
    for (const { error, took } of await outcomes(crowd(1_000))) {
      expect(error).toMatchObject({ code: 'UNAVAILABLE', message: 'The identity provider does not answer.' })
      expect(took).toBeLessThan(5_000)
    }
    const before = calls.taken
    const later: Promise<Outcome>[] = []
    for (let time = 0; time < 100; time++) {
      later.push(...crowd(1))
      await pass(100)
    }
    for (const { error, took } of await outcomes(later)) {
      expect(error).toMatchObject({ code: 'UNAVAILABLE' })
      expect(took).toBeLessThan(5_000)
    }
    expect(calls.taken - before).toBeLessThan(80)
  })

  test('from some moment on, those who wait then are told within 5 s of it, and are served when it is back', async () => {
    const { outcomes, crowd, cognito, clock, pass } = world({ ms: 1_450 })
    const waiting = crowd(400)
    await pass(7_000)
    cognito.hung = ['SignUp', 'AdminConfirmSignUp', 'InitiateAuth']
    const all = await outcomes(waiting)
    expect(served(all).length).toBeGreaterThan(0)
    for (const { at } of refused(all)) expect(at).toBeLessThan(7_000 + 5_000)

    cognito.hung = []
    cognito.ms = 100
    const back = clock.uptime()
    expect(refused(await outcomes(crowd(200)))).toEqual([])
    expect(clock.uptime() - back).toBeLessThan(5_000)
  })

  test('for a moment, all are served', async () => {
    const { outcomes, crowd, cognito, pass } = world({ ms: 300 })
    const all = crowd(400)
    await pass(590)
    cognito.hung = ['AdminConfirmSignUp', 'InitiateAuth']
    await pass(20)
    cognito.hung = []
    expect(refused(await outcomes(all))).toEqual([])
  })
})

test('one who waits no longer leaves the line, and is not begun with', async () => {
  const { outcomes, crowd, signIn, pass, users } = world({ ms: 300 })
  const first = crowd(32)
  const gone = new AbortController()
  const others = Array.from({ length: 50 }, () => signIn(gone.signal))
  const last = signIn()
  await pass(10)
  gone.abort()
  for (const { error, took } of await outcomes(others)) {
    expect(error).toMatchObject({ code: 'UNAVAILABLE' })
    expect(took).toBeLessThan(50)
  }
  expect(refused(await outcomes([...first, last]))).toEqual([])
  expect(users).toEqual({ signedUp: 33, signedIn: 33 })
})
