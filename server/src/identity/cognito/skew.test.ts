import { afterAll, afterEach, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import { type CognitoWorld, keptLog, startCognitoWorld, testClock } from '../../../test/cognito-world.ts'
import { manualClock } from '../../clock.ts'
import { skewWatch } from './skew.ts'

/** What the clock of this computer may be, by what AWS's is ahead of it. Milliseconds. */
const wrong = [
  ['ten minutes late', 600_000],
  ['ten minutes early', -600_000],
  ['a day late', 86_400_000],
  ['a day early', -86_400_000],
] as const

let world: CognitoWorld
beforeAll(async () => {
  world = await startCognitoWorld()
})
afterEach(() => {
  world.proxy.clock(0)
  world.proxy.fault('none')
})
afterAll(() => world[Symbol.asyncDispose]())

const countOf = (names: readonly string[], name: string) => names.filter(seen => seen === name).length
const usersOf = () => world.emulator.usernames(world.userPoolId)

describe.each(wrong)('with a clock that is %s', (_, ahead) => {
  test('everybody can sign in, and out', async () => {
    world.proxy.clock(ahead)
    const identity = await world.open()
    const before = await usersOf()
    const signedIn = await Promise.all(Array.from({ length: 5 }, () => identity.signIn()))
    expect((await usersOf()).length).toBe(before.length + 5)
    await identity.signOut(signedIn.map(({ username }) => username))
    expect(await usersOf()).toEqual(before)
  })

  test('users can be signed out before anybody has signed in', async () => {
    const { username } = await (await world.open()).signIn()
    world.proxy.clock(ahead)
    await (await world.open()).signOut([username])
    expect(await usersOf()).not.toContain(username)
  })

  test('the calls after the first one need no second try', async () => {
    world.proxy.clock(ahead)
    const identity = await world.open()
    const asked = world.proxy.seen.length
    for (let time = 0; time < 3; time++) await identity.signIn()
    expect(countOf(world.proxy.seen.slice(asked), 'AdminConfirmSignUp')).toBe(4)
  })

  test('whose time is found out while the server runs, everybody can sign in, and out', async () => {
    const identity = await world.open()
    const { username } = await identity.signIn()
    world.proxy.clock(ahead)
    const second = await identity.signIn()
    // And right again.
    world.proxy.clock(0)
    const third = await identity.signIn()
    await identity.signOut([username, second.username, third.username])
    for (const name of [username, second.username, third.username]) expect(await usersOf()).not.toContain(name)
  })

  test.each(['AdminConfirmSignUp', 'InitiateAuth'])('no user is left behind when %s fails', async operation => {
    const clock = testClock()
    const log = keptLog(() => true)
    const identity = await world.open({ clock, log })
    const before = await usersOf()
    world.proxy.clock(ahead)
    world.proxy.fault({ status: 500 }, new RegExp(operation))
    await expect(identity.signIn()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    world.proxy.fault('none')
    await clock.advanceToPlan()
    await log.said('identities signed out late')
    expect(await usersOf()).toEqual(before)
  })

  test('the operator is told by how much, once', async () => {
    const log = keptLog(() => true)
    world.proxy.clock(ahead)
    const clock = testClock()
    const identity = await world.open({ log, clock })
    await identity.ready()
    await identity.signIn()
    const [early, late] = ['ID tokens and rooms end too early', 'ID tokens and rooms end too late']
    expect(log.lines).toEqual([
      {
        msg: ahead > 0 ? 'clock behind AWS' : 'clock ahead of AWS',
        seconds: expect.closeTo(Math.abs(ahead) / 1000, -1),
        means: ahead > 0 ? late : early,
      },
    ])
    world.proxy.clock(0)
    await identity.signIn()
    expect(log.lines.at(-1)).toEqual({ msg: 'clock right again' })
  })
})

test('a clock that is ahead by more than a token lasts refuses all of them, and the operator is told why', async () => {
  const log = keptLog(() => true)
  const clock = testClock()
  const behind = -2 * 3_600_000
  world.proxy.clock(behind)
  await world.emulator.advance(behind)
  try {
    const identity = await world.open({ log, clock })
    const { idToken } = await identity.signIn()
    await expect(identity.verify(idToken)).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
    expect(log.lines).toMatchObject([{ msg: 'clock ahead of AWS', means: 'ID tokens and rooms end too early' }])
  } finally {
    await world.emulator.advance(-behind)
  }
})

test('a clock that is set while a signed request is under way keeps nobody from signing in', async () => {
  const identity = await world.open()
  await identity.signIn()
  // AWS's time is the right one, and this computer's is found to be so before the refusal is there.
  setSystemTime(new Date(Date.now() - 3_600_000))
  const early = Date.now()
  world.proxy.clock(3_600_000)
  world.proxy.fault({ slow: 100 }, /AdminConfirmSignUp/)
  const asked = countOf(world.proxy.seen, 'AdminConfirmSignUp')
  const signedIn = identity.signIn()
  try {
    await world.asked(/^AdminConfirmSignUp$/, asked + 1)
    setSystemTime(new Date(early + 3_600_000))
    world.proxy.clock(0)
    expect((await signedIn).idToken).toBeString()
  } finally {
    setSystemTime()
  }
})

test('a secret key that is wrong is no wrong clock: there is a second try, and no third', async () => {
  const identity = await world.open()
  await using cognito = refusingSignatures(world.proxy.url)
  const other = await world.open({ endpoint: cognito.url })
  const before = cognito.refused()
  await expect(other.signIn()).rejects.toMatchObject({ message: 'The identity provider refuses this server.' })
  expect(cognito.refused() - before).toBe(2)
  expect((await identity.signIn()).idToken).toBeString()
})

function refusingSignatures(target: string) {
  let refused = 0
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      if (request.headers.has('authorization')) {
        refused++
        const message = 'The request signature we calculated does not match the signature you provided.'
        return Response.json({ __type: 'InvalidSignatureException', message }, { status: 400, headers: dated() })
      }
      const body = request.method === 'POST' ? { body: await request.arrayBuffer() } : {}
      const { pathname } = new URL(request.url)
      return fetch(target + pathname, { method: request.method, headers: request.headers, ...body })
    },
  })
  const dated = () => ({ date: new Date().toUTCString(), 'content-type': 'application/x-amz-json-1.1' })
  return { url: server.url.href, refused: () => refused, [Symbol.asyncDispose]: () => server.stop(true) }
}

describe('the watch over the clock', () => {
  const at = (clock: { now(): number }, ahead: number) => ({ date: new Date(clock.now() + ahead).toUTCString() })

  test('says nothing of half a minute, of answers from a cache, and of no date', () => {
    const clock = manualClock()
    const log = keptLog(() => true)
    const told = skewWatch(clock, log)
    told(at(clock, 28_000))
    told(at(clock, -28_000))
    told({ ...at(clock, 3_600_000), age: '3600' })
    told({})
    told({ date: null, age: null })
    told({ date: 'yesterday' })
    expect(log.lines).toEqual([])
  })

  test('says once that it is wrong, once more when it is wrong by something else, and when it is right', () => {
    const clock = manualClock()
    const log = keptLog(() => true)
    const told = skewWatch(clock, log)
    for (const ahead of [600_000, 600_000, 610_000, 900_000, 900_000, 20_000, 31_000, 20_000, 0, 0, -60_000, 10_000]) {
      told(at(clock, ahead))
    }
    expect(log.lines.map(({ msg, seconds }) => [msg, seconds])).toEqual([
      ['clock behind AWS', 600],
      ['clock behind AWS', 900],
      ['clock behind AWS', 31],
      ['clock right again', undefined],
      ['clock ahead of AWS', 60],
      ['clock right again', undefined],
    ])
  })
})
