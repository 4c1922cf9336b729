import { describe, expect, onTestFinished, test } from 'bun:test'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasDataChannel, needs, runs } from './needs.ts'
import { root, startParley } from './parley-process.ts'
import { startProgram } from './program.ts'
import { sharedSdk } from './sdk-build.ts'

const component = { 'node-datachannel': await hasDataChannel() }
const inBun = needs(component)
const inNode = needs({ ...component, node: runs('node', '--version') })

const sdk = sharedSdk()
const bun = join(root, 'node_modules/.bin/bun')

const guide = await readFile(join(root, 'docs/five-minutes.md'), 'utf8')

/** The blocks of the page that belong to a file, in order: they begin with a comment with its name. */
const blocksOf = (file: string): string[] =>
  [...guide.matchAll(/^```js\n\/\/ ([\w.-]+)[^\n]*\n([\s\S]*?)^```/gm)].flatMap(([, name, code = '']) =>
    name === file ? [code] : [],
  )

/** What the page says is to be written on Node in place of one line, and an import. */
const [, importForNode = '', lineForNode = ''] = /^```js\n(import .*)\n\n(const parley = .*)\n```/m.exec(guide) ?? []
const forNode = (code: string): string => `${importForNode}\n${code.replace(/^const parley = .*$/m, lineForNode)}`

/** What a reader has saved, and what of it fits the server of the test: it has other ports, and peers stay on loopback. */
interface Folder {
  readonly path: string
  save(file: string, code: string): Promise<void>
}

async function newFolder(): Promise<Folder> {
  const { httpUrl, wsUrl } = await startParley()
  const path = await mkdtemp(join(tmpdir(), 'parley-guide-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  await writeFile(join(path, 'package.json'), '{ "type": "module" }')
  const replacements = [
    ["'http://127.0.0.1:8001', {", `'${httpUrl}', { wsUrl: '${wsUrl}',`],
    ['nodeDataChannel(library)', "nodeDataChannel(library, { bindAddress: '127.0.0.1' })"],
  ] as const
  return {
    path,
    save(file, code) {
      for (const [before] of replacements) expect(code).toContain(before)
      const fitted = replacements.reduce((text, [before, after]) => text.replace(before, after), code)
      return writeFile(join(path, file), fitted)
    },
  }
}

/** Follows the page with the command that runs a program, and code as it is written for that. */
async function follow(command: string, { path, save }: Folder, fit = (code: string) => code): Promise<void> {
  await save('worker.js', fit(blocksOf('worker.js').join('\n')))
  const worker = startProgram({ cwd: path }, command, 'worker.js')
  const [, , client = '', ...session] = (await worker.lines.next()).split(' ')

  const [begin = ''] = blocksOf('client.js')
  await save(client, fit(begin))
  const first = startProgram({ cwd: path }, command, client, ...session)
  expect(await first.lines.next()).toBe('You said: Hello')

  await save(client, fit(blocksOf('client.js').join('\n')))
  const second = startProgram({ cwd: path }, command, client, ...session)
  await second.lines.find(line => line.startsWith('Kept as notes.txt, SHA-256 '))
  expect(await second.ended).toEqual({ code: 0, stderr: '' })
  expect(await readFile(join(path, 'notes.txt'), 'utf8')).toBe('What is to be done')
}

describe('docs/five-minutes.md', () => {
  inBun('does what it says on Bun', async () => {
    const folder = await newFolder()
    await symlink(join(root, 'node_modules'), join(folder.path, 'node_modules'))
    await follow(bun, folder)
  })

  inNode('does what it says on Node', async () => {
    const folder = await newFolder()
    const modules = join(folder.path, 'node_modules')
    await sdk.install(modules)
    for (const name of ['node-datachannel', 'ws']) await symlink(join(root, 'node_modules', name), join(modules, name))
    await follow('node', folder, forNode)
  })

  test('names only commands that there are', async () => {
    const { scripts } = await Bun.file(join(root, 'package.json')).json()
    for (const [, name = ''] of guide.matchAll(/npm run (\w+)/g)) expect(Object.keys(scripts)).toContain(name)
    const { stdout } = Bun.spawnSync([bun, 'cli/src/main.ts', '--help'], { cwd: root })
    for (const [, name] of guide.matchAll(/npx parley (\w+)/g)) expect(stdout.toString()).toContain(`\n  ${name} `)
  })
})
