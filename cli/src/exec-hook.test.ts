import { describe, expect, onTestFinished, test } from 'bun:test'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ExecHook } from './exec-hook.ts'
import { UsageError } from './failure.ts'
import { type Event, output } from './output.ts'

/** What a hook tells, and a promise for the next event of a name. */
function told() {
  const events: Event[] = []
  const waiting = new Map<string, () => void>()
  const write = (line: string) => {
    const event: Event = JSON.parse(line)
    events.push(event)
    waiting.get(event.event)?.()
  }
  const out = output({ isJson: true, stdout: { write }, stderr: { write() {} }, env: {} })
  return { out, events, next: (name: string) => new Promise<void>(resolve => waiting.set(name, resolve)) }
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-hook-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const file = (path: string) => ({ path, peer: 'ada', sha256: 'abc' })

describe('the command for received files', () => {
  test('runs for one file after the other, in their order', async () => {
    const log = join(await newFolder(), 'log')
    await writeFile(log, '')
    const { out, events } = told()
    const hook = new ExecHook(`sh -c 'sleep 0.0$2; echo "$1 $PARLEY_PEER $PARLEY_SHA256" >> "$0"' '${log}' {} 5`, out)
    for (const path of ['/a', '/b c', '/$(d)']) hook.add(file(path))
    await hook.idle()
    expect(await readFile(log, 'utf8')).toBe('/a ada abc\n/b c ada abc\n/$(d) ada abc\n')
    expect(events.filter(({ event }) => event === 'exec_ended').map(({ path, code }) => [path, code])).toEqual([
      ['/a', 0],
      ['/b c', 0],
      ['/$(d)', 0],
    ])
    expect(hook.failures).toBe(0)
  })

  test('gets the path wherever {} stands, else at its end', async () => {
    for (const [command, code] of [
      ['test /x = {}', 0],
      ['test --file=/x = --file={}', 0],
      ['test /x =', 0],
      ['test /y =', 1],
    ] as const) {
      const { out, events } = told()
      const hook = new ExecHook(command, out)
      hook.add(file('/x'))
      await hook.idle()
      expect([command, events.at(-1)?.code]).toEqual([command, code])
    }
  })

  test('may not be there, which does not stop what comes after it', async () => {
    const { out, events } = told()
    const hook = new ExecHook('no-such-program-here', out)
    hook.add(file('/x'))
    hook.add(file('/y'))
    await hook.idle()
    const ended = events.filter(({ event }) => event === 'exec_ended')
    expect(ended.map(({ code, message }) => [code, message])).toEqual(
      Array(2).fill([null, 'no-such-program-here cannot be run: it does not exist.']),
    )
    expect(hook.failures).toBe(2)
  })

  test('is ended with the worker, and what waits is not run', async () => {
    const { out, events, next } = told()
    const hook = new ExecHook(`sh -c 'exec sleep 60' {}`, out)
    const started = next('exec_started')
    hook.add(file('/x'))
    hook.add(file('/y'))
    await started
    await hook.stop()
    expect(events.map(({ event, path, signal }) => [event, path, signal])).toEqual([
      ['exec_started', '/x', undefined],
      ['exec_ended', '/x', 'SIGTERM'],
      ['exec_skipped', '/y', undefined],
    ])
  })

  test('must be one', () => {
    expect(() => new ExecHook('  ', told().out)).toThrow(UsageError)
  })
})
