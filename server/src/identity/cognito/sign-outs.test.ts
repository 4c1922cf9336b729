import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'bun:test'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Fault } from '../../../../e2e/aws/fault-proxy.ts'
import { type CognitoWorld, keptLog, startCognitoWorld, testClock } from '../../../test/cognito-world.ts'
import type { Identity } from '../identity.ts'

const faults: readonly (readonly [string, Fault])[] = [
  ['refuses connections', 'refused'],
  ['hangs', 'hung'],
  ['throttles', 'throttled'],
  ['answers 500', { status: 500 }],
  ['cuts its answers', 'cut'],
]

let world: CognitoWorld
beforeAll(async () => {
  world = await startCognitoWorld()
})
afterEach(() => {
  world.proxy.fault('none')
  world.proxy.clock(0)
})
afterAll(() => world[Symbol.asyncDispose]())

/** The names of so many new users, as their tokens have them. */
async function users(identity: Identity, count: number): Promise<string[]> {
  const signedIn = await Promise.all(Array.from({ length: count }, () => identity.signIn()))
  return Promise.all(signedIn.map(async ({ idToken }) => (await identity.verify(idToken)).username))
}
/** As anonymous identities are called. */
const someNames = (count: number) => Array.from({ length: count }, () => crypto.randomUUID())
const left = async (names: readonly string[]) =>
  (await world.emulator.usernames(world.userPoolId)).filter(name => names.includes(name))
const pendingIn = async (folder: string): Promise<string[]> =>
  JSON.parse(await readFile(join(folder, 'pending-sign-outs.json'), 'utf8'))
const messageOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    ({ message }) => message,
  )

for (const [what, fault] of faults) {
  test(`users whom Cognito cannot delete while it ${what} are counted, kept, and deleted later`, async () => {
    const clock = testClock()
    const log = keptLog()
    const folder = await world.newFolder()
    const identity = await world.open({ clock, log, folder })
    const names = await users(identity, 20)
    world.proxy.fault(fault)
    expect(await messageOf(clock.whilePassing(identity.signOut(names)))).toMatch(
      /^\d+ of 20 users were not deleted, and are tried again later: .+/,
    )
    expect((await pendingIn(folder)).sort()).toEqual(names.toSorted())
    expect((await stat(join(folder, 'pending-sign-outs.json'))).mode & 0o777).toBe(0o600)

    world.proxy.fault('none')
    expect((await identity.signIn()).idToken).toBeString()
    await clock.advanceToPlan()
    await log.said('identities signed out late')
    expect(await left(names)).toEqual([])
    expect(await readdir(folder)).toEqual([])
    expect(log.lines).toEqual([{ msg: 'identities signed out late', identities: 20 }])
  })
}

test('what Cognito does not answer is named', async () => {
  const clock = testClock()
  const identity = await world.open({ clock })
  const names = await users(identity, 10)
  world.proxy.fault('hung')
  expect(await messageOf(clock.whilePassing(identity.signOut(names)))).toStartWith(
    '10 of 10 users were not deleted, and are tried again later: Cognito does not answer AdminDeleteUser: no answer in ',
  )
})

test('users are deleted eight at a time, also by a slow Cognito', async () => {
  const identity = await world.open()
  const names = await users(identity, 30)
  world.proxy.fault({ slow: 20 })
  const asked = world.proxy.seen.length
  const done = identity.signOut(names)
  await world.asked(/AdminDeleteUser/, 8)
  expect(world.proxy.seen.slice(asked).length).toBeLessThanOrEqual(8)
  await done
  expect(await left(names)).toEqual([])
})

test('of users some of whom could be deleted only the others are kept', async () => {
  const clock = testClock()
  const folder = await world.newFolder()
  const identity = await world.open({ clock, folder })
  const names = await users(identity, 30)
  const asked = world.proxy.seen.filter(name => name === 'AdminDeleteUser').length
  const outcome = messageOf(identity.signOut(names))
  await world.asked(/AdminDeleteUser/, asked + 10)
  world.proxy.fault('throttled')
  const message = await outcome
  const remaining = await left(names)
  expect(remaining.length).toBeWithin(1, 30)
  expect(message).toStartWith(`${remaining.length} of 30 users were not deleted`)
  expect(await pendingIn(folder)).toHaveLength(remaining.length)
})

test('the pauses between tries grow to ten minutes, and the log hears once that they fail', async () => {
  const clock = testClock()
  const log = keptLog()
  const identity = await world.open({ clock, log })
  const names = await users(identity, 1)
  world.proxy.fault('throttled', /AdminDeleteUser/)
  await messageOf(identity.signOut(names))
  const tries = () => world.proxy.seen.filter(name => name === 'AdminDeleteUser').length
  onTestFinished(() => world.proxy.clock(0))
  let passed = 0
  for (const seconds of [30, 60, 120, 240, 480, 600, 600]) {
    const before = tries()
    const ms = await clock.advanceToPlan()
    expect(ms).toBeWithin(seconds * 500, seconds * 1000)
    passed += ms
    world.proxy.clock(passed)
    await world.asked(/AdminDeleteUser/, before + 8)
  }
  expect(log.lines).toEqual([
    {
      msg: 'identities still not signed out',
      identities: 1,
      cause: 'CallFailure: Cognito throttles AdminDeleteUser: by the fault proxy (TooManyRequestsException)',
    },
  ])
  world.proxy.fault('none')
  await clock.advanceToPlan()
  await log.said('identities signed out late')
  expect(await left(names)).toEqual([])
})

test('a restart forgets nobody', async () => {
  const folder = await world.newFolder()
  const first = await world.open({ folder })
  const names = await users(first, 3)
  world.proxy.fault('throttled')
  await messageOf(first.signOut(names))
  await first.close()
  world.proxy.fault('none')
  expect(await left(names)).toHaveLength(3)

  const clock = testClock()
  const log = keptLog()
  await world.open({ folder, clock, log })
  await clock.advanceToPlan()
  await log.said('identities signed out late')
  expect(await left(names)).toEqual([])
})

test('a sign-out that is under way when the server stops is taken up after the next start', async () => {
  const folder = await world.newFolder()
  const identity = await world.open({ folder })
  const names = await users(identity, 12)
  world.proxy.fault('hung')
  const asked = world.proxy.seen.filter(name => name === 'AdminDeleteUser').length
  const outcome = messageOf(identity.signOut(names))
  await world.asked(/AdminDeleteUser/, asked + 8)
  await identity.close()
  expect(await outcome).toStartWith('12 of 12 users were not deleted')
  expect((await pendingIn(folder)).sort()).toEqual(names.toSorted())
})

test('a file that cannot be read is set aside, and no reason not to start', async () => {
  const names = someNames(1)
  for (const content of ['', '{}', '[1]', '["a"', 'null']) {
    const folder = await world.newFolder()
    await writeFile(join(folder, 'pending-sign-outs.json'), content)
    const log = keptLog()
    const identity = await world.open({ folder, log })
    expect(log.lines).toMatchObject([{ msg: 'identities to sign out not readable' }])
    expect(await readFile(join(folder, 'pending-sign-outs.json.unreadable'), 'utf8')).toBe(content)
    world.proxy.fault('throttled')
    await messageOf(identity.signOut(names))
    world.proxy.fault('none')
    expect(await pendingIn(folder)).toEqual(names)
  }
})

test('where nothing can be written, the log says so, nothing is ready, and the users are deleted all the same', async () => {
  const folder = await world.newFolder()
  const clock = testClock()
  const log = keptLog()
  const identity = await world.open({ folder: join(folder, 'missing'), clock, log })
  expect(await messageOf(identity.ready())).toStartWith(
    `Nothing can be written to the data folder ${join(folder, 'missing')}: ENOENT`,
  )
  const names = await users(identity, 1)
  world.proxy.fault('throttled')
  await messageOf(identity.signOut(names))
  expect(log.lines).toMatchObject([{ msg: 'identities to sign out not kept' }])
  world.proxy.fault('none')
  await clock.advanceToPlan()
  await log.said('identities signed out late')
  expect(await left(names)).toEqual([])
})

test('beyond 100,000 users no more are kept, which the log says', async () => {
  const folder = await world.newFolder()
  await writeFile(join(folder, 'pending-sign-outs.json'), JSON.stringify(someNames(99_999)))
  const log = keptLog()
  const identity = await world.open({ folder, log })
  world.proxy.fault('throttled', /AdminDeleteUser/)
  await messageOf(identity.signOut(someNames(3)))
  expect(log.lines).toEqual([{ msg: 'too many identities to sign out', lost: 2 }])
  expect(await pendingIn(folder)).toHaveLength(100_000)
})

test('only anonymous identities are deleted, whatever else the users of the pool are called', async () => {
  const folder = await world.newFolder()
  const uuid = crypto.randomUUID()
  const people = ['ada', 'ada@example.com', `${uuid}@example.com`, `${uuid}0`, `x${uuid}`, uuid.replaceAll('-', '')]
  for (const Username of people) {
    await world.emulator.call('SignUp', { ClientId: world.clientId, Username, Password: 'aA1!aaaa' })
  }
  await writeFile(join(folder, 'pending-sign-outs.json'), JSON.stringify(people))
  const clock = testClock()
  const identity = await world.open({ folder, clock })
  const [anonymous = ''] = await users(identity, 1)
  const deletions = () => world.proxy.seen.filter(name => name === 'AdminDeleteUser').length
  const before = deletions()
  await identity.signOut([...people, '', ' ', 'a b', '\u0000', `${uuid}\n`, 'a'.repeat(129), anonymous])
  clock.advance(60_000)
  await identity.close()
  expect(deletions()).toBe(before + 1)
  expect((await left([...people, anonymous])).sort()).toEqual(people.toSorted())
})

test('a draft never stays, and is for its user alone', async () => {
  const folder = await world.newFolder()
  await chmod(folder, 0o755)
  const identity = await world.open({ folder })
  world.proxy.fault('throttled')
  const names = someNames(4)
  await Promise.all(names.map(name => messageOf(identity.signOut([name]))))
  await identity.close()
  expect(await readdir(folder)).toEqual(['pending-sign-outs.json'])
  expect((await pendingIn(folder)).sort()).toEqual(names.toSorted())
})
