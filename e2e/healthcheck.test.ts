import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { root, startParley } from './parley-process.ts'

/** Runs the server's executable with an argument, with the settings of the container and those given. */
async function run(argument: string, settings: Record<string, string> = {}) {
  const command = [join(root, 'node_modules/.bin/bun'), 'server/src/main.ts', argument]
  const env = { PATH: process.env.PATH, PARLEY_HOST: '0.0.0.0', ...settings }
  const child = Bun.spawn(command, { cwd: root, env, stdout: 'pipe', stderr: 'pipe' })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, stdout, stderr }
}

const portOf = (url: string) => new URL(url).port

test('healthcheck is content with a server that runs, whatever the proxy settings, and says nothing', async () => {
  const parley = await startParley({ settings: { PARLEY_HOST: '0.0.0.0' } })
  const settings = { PARLEY_HTTP_PORT: portOf(parley.httpUrl), HTTP_PROXY: 'http://127.0.0.1:9' }
  expect(await run('healthcheck', settings)).toEqual({ code: 0, stdout: '', stderr: '' })
})

test('healthcheck ends with 1 and a sentence when the server is gone', async () => {
  const parley = await startParley()
  await parley.stop()
  const { code, stderr } = await run('healthcheck', { PARLEY_HTTP_PORT: portOf(parley.httpUrl) })
  expect(code).toBe(1)
  expect(stderr).toBe(`parley: http://127.0.0.1:${portOf(parley.httpUrl)} cannot be reached (ECONNREFUSED).\n`)
})

test('healthcheck says what keeps it from asking', async () => {
  expect(await run('healthcheck', { PARLEY_HTTP_PORT: '0' })).toMatchObject({
    code: 1,
    stderr: 'parley: PARLEY_HTTP_PORT is 0, so that only the log of the server tells its port.\n',
  })
  const faulty = await run('healthcheck', { PARLEY_HTTP_PORT: 'eighty' })
  expect([faulty.code, faulty.stderr]).toEqual([1, expect.stringMatching(/^parley: PARLEY_HTTP_PORT .*eighty.*\n$/)])
})

test('an unknown command is not mistaken for a start', async () => {
  const { code, stdout, stderr } = await run('healthchek')
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain('is healthcheck meant?')
})
