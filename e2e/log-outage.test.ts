import { expect, onTestFinished, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  createReadStream,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createRoom, signIn } from './api.ts'
import { freePorts } from './free-ports.ts'
import { Inbox } from './inbox.ts'
import { needs, runs } from './needs.ts'
import { type ParleyProcess, StartFailure, startParley } from './parley-process.ts'
import { type Message, PlainPeer } from './plain-peer.ts'

/** A stop as a whole must end within this. */
const stopWithin = 5_000
/** Everything that is refused is logged, too. */
const talkingMuch = { PARLEY_LOG_LEVEL: 'debug' }

/** Everything that a start can be given in place of a log that somebody reads, and what is closed after the start. */
const outages: Record<string, () => Promise<{ fd: number; started?: () => void }>> = {
  'a full disk': async () => ({ fd: open('/dev/full', constants.O_WRONLY) }),
  'a pipe that nobody reads': async () => ({ fd: fullPipe(await fifo()) }),
  'a pipe whose reader has gone': async () => {
    const path = await fifo()
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    return { fd: open(path, constants.O_WRONLY), started: () => closeSync(reader) }
  },
}

for (const [outage, make] of Object.entries(outages)) {
  test(`with ${outage} for a log the server goes on, counts, and ends in time with exit code 0`, async () => {
    const { fd, started } = await make()
    const parley = await startParley({ stderr: fd, settings: talkingMuch })
    started?.()
    await works(parley)
    await logALot(parley, 1_300_000)
    await works(parley)
    expect(await droppedLines(parley)).toBeGreaterThan(0)
    await ends(parley)
  })

  test(`with ${outage} for both outputs the server starts, goes on, and ends in time with exit code 0`, async () => {
    const { fd, started } = await make()
    const [http, ws] = (await freePorts(2)).map(String) as [string, string]
    const settings = { ...talkingMuch, PARLEY_HTTP_PORT: http, PARLEY_WS_PORT: ws }
    const parley = await startParley({ stderr: fd, stdout: fd, settings })
    started?.()
    await works(parley)
    await logALot(parley, 200_000)
    await works(parley)
    await ends(parley)
  })

  test(`with ${outage} for standard output alone nothing is missing in the log`, async () => {
    const { fd, started } = await make()
    const parley = await startParley({ stdout: fd })
    started?.()
    await works(parley)
    expect(await droppedLines(parley)).toBe(0)
    await ends(parley)
    expect(events(parley.stderr)).toEqual(expect.arrayContaining(['listening', 'room created', 'stopped']))
  })

  test(`with ${outage} for a log, what nobody has foreseen still ends the server, with exit code 1`, async () => {
    const { fd, started } = await make()
    const parley = await startParley({ stderr: fd, preload: unforeseen })
    started?.()
    const peer = await works(parley)
    const { code, milliseconds } = await parley.stop('SIGUSR2')
    expect(code).toBe(1)
    expect(milliseconds).toBeLessThan(stopWithin)
    expect(await peer.closed).toBe(1001)
  })

  test(`with ${outage} for both outputs, a server that must not start ends with exit code 1`, async () => {
    const { fd, started } = await make()
    const refused = startParley({ stderr: fd, stdout: fd, settings: { PARLEY_HTPP_PORT: '1' } })
    started?.()
    expect(await failureOf(refused)).toBe(1)
  })
}

for (const streams of ['2>&-', '1>&- 2>&-', '0<&- 1>&- 2>&-']) {
  test(`started with ${streams} the server goes on and ends with exit code 0, its data unharmed`, async () => {
    const [http, ws] = (await freePorts(2)).map(String) as [string, string]
    const settings = { ...talkingMuch, PARLEY_HTTP_PORT: http, PARLEY_WS_PORT: ws }
    const parley = await startParley({ redirections: streams, settings })
    await logALot(parley, 200_000)
    await works(parley)
    await ends(parley)
  })
}

test('a reader that comes late is told in order what is there, and how many lines are missing', async () => {
  const path = await fifo()
  const fd = fullPipe(path)
  const parley = await startParley({ stderr: fd, settings: talkingMuch })
  await logALot(parley, 1_300_000)
  const dropped = await droppedLines(parley)
  expect(dropped).toBeGreaterThan(0)

  const reader = createReadStream(path)
  onTestFinished(() => reader.destroy())
  const arrived = new Inbox<string>()
  createInterface({ input: reader }).on('line', line => line.startsWith('{') && arrived.push(line))
  const entries: Message[] = []
  const notice = await arrived.find(line => {
    entries.push(JSON.parse(line))
    return line.includes('"log lines dropped"')
  })
  expect(JSON.parse(notice).lines).toBe(dropped)
  expect(await droppedLines(parley)).toBe(dropped)
  const times = entries.map(({ time }) => String(time))
  expect(times.length).toBeGreaterThan(100)
  expect(times).toEqual(times.toSorted())

  // From now on every line arrives again.
  await createRoom(parley.httpUrl, await signIn(parley.httpUrl))
  await arrived.find(line => line.includes('"room created"'))
  await ends(parley)
  await arrived.find(line => line.includes('"stopped"'))
})

const canMount = runs('sh', '-c', 'd=$(mktemp -d) && mount -t tmpfs tmpfs $d && umount $d && rmdir $d')
needs({ 'a tmpfs that can be mounted': canMount })('a log goes on when its disk has room again', async () => {
  const folder = await smallDisk()
  const file = join(folder, 'log')
  const ballast = join(folder, 'ballast')
  const fd = open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND)
  const parley = await startParley({ stderr: fd, settings: talkingMuch })
  // All of the disk but what the log has already.
  spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k'])
  await logALot(parley, 1_300_000)
  await works(parley)
  expect(await droppedLines(parley)).toBeGreaterThan(0)
  rmSync(ballast)
  truncateSync(file)
  await until(parley, () => readFileSync(file, 'utf8').includes('"log lines dropped"'))
  truncateSync(file)
  await ends(parley)
  expect(readFileSync(file, 'utf8')).toContain('"stopped"')
})

test('what nobody has foreseen is logged, ends every peer with 1001 and the server with exit code 1', async () => {
  for (const signal of ['SIGUSR2', 'SIGWINCH'] as const) {
    const parley = await startParley({ preload: unforeseen })
    const peer = await works(parley)
    const { code } = await parley.stop(signal)
    expect(code).toBe(1)
    expect(await peer.closed).toBe(1001)
    const fatal = parley.stderr.filter(line => line.startsWith('{')).map(line => JSON.parse(line))
    expect(fatal).toContainEqual(
      expect.objectContaining({ level: 60, msg: 'unforeseen error; the server ends', err: expect.anything() }),
    )
    expect(parley.stderr.filter(line => !line.startsWith('{'))).toEqual([])
  }
})

test('what a library prints stands in the log', async () => {
  const parley = await startParley({ preload: talkative })
  parley.signal('SIGUSR2')
  await until(parley, () => parley.stderr.join('\n').includes('deprecated'))
  const said = parley.stderr.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'a library says')
  expect(said.map(({ text }) => text)).toEqual(['careful 1', 'deprecated'])
  await ends(parley)
})

/** Faults of the process, on demand. */
const unforeseen = `
process.on('SIGUSR2', () => { throw new Error('unforeseen') })
process.on('SIGWINCH', () => void Promise.reject(new Error('unforeseen')))
`
const talkative = `
process.on('SIGUSR2', () => { console.warn('careful', 1); process.emitWarning('deprecated') })
`

/** Has two peers meet, and one reach the other. @returns the one that stays */
async function works({ httpUrl, wsUrl }: ParleyProcess): Promise<PlainPeer> {
  expect((await fetch(`${httpUrl}/livez`)).status).toBe(200)
  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)
  const ada = await PlainPeer.register({ wsUrl, peerId: 'ada', idToken, room })
  const bob = await PlainPeer.register({ wsUrl, peerId: 'bob', idToken, room })
  ada.send({ type: 'offer', sender: 'ada', target: 'bob', sdp: 'v=0' })
  expect(await bob.messages.next()).toMatchObject({ type: 'offer', sdp: 'v=0' })
  return ada
}

async function ends(parley: ParleyProcess): Promise<void> {
  const { code, milliseconds } = await parley.stop()
  expect(code).toBe(0)
  expect(milliseconds).toBeLessThan(stopWithin)
}

/** Has the server log at least so many bytes, if it logs what it refuses. */
async function logALot({ httpUrl }: ParleyProcess, bytes: number): Promise<void> {
  const path = `/rooms/${'x'.repeat(8_000)}`
  for (let left = bytes; left > 0; left -= path.length) expect((await fetch(httpUrl + path)).status).toBe(401)
}

async function droppedLines({ httpUrl }: ParleyProcess): Promise<number> {
  const text = await (await fetch(`${httpUrl}/metrics`)).text()
  return Number(/^parley_log_lines_dropped_total (\d+)$/m.exec(text)?.[1])
}

const events = (lines: readonly string[]): string[] =>
  lines.filter(line => line.startsWith('{')).map(line => JSON.parse(line).msg)

const failureOf = (start: Promise<unknown>): Promise<number | null> =>
  start.then(
    () => Promise.reject(new Error('It has started.')),
    error => (error instanceof StartFailure ? error.code : Promise.reject(error)),
  )

/** Opens a file until the end of the test. */
function open(path: string, flags: number): number {
  const fd = openSync(path, flags, 0o600)
  onTestFinished(() => closeSync(fd))
  return fd
}

/** A named pipe, which a test can fill, leave unread and read on as it likes. */
async function fifo(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-e2e-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'pipe')
  expect(spawnSync('mkfifo', [path]).status).toBe(0)
  return path
}

/** Opens a pipe to write to, which is full and stays so, although it could be read. */
function fullPipe(path: string): number {
  const both = open(path, constants.O_RDWR | constants.O_NONBLOCK)
  for (const bytes of [4096, 1]) {
    try {
      for (;;) writeSync(both, Buffer.alloc(bytes, '\n'))
    } catch (error) {
      expect(error).toMatchObject({ code: 'EAGAIN' })
    }
  }
  return open(path, constants.O_WRONLY)
}

/** Resolves once `isThere`. Only the server can change that, which is kept busy meanwhile. */
async function until({ httpUrl }: ParleyProcess, isThere: () => boolean): Promise<void> {
  while (!isThere()) expect((await fetch(`${httpUrl}/livez`)).status).toBe(200)
}

/** A file system of 4 MiB, until the end of the test. */
async function smallDisk(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-e2e-'))
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]).status).toBe(0)
  onTestFinished(async () => {
    // Lazily, as the log in it is still open.
    expect(spawnSync('umount', ['-l', folder]).status).toBe(0)
    await rm(folder, { recursive: true })
  })
  return folder
}
