import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRoom, post, signIn } from './api.ts'
import type { Fault } from './aws/fault-proxy.ts'
import { type Aws, startAws } from './aws/set-up.ts'
import { type ParleyProcess, startParley } from './parley-process.ts'
import { type Message, PlainPeer } from './plain-peer.ts'

/** Who asked must have been answered within this. Milliseconds. */
const answerWithin = 5_000

let aws: Aws
beforeAll(async () => {
  aws = await startAws()
})
afterEach(() => {
  aws.cognito.fault('none')
  aws.dynamodb.fault('none')
})
afterAll(() => aws.stop())

const startOnAws = () => startParley({ settings: aws.settings })

/** Two registered peers, and what they need to come back. */
async function twoPeers({ httpUrl, wsUrl }: ParleyProcess) {
  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)
  const ada = await PlainPeer.register({ wsUrl, peerId: 'ada', idToken, room })
  const bob = await PlainPeer.register({ wsUrl, peerId: 'bob', idToken, room })
  return { idToken, room, ada, bob }
}

/**
 * Has offers go from one to the other, each as soon as the one before has arrived, while `going` says so.
 * @returns how long each took, in milliseconds, from the shortest to the longest
 */
async function relay(from: PlainPeer, to: PlainPeer, going: () => boolean): Promise<number[]> {
  const took: number[] = []
  while (going()) {
    const start = performance.now()
    from.send({ type: 'offer', sender: from.id, target: to.id, sdp: 'v=0'.padEnd(2048) })
    await to.messages.next()
    took.push(performance.now() - start)
  }
  return took.sort((a, b) => a - b)
}

const p99 = (took: readonly number[]): number => took[Math.floor(took.length * 0.99)] ?? Number.NaN

/** What a `register` is answered with, and how long that took. */
async function register({ wsUrl }: ParleyProcess, members: Message): Promise<{ reply: Message; took: number }> {
  const peer = await PlainPeer.connect(wsUrl, 'late')
  const start = performance.now()
  peer.send({ type: 'register', ...members })
  return { reply: await peer.messages.next(), took: performance.now() - start }
}

/** The answer of an address, and how long it took. */
async function timed(ask: () => Promise<Response>) {
  const start = performance.now()
  const response = await ask()
  const body = (await response.json()) as Record<string, unknown>
  return {
    status: response.status,
    retryAfter: response.headers.get('Retry-After'),
    body,
    took: performance.now() - start,
  }
}

/** What `/readyz` says as soon as it does not say that all is well. It may do so for a second more. */
async function unready(httpUrl: string) {
  for (;;) {
    const answer = await timed(() => fetch(`${httpUrl}/readyz`))
    if (answer.status !== 200) return answer
  }
}

const unavailable = { status: 503, body: { code: 'UNAVAILABLE', retryable: true }, retryAfter: expect.any(String) }

for (const service of ['cognito', 'dynamodb'] as const) {
  test(`while ${service} hangs, registered peers notice nothing, and who needs it is told in time`, async () => {
    const parley = await startOnAws()
    const { httpUrl } = parley
    const { idToken, room, ada, bob } = await twoPeers(parley)
    let rounds = 0
    await relay(ada, bob, () => rounds++ < 500)
    rounds = 0
    const before = await relay(ada, bob, () => rounds++ < 2_000)

    aws[service].fault('hung')
    const asked = Promise.all([
      ...Array.from({ length: 20 }, () => timed(() => fetch(`${httpUrl}/anonymous-signin`, { method: 'POST' }))),
      ...Array.from({ length: 20 }, () =>
        timed(() =>
          fetch(`${httpUrl}/create-room`, { method: 'POST', headers: { Authorization: `Bearer ${idToken}` } }),
        ),
      ),
      unready(httpUrl),
    ])
    const registering = Promise.all(
      Array.from({ length: 20 }, (_, i) => register(parley, { peer_id: `late-${i}`, ...room, id_token: idToken })),
    )
    let waiting = true
    const settled = Promise.all([asked, registering]).finally(() => {
      waiting = false
    })
    const meanwhile = await relay(ada, bob, () => waiting)
    const [answers, registrations] = await settled

    // Whoever does not need the service is served.
    const signIns = answers.slice(0, 20)
    const creations = answers.slice(20, 40)
    const [toldSilent, toldServed] = service === 'cognito' ? [signIns, creations] : [creations, signIns]
    for (const answer of toldSilent) expect(answer).toMatchObject(unavailable)
    for (const answer of toldServed) expect(answer.status).toBe(200)
    expect(answers[40]).toMatchObject(unavailable)
    expect(answers[40]?.body.detail).toMatch(service === 'cognito' ? /Cognito/ : /DynamoDB|room store/)
    for (const { reply } of registrations) {
      if (service === 'cognito') expect(reply.type).toBe('registered_auth')
      else
        expect(reply).toMatchObject({ type: 'error', code: 'UNAVAILABLE', reason: 'DynamoDB error', retryable: true })
    }
    for (const { took } of [...answers, ...registrations]) expect(took).toBeLessThan(answerWithin)
    expect((await fetch(`${httpUrl}/livez`)).status).toBe(200)

    // The services hang for seconds; were anything of the relay to wait for one, this would show it.
    expect(meanwhile.length).toBeGreaterThan(1_000)
    expect(p99(meanwhile)).toBeLessThan(10 * p99(before) + 10)
    expect(meanwhile.at(-1)).toBeLessThan(1_000)

    aws[service].fault('none')
    expect((await fetch(`${httpUrl}/readyz`)).status).toBe(200)
    const again = await createRoom(httpUrl, await signIn(httpUrl))
    const { reply } = await register(parley, { peer_id: 'late', ...again, id_token: idToken })
    expect(reply.type).toBe('registered_auth')
  })
}

test('a server that starts while both are away says so, refuses in time, and is ready once they are there', async () => {
  const { httpUrl } = await startOnAws()
  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)

  for (const fault of ['hung', 'refused'] satisfies Fault[]) {
    aws.cognito.fault(fault)
    aws.dynamodb.fault(fault)
    // It has never seen the keys of the pool.
    const parley = await startOnAws()
    const [{ reply, took }, ready] = await Promise.all([
      register(parley, { peer_id: 'early', ...room, id_token: idToken }),
      timed(() => fetch(`${parley.httpUrl}/readyz`)),
    ])
    expect(reply).toMatchObject({ type: 'error', code: 'UNAVAILABLE', retryable: true })
    expect(ready).toMatchObject(unavailable)
    expect(Math.max(took, ready.took)).toBeLessThan(answerWithin)
    aws.cognito.fault('none')
    aws.dynamodb.fault('none')
    // It asks for keys that it has never had no more than once a second.
    const again = () => register(parley, { peer_id: 'early', ...room, id_token: idToken })
    let { reply: late } = await again()
    while (late.code === 'UNAVAILABLE') late = (await again()).reply
    expect(late.type).toBe('registered_auth')
    expect((await fetch(`${parley.httpUrl}/readyz`)).status).toBe(200)
    await parley.stop()
    const silent = parley.stderr.filter(line => line.includes('"service unavailable"'))
    expect(silent.length).toBeGreaterThanOrEqual(2)
  }
})

test('a room is deleted though Cognito does not answer, and its users are once it does, also after a restart', async () => {
  const { userPoolId } = aws.pool
  const users = async () => (await aws.emulator.usernames(userPoolId)).sort()
  const before = await users()
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-e2e-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const parley = await startParley({ dataDir, settings: aws.settings })
  const { room } = await twoPeers(parley)
  aws.cognito.fault('hung', /AdminDeleteUser/)
  const start = performance.now()
  const { status, body } = await post(`${parley.httpUrl}/delete-peers-and-room`, { ...room })
  expect({ status, body }).toEqual({ status: 200, body: { status: 'peer deleted successfully' } })
  expect(performance.now() - start).toBeLessThan(answerWithin)
  expect((await aws.items()).map(({ room_id }) => room_id?.S)).not.toContain(room.room_id)
  await parley.stop()
  expect(parley.stderr.join('\n')).toContain('identities not signed out')
  expect(await users()).toHaveLength(before.length + 1)

  aws.cognito.fault('none')
  await startParley({ dataDir, settings: aws.settings })
  while ((await users()).length > before.length);
  expect(await users()).toEqual(before)
})
