import { expect, test } from 'bun:test'
import { join } from 'node:path'
import type { BroadcastResult } from './src/parts/broadcast.ts'

test('the bench measures every part, and ends by itself', async () => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'src/main.ts'), '--quick', '--json'], {
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [output, complaints, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  expect([code, complaints]).toEqual([0, expect.stringContaining('...')])
  const { checks, relay, latency, broadcast, idle } = JSON.parse(output)
  expect(checks).toHaveLength(11)
  expect([relay.length, latency.length, idle.connections]).toEqual([2, 2, 200])
  expect(broadcast.map((each: BroadcastResult) => `${each.type} of ${each.bytes} to ${each.receivers}`)).toEqual([
    'peer_message of 2048 to 1',
    'peer_message of 200 to 1',
    'broadcast of 2048 to 1',
    'broadcast of 200 to 1',
    'broadcast of 2048 to 10',
    'broadcast of 200 to 10',
  ])
}, 120_000)
