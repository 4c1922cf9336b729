import { describe, expect } from 'bun:test'
import { join } from 'node:path'
import { hasRedis } from '../server/test/redis-process.ts'
import { python } from './aiortc-process.ts'
import { hasDataChannel, needs, runs } from './needs.ts'
import { root } from './parley-process.ts'

// The same journeys, unchanged, through two nodes that share a Redis: a balancer gives them connections in turn.

const withAll = needs({
  'redis-server': hasRedis,
  'node-datachannel': await hasDataChannel(),
  [`${python} with aiortc and websockets`]: runs(python, '-c', 'import aiortc, websockets'),
})

/** Test files, and of those that start their server again at the same place, what else they have. */
const suites: Readonly<Record<string, string>> = {
  'quick-reference': '',
  legacy: '',
  'deployed-fleet': '',
  sdk: '^(?!while the server is away)',
  cut: '',
}

describe('on two nodes', () => {
  for (const [name, pattern] of Object.entries(suites)) {
    withAll(
      `${name}.test.ts passes`,
      async () => {
        const bun = join(root, 'node_modules/.bin/bun')
        const child = Bun.spawn([bun, 'test', '--timeout', '60000', `./e2e/${name}.test.ts`, '-t', pattern], {
          cwd: root,
          env: { ...process.env, PARLEY_E2E_NODES: '2' },
          stdout: 'ignore',
          stderr: 'pipe',
        })
        const said = await new Response(child.stderr).text()
        expect([await child.exited, said.split('\n').filter(line => line.startsWith('(fail)'))]).toEqual([0, []])
        expect(said).toMatch(/^ [1-9]\d* pass$/m)
      },
      180_000,
    )
  }
})
