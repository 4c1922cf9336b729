import { expect, onTestFinished, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { needs, runs } from './needs.ts'
import { root, startParley } from './parley-process.ts'

const tools = { script: runs('script', '--version') }

/** The first line that the server logs, on a terminal. */
async function firstLine(settings: Record<string, string>): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-terminal-'))
  const own = { PARLEY_HTTP_PORT: '0', PARLEY_WS_PORT: '0', PARLEY_DATA_DIR: dataDir, PARLEY_STUN_URLS: 'none' }
  const env = { PATH: process.env.PATH, TERM: 'xterm', ...own, ...settings }
  const command = `exec '${join(root, 'node_modules/.bin/bun')}' server/src/main.ts`
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: root, env, stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(child, 'close')
  onTestFinished(async () => {
    // The server ends with its terminal.
    child.kill('SIGKILL')
    await ended
    await rm(dataDir, { recursive: true, force: true })
  })
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('listening')) return line
  throw new Error('The server has logged nothing.')
}

needs(tools)('on a terminal the log is for people, with levels by name, in colour', async () => {
  const line = await firstLine({})
  expect(Bun.stripANSI(line)).toMatch(/^\d\d:\d\d:\d\d INFO {2}listening host=127\.0\.0\.1 httpPort=\d+ /)
  expect(line).toContain('\x1b[32mINFO \x1b[0m')
})

needs(tools)('NO_COLOR takes the colour away', async () => {
  expect(await firstLine({ NO_COLOR: '1' })).toMatch(/^\d\d:\d\d:\d\d INFO {2}listening host=/)
})

needs(tools)('PARLEY_LOG_FORMAT=json has JSON on a terminal, too', async () => {
  expect(JSON.parse(await firstLine({ PARLEY_LOG_FORMAT: 'json' }))).toMatchObject({ level: 30, msg: 'listening' })
})

test('elsewhere the log is JSON, unless it is told to be for people', async () => {
  const json = await startParley()
  await json.stop()
  expect(JSON.parse(json.stderr[0] ?? '')).toMatchObject({ level: 30, msg: 'listening' })
  const people = await startParley({ settings: { PARLEY_LOG_FORMAT: 'pretty' } })
  await people.stop()
  expect(people.stderr[0]).toMatch(/^\d\d:\d\d:\d\d INFO {2}listening host=/)
})
