import { expect, onTestFinished, test } from 'bun:test'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './parley-process.ts'
import { startProgram } from './program.ts'

test('a CLI that is not built, as after npm ci --ignore-scripts, says what to run', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parley-not-built-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await cp(join(root, 'cli/bin'), join(folder, 'bin'), { recursive: true })
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const { ended } = startProgram({ cwd: folder }, 'node', join(folder, 'bin/parley.js'), 'worker')
  expect(await ended).toEqual({
    code: 1,
    stderr: 'parley: the CLI is not built, as after "npm ci --ignore-scripts". Run: npm rebuild bun && npm run build\n',
  })
})
