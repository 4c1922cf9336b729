import { expect, test } from 'bun:test'
import { join } from 'node:path'

test('the bench measures every part, and ends by itself', async () => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'src/main.ts'), '--quick', '--json'], {
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [output, complaints, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  expect([code, complaints]).toEqual([0, expect.stringContaining('...')])
  const { checks, relay, latency, idle } = JSON.parse(output)
  expect(checks).toHaveLength(8)
  expect([relay.length, latency.length, idle.connections]).toEqual([2, 2, 200])
}, 120_000)
