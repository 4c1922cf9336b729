import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './parley-process.ts'

setDefaultTimeout(60_000)

/** An empty project with what `npm pack` makes, installed. */
let project: string

/** Everything that a command says. @throws Error if it fails */
async function run(cwd: string, ...command: string[]): Promise<string> {
  const child = Bun.spawn(command, { cwd, stdout: 'pipe', stderr: 'pipe' })
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  if ((await child.exited) !== 0) throw new Error(`${command.join(' ')} failed:\n${out}${err}`)
  return out
}

const imports = [
  ['{ ParleyError }', '@parley/client'],
  ['{ onFile }', '@parley/client/files'],
  ['{ nodeDataChannel }', '@parley/client/node-datachannel'],
  ['{ errorKinds }', '@parley/protocol'],
  ['{ fromPeers }', '@parley/protocol/fixtures'],
] as const
const use =
  'console.log(ParleyError.name, typeof onFile, typeof nodeDataChannel, typeof errorKinds, typeof fromPeers)\n'
const esm = imports.map(([names, from]) => `import ${names} from '${from}'\n`).join('') + use
const cjs = imports.map(([names, from]) => `const ${names} = require('${from}')\n`).join('') + use
const said = 'ParleyError function function object object\n'

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'parley-packages-'))
  const tarballs = join(project, 'tarballs')
  await mkdir(tarballs)
  await run(root, 'npm', 'pack', '--pack-destination', tarballs, '-w', 'protocol', '-w', 'client')
  await Bun.write(join(project, 'package.json'), '{ "private": true }')
  const names = await Array.fromAsync(new Bun.Glob('*.tgz').scan({ cwd: tarballs, absolute: true }))
  await run(project, 'npm', 'install', '--no-audit', '--no-fund', ...names)
  await Bun.write(join(project, 'use.mjs'), esm)
  await Bun.write(join(project, 'use.cjs'), cjs)
})
afterAll(() => rm(project, { recursive: true }))

describe('the packages, installed in an empty project', () => {
  test('are modules for Node, by import and by require, and for Bun', async () => {
    expect(await run(project, 'node', 'use.mjs')).toBe(said)
    expect(await run(project, 'node', 'use.cjs')).toBe(said)
    expect(await run(project, process.execPath, 'use.mjs')).toBe(said)
  })

  test.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('have declarations that hold in strict TypeScript: %s, %s', async (module, moduleResolution) => {
    await Bun.write(join(project, 'use.mts'), esm)
    if (module === 'nodenext') await Bun.write(join(project, 'use.cts'), esm)
    const compilerOptions = { module, moduleResolution, strict: true, skipLibCheck: false, noEmit: true, types: [] }
    const files = module === 'nodenext' ? ['use.mts', 'use.cts'] : ['use.mts']
    await Bun.write(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    expect(await run(project, join(root, 'node_modules/.bin/tsc'), '-p', project)).toBe('')
  })

  test('have a licence, a README and source maps, and no tests', async () => {
    for (const name of ['protocol', 'client']) {
      const folder = join(project, 'node_modules/@parley', name)
      const files = await Array.fromAsync(new Bun.Glob('**/*').scan(folder))
      expect(files).toContain('LICENSE')
      expect(files).toContain('README.md')
      expect(files.filter(file => file.includes('.test.') || file.startsWith('test'))).toEqual([])
      const { sources } = await Bun.file(join(folder, 'dist/index.js.map')).json()
      expect(files).toContain(join('dist', sources[0]).replaceAll('\\', '/'))
    }
  })

  test('have one file for pages, in which classes keep their names', async () => {
    const file = join(project, 'node_modules/@parley/client/dist/parley.min.js')
    const { ParleyError, onFile } = await import(file)
    expect([ParleyError.name, typeof onFile]).toEqual(['ParleyError', 'function'])
    expect(await Bun.file(file).text()).not.toMatch(/\bimport\b/)
  })
})
