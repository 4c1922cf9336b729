import { expect, test } from 'bun:test'
import { join } from 'node:path'
import type { AbuseResult } from './src/abuse/measure.ts'
import type { BroadcastResult } from './src/parts/broadcast.ts'
import type { IdleResult } from './src/parts/idle.ts'
import type { RelayResult } from './src/parts/relay.ts'
import type { Check } from './src/report.ts'

test('the bench measures every part, and ends by itself', async () => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'src/main.ts'), '--quick', '--json'], {
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [output, complaints, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  expect([code, complaints]).toEqual([0, expect.stringContaining('...')])
  const { checks, relay, latency, broadcast, idle } = JSON.parse(output)
  expect(checks).toHaveLength(17)
  expect(relay.map(({ kind, window }: RelayResult) => `${kind}, ${window.messages} under way`)).toEqual([
    'offer, 16 under way',
    'offer, 8 under way',
    'offer, 1 under way',
    'candidate, 16 under way',
    'candidate, 8 under way',
    'candidate, 1 under way',
  ])
  expect(latency).toHaveLength(2)
  expect(idle.map(({ features, connections }: IdleResult) => [features, connections])).toEqual([
    [[], 200],
    [['resume'], 200],
  ])
  expect(broadcast.map((each: BroadcastResult) => `${each.type} of ${each.bytes} to ${each.receivers}`)).toEqual([
    'peer_message of 2048 to 1',
    'peer_message of 200 to 1',
    'broadcast of 2048 to 1',
    'broadcast of 200 to 1',
    'broadcast of 2048 to 10',
    'broadcast of 200 to 10',
  ])
}, 120_000)

test('the bench of abuse carries its attacks out beside an undisturbed room', async () => {
  // Each has parts that the others do without.
  const names = ['discover', 'register-broadcast', 'delete-peer', 'junk-registers', 'unread-150', 'connects']
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, 'src/abuse/main.ts'), '--quick', '--json', '--only', names.join(',')],
    { stdout: 'pipe', stderr: 'pipe' },
  )
  const [output, complaints, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  expect([code, complaints]).toEqual([0, expect.stringContaining('...')])
  const { checks, results } = JSON.parse(output)
  expect(results.map(({ name }: AbuseResult) => name)).toEqual(names)
  for (const { quiet, attacked, tally } of results as AbuseResult[]) {
    expect([quiet.sent, attacked.sent]).toEqual([150, 200])
    expect(tally.sent).toBeGreaterThan(0)
  }
  // A full run judges each by its p99, and one of them by memory, too.
  const judged = checks.map(({ what }: Check) => what)
  expect(judged).toEqual(
    expect.arrayContaining([...names.map(name => `${name}: p99 of the undisturbed room`), 'unread-150: memory']),
  )
}, 240_000)

test('the bench of abuse names its attacks when it is asked for one that there is not', async () => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'src/abuse/main.ts'), '--only', 'discovr'], {
    stderr: 'pipe',
  })
  const [complaints, code] = await Promise.all([child.stderr.text(), child.exited])
  expect([code, complaints]).toEqual([2, expect.stringMatching(/no attack "discovr"(.|\n)*\bdiscover\b/)])
})
