import { expect, onTestFinished, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from './clock.ts'
import { LineOutput } from './line-output.ts'
import { openLog } from './log.ts'

const notice = (dropped: number) => `${dropped} dropped\n`
/** 1,000 bytes with its end. */
const line = (number: number) => `${String(number).padEnd(999, '.')}\n`

test('lines are written in order, and a flush waits for the last of them', async () => {
  const file = path('log')
  const output = new LineOutput(open(file, constants.O_WRONLY | constants.O_CREAT), systemClock, notice)
  for (let i = 0; i < 900; i++) output.write(line(i))
  await output.flush(60_000)
  expect(readFileSync(file, 'utf8')).toBe(Array.from({ length: 900 }, (_, i) => line(i)).join(''))
  expect(output.dropped).toBe(0)
})

test('what does not fit is dropped, and the reader is told how much when it reads on', async () => {
  const { output, reader } = unreadPipe()
  for (let i = 0; i < 3000; i++) output.write(line(i))
  // A pipe has 64 KiB; the rest waits, up to 1 MiB.
  expect(output.dropped).toBeGreaterThanOrEqual(3000 - 1048 - 66)
  expect(output.dropped).toBeLessThanOrEqual(3000 - 1048)
  const { dropped } = output

  const flushed = output.flush(60_000)
  const text = await readAll(reader, text => text.endsWith('dropped\n'))
  await flushed
  const written = Array.from({ length: 3000 - dropped }, (_, i) => line(i)).join('')
  expect(text).toBe(written + notice(dropped))
  output.write(line(3000))
  await output.flush(60_000)
  expect(await readAll(reader, text => text.endsWith('\n'))).toBe(line(3000))
  expect(output.dropped).toBe(dropped)
})

test('one line that is too long is dropped alone', async () => {
  const { output, reader } = unreadPipe()
  output.write('x'.repeat(2 ** 20 + 1))
  output.write('short\n')
  await output.flush(60_000)
  expect(await readAll(reader, text => text.endsWith('short\n'))).toBe(`${notice(1)}short\n`)
})

test('a flush waits for a pipe that nobody reads as long as it is told to', async () => {
  const { output } = unreadPipe()
  for (let i = 0; i < 100; i++) output.write(line(i))
  const start = performance.now()
  await output.flush(200)
  expect(performance.now() - start).toBeWithin(190, 2000)
})

test('a flush to a full disk or a closed descriptor does not wait', async () => {
  const outputs = [open('/dev/full', constants.O_WRONLY), 2 ** 20].map(fd => new LineOutput(fd, systemClock, notice))
  for (const output of outputs) {
    output.write(line(1))
    await output.flush(60_000)
    await output.flush(60_000)
  }
})

test('outputs that can only block take one thread between them, and each goes on when it is read', async () => {
  const pipes = Array.from({ length: Math.max(2, availableParallelism()) }, blockingPipe)
  for (const { output } of pipes) for (let i = 0; i < 100; i++) output.write(line(i))
  await Promise.all(pipes.map(({ output }) => output.flush(50)))
  // There are no more threads than that, and this needs one.
  expect(await readFile(import.meta.path, 'utf8')).toContain('needs one')
  const all = Array.from({ length: 100 }, (_, i) => line(i)).join('')
  const texts = pipes.map(({ reader }) => readAll(reader, text => text.endsWith(line(99))))
  expect(await Promise.all(texts)).toEqual(pipes.map(() => all))
})

test('what is logged may throw, the log does not', async () => {
  const { output, reader } = unreadPipe()
  const log = openLog('info', output)
  const odd = {
    get code(): string {
      throw new Error('from a getter')
    },
  }
  log.info(odd, 'odd')
  log.error({ err: Object.defineProperty(new Error('odd'), 'code', { get: () => odd.code, enumerable: true }) }, 'odd')
  expect(log.droppedLines()).toBe(2)
  log.info({ big: 1n, round: round() }, 'even')
  await log.flush(60_000)
  const text = await readAll(reader, text => text.endsWith('"even"}\n'))
  expect(text).toStartWith(notice(2))
})

const round = () => {
  const self: Record<string, unknown> = {}
  self.self = self
  return self
}

function path(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, name)
}

function open(file: string, flags: number): number {
  const fd = openSync(file, flags, 0o600)
  onTestFinished(() => closeSync(fd))
  return fd
}

/** A pipe that nobody reads until the test does. */
function unreadPipe(): { output: LineOutput; reader: number } {
  const pipe = path('pipe')
  expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
  const reader = open(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  return { output: new LineOutput(open(pipe, constants.O_WRONLY), systemClock, notice), reader }
}

/** The same, but one that could not be opened once more without blocking, as there was no reader then. */
function blockingPipe(): { output: LineOutput; reader: number } {
  const pipe = path('pipe')
  expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
  const first = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = open(pipe, constants.O_WRONLY)
  closeSync(first)
  const output = new LineOutput(writer, systemClock, notice)
  return { output, reader: open(pipe, constants.O_RDONLY | constants.O_NONBLOCK) }
}

/** What comes out of a pipe, once that `isAll`. */
async function readAll(fd: number, isAll: (text: string) => boolean): Promise<string> {
  const buffer = Buffer.alloc(65_536)
  let text = ''
  while (!isAll(text)) {
    try {
      text += buffer.toString('utf8', 0, readSync(fd, buffer))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  return text
}
