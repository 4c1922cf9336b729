import { expect, onTestFinished, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createRoom, signIn } from './api.ts'
import { needs, runs } from './needs.ts'
import { type ParleyProcess, root, StartFailure, startParley } from './parley-process.ts'
import { type Message, PlainPeer } from './plain-peer.ts'
import { stubbornPeer } from './stubborn-peer.ts'

/** A stop as a whole must end within this. */
const stopWithin = 5_000

const tools = { curl: runs('curl', '--version'), bash: runs('bash', '--version') }

needs(tools)('the start says where it listens, and three lines that work as they stand', async () => {
  const parley = await startParley({ command: 'npm' })
  const output = parley.stdout.join('\n')
  expect(output).toContain(`HTTP API    ${parley.httpUrl}\n`)
  expect(output).toContain(`WebSocket   ${parley.wsUrl}\n`)
  expect(output).toContain(`Data        ${parley.dataDir}\n`)

  const lines = parley.stdout.filter(line => /^ {2}(export|npx bun) /.test(line))
  expect(output).toContain(`  npx parley worker --server ${parley.httpUrl}\n`)
  expect(lines).toHaveLength(3)
  const terminal = spawn('bash', ['-c', lines.join('\n')], { cwd: root, detached: true })
  const ended = once(terminal, 'close')
  // The third line stays connected, until Ctrl-C in its terminal.
  onTestFinished(async () => {
    if (terminal.pid && terminal.exitCode === null) process.kill(-terminal.pid, 'SIGINT')
    await ended
  })
  const said: string[] = []
  for await (const line of createInterface({ input: terminal.stdout })) {
    said.push(line)
    if (line.includes('registered_auth')) break
  }
  const [room, reply] = said.map(line => JSON.parse(line))
  expect(reply).toMatchObject({ type: 'registered_auth', peer_id: 'me', room_id: room.room_id, token: room.token })
})

test('rooms and ID tokens survive a restart', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-e2e-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const before = await startParley({ dataDir })
  const idToken = await signIn(before.httpUrl)
  const room = await createRoom(before.httpUrl, idToken)
  expect((await before.stop()).code).toBe(0)

  const { wsUrl } = await startParley({ dataDir })
  const peer = await PlainPeer.register({ wsUrl, peerId: 'me', idToken, room })
  expect(peer.id).toBe('me')
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} closes every peer with 1001 and ends the server with exit code 0`, async () => {
    const parley = await startParley({ command: 'npm' })
    const { ada, bob } = await twoPeers(parley)
    const { code, milliseconds } = await parley.stop(signal)
    expect(code).toBe(0)
    expect(milliseconds).toBeLessThan(stopWithin)
    expect(await Promise.all([ada.closed, bob.closed])).toEqual([1001, 1001])
  })

  test(`${signal} twice to npm and server, as a terminal may send it, does the same`, async () => {
    const parley = await startParley({ command: 'npm' })
    const { ada, bob } = await twoPeers(parley)
    parley.signal(signal, 'group')
    const { milliseconds } = await parley.stop(signal, 'group')
    expect(milliseconds).toBeLessThan(stopWithin)
    expect(await Promise.all([ada.closed, bob.closed])).toEqual([1001, 1001])
    expect(events(parley)).toEqual(expect.arrayContaining(['stopping', 'stopped']))
  })

  test(`${signal} twice in a row, without npm, ends the server with exit code 0`, async () => {
    const parley = await startParley()
    const { ada, bob } = await twoPeers(parley)
    parley.signal(signal)
    expect((await parley.stop(signal)).code).toBe(0)
    expect(await Promise.all([ada.closed, bob.closed])).toEqual([1001, 1001])
    expect(events(parley).filter(event => event === 'stopping')).toHaveLength(1)
  })
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} to npm alone, as a supervisor sends it, ends the server with exit code 0`, async () => {
    const parley = await startParley({ command: 'npm' })
    expect((await parley.stop(signal, 'started')).code).toBe(0)
    expect(() => process.kill(parley.pid, 0)).toThrow('ESRCH')
  })
}

test('a peer that ignores the close frame does not hold up the stop', async () => {
  const parley = await startParley()
  const { httpUrl, wsUrl } = parley
  const idToken = await signIn(httpUrl)
  await stubbornPeer('everything', wsUrl, 'deaf', idToken, await createRoom(httpUrl, idToken))
  const { code, milliseconds } = await parley.stop()
  expect(code).toBe(0)
  expect(milliseconds).toBeLessThan(stopWithin)
})

test('a peer that reads nothing does not hold up the stop', async () => {
  const parley = await startParley({ settings: { PARLEY_MAX_QUEUE_BYTES: '65536' } })
  const { httpUrl, wsUrl } = parley
  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)
  await stubbornPeer('nothing', wsUrl, 'stuck', idToken, room)
  const members = { features: ['acks'] }
  const sender = await PlainPeer.register({ wsUrl, peerId: 'sender', idToken, room, members })
  // Until the queue that the server has for it is full, and those of the kernel before it. A `query` is always answered.
  for (let reply: Message = {}; reply.code !== 'DELIVERY_FAILED'; reply = await sender.messages.next()) {
    sender.send({ type: 'offer', sender: 'sender', target: 'stuck', sdp: 'v=0'.padEnd(500_000) })
    sender.send({ type: 'query' })
  }

  const { code, milliseconds } = await parley.stop()
  expect(code).toBe(0)
  expect(milliseconds).toBeLessThan(stopWithin)
  expect(await sender.closed).toBe(1001)
})

test('a peer that reads slowly gets all that was accepted for it, and then its 1001', async () => {
  const parley = await startParley({ settings: { PARLEY_MAX_QUEUE_BYTES: '16777216' } })
  const { httpUrl, wsUrl } = parley
  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)
  const slow = await stubbornPeer('nothing', wsUrl, 'slow', idToken, room)
  const sender = await PlainPeer.register({ wsUrl, peerId: 'sender', idToken, room })
  // More than the kernel takes, and less than the server refuses. The answered `query` says that all was handled.
  const sdp = 'v=0'.padEnd(700_000)
  for (let i = 0; i < 10; i++) sender.send({ type: 'offer', sender: 'sender', target: 'slow', sdp })
  sender.send({ type: 'query', request_id: 'last' })
  expect(await sender.messages.next()).toMatchObject({ request_id: 'last' })

  const stopping = parley.stop()
  expect(await sender.closed).toBe(1001)
  const { bytes, end } = await slow.readOn()
  expect(bytes).toBeGreaterThan(10 * sdp.length)
  expect(end.includes(Buffer.from([0x03, 0xe9]))).toBe(true) // 1001
  expect((await stopping).code).toBe(0)
})

/** Settings with which the server must not start, and what it says about it. */
const refusals = (taken: number) => ({
  'a port in use': [{ PARLEY_WS_PORT: String(taken) }, `PARLEY_WS_PORT: port ${taken} on 127.0.0.1 is in use`],
  'an unwritable data folder': [{ PARLEY_DATA_DIR: join(import.meta.path, 'data') }, 'PARLEY_DATA_DIR: the folder'],
  'an unknown setting': [{ PARLEY_HTPP_PORT: '1' }, 'PARLEY_HTPP_PORT is not a setting; is PARLEY_HTTP_PORT meant'],
  'a malformed setting': [{ PARLEY_ROOM_TTL_SECONDS: '2h' }, 'PARLEY_ROOM_TTL_SECONDS must be a whole number'],
})

for (const fault of Object.keys(refusals(0)) as (keyof ReturnType<typeof refusals>)[]) {
  test(`${fault} is told in one sentence, and the server does not start`, async () => {
    const taken = takenPort()
    const [settings, sentence] = refusals(taken)[fault] as [Record<string, string>, string]
    const { code, stdout, stderr } = await refusal(settings)
    expect(code).toBe(1)
    expect(stdout).toEqual([])
    expect(stderr).toEqual([expect.stringMatching(/^parley: .*[.?]$/)])
    expect(stderr[0]).toContain(sentence)
  })
}

test('all faults are told at once', async () => {
  const taken = takenPort()
  const faults = Object.values(refusals(taken)) as [Record<string, string>, string][]
  const { code, stderr } = await refusal(Object.assign({}, ...faults.map(([settings]) => settings)))
  expect(code).toBe(1)
  expect(stderr).toHaveLength(faults.length)
  for (const [, sentence] of faults) expect(stderr.join('\n')).toContain(sentence)
})

/** Two peers in one room, registered. */
async function twoPeers({ httpUrl, wsUrl }: ParleyProcess): Promise<{ ada: PlainPeer; bob: PlainPeer }> {
  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)
  const ada = await PlainPeer.register({ wsUrl, peerId: 'ada', idToken, room })
  const bob = await PlainPeer.register({ wsUrl, peerId: 'bob', idToken, room })
  return { ada, bob }
}

/** The events in the log. */
const events = ({ stderr }: ParleyProcess): string[] =>
  stderr.filter(line => line.startsWith('{')).map(line => JSON.parse(line).msg)

/** How a start with these settings fails. */
async function refusal(settings: Record<string, string>): Promise<StartFailure> {
  try {
    const parley = await startParley({ settings })
    throw new Error(`Parley has started at ${parley.httpUrl}.`)
  } catch (error) {
    if (error instanceof StartFailure) return error
    throw error
  }
}

/** A port that something else listens on until the end of the test. */
function takenPort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  onTestFinished(() => listener.stop(true))
  return listener.port
}
