/**
 * What others install, built from the sources: `bun release/build.ts [PACKAGE…]`, without a package all of them. Development
 * and the tests run the sources.
 */
import { copyFile, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { errors, fromPeers, fromServer } from '../protocol/fixtures/index.ts'

const root = join(import.meta.dir, '..')
const libraries = ['protocol', 'client'] as const

/** What is published, each after those that it needs. */
export const packages = [...libraries, 'cli', 'server'] as const

/** The two module systems, where their files go, and what TypeScript is told. A module stays a file: no name changes. */
const formats = [
  { below: '', type: 'module', options: ['--module', 'ESNext'] },
  { below: 'cjs', type: 'commonjs', options: ['--module', 'CommonJS', '--verbatimModuleSyntax', 'false'] },
] as const

/**
 * Builds `@parley/protocol` and `@parley/client`: ES modules, CommonJS below `dist/cjs`, declarations and source maps of
 * both, and `parley.min.js`, all of the SDK in one file.
 * @param into folder that gets `protocol/dist` and `client/dist`; what was there is replaced
 * @throws Error with what the compiler says
 */
export async function buildSdk(into: string = root): Promise<void> {
  for (const library of libraries) await rm(join(into, library, 'dist'), { recursive: true, force: true })
  const emitted = await mkdtemp(join(tmpdir(), 'parley-build-'))
  try {
    await Promise.all(formats.map(({ type, options }) => compile(join(emitted, type), options)))
    for (const { below, type } of formats) {
      for (const library of libraries) {
        const target = join(library, 'dist', below)
        await place(join(emitted, type, library, 'src'), join(library, 'src'), into, target)
        if (type === 'commonjs') await Bun.write(join(into, target, 'package.json'), `{ "type": "commonjs" }\n`)
      }
      await placeFixtures(join(into, 'protocol/dist', below, 'fixtures'), type)
    }
  } finally {
    await rm(emitted, { recursive: true })
  }
  await minify(join(into, 'client/dist'))
}

async function compile(outDir: string, options: readonly string[]): Promise<void> {
  const tsc = join(root, 'node_modules/.bin/tsc')
  const project = join(import.meta.dir, 'tsconfig.sdk.json')
  const compiler = Bun.spawn([tsc, '-p', project, '--outDir', outDir, ...options], { cwd: root, stdout: 'pipe' })
  const said = await new Response(compiler.stdout).text()
  if ((await compiler.exited) !== 0) throw new Error(`The SDK cannot be compiled:\n${said}`)
}

/** Puts what was compiled from `source` where it belongs, with references that hold there. */
async function place(from: string, source: string, into: string, target: string): Promise<void> {
  for (const name of await Array.fromAsync(new Bun.Glob('**/*').scan(from))) {
    const text = await Bun.file(join(from, name)).text()
    const path = join(target, name)
    await Bun.write(join(into, path), name.endsWith('.map') ? relocated(text, source, path) : declared(name, text))
  }
}

/** A source map of one source, which is named from where the map is. */
function relocated(text: string, source: string, path: string): string {
  const map = JSON.parse(text)
  const original = map.sources[0].slice(map.sources[0].indexOf(`/${source}/`) + 1)
  return JSON.stringify({ ...map, sources: [relative(dirname(path), original)] })
}

/** TypeScript leaves the sources' `.ts` in the imports of declarations, where not every tool finds a `.d.ts` by it. */
const declared = (name: string, text: string): string =>
  name.endsWith('.d.ts') ? text.replaceAll(/((?:from|import) ?\(?['"]\.{1,2}\/[^'"]+)\.ts(['"])/g, '$1.js$2') : text

/** The golden messages as modules of their own, since not every tool imports JSON. JSON is a type of TypeScript, too. */
async function placeFixtures(folder: string, type: 'module' | 'commonjs'): Promise<void> {
  const all = Object.entries({ errors, fromPeers, fromServer }).map(([name, value]) => [
    name,
    JSON.stringify(value, null, 2),
  ])
  const assigned = ([name, json]: string[]) =>
    type === 'module' ? `export const ${name} = ${json};\n` : `exports.${name} = ${json};\n`
  await Bun.write(join(folder, 'index.js'), all.map(assigned).join(''))
  const types = all.map(([name, json]) => `export declare const ${name}: ${json};\n`)
  await Bun.write(join(folder, 'index.d.ts'), types.join(''))
}

/** Identifiers stay as they are, since they are in stack traces; Bun's `keepNames` does not keep those of classes. */
async function minify(folder: string): Promise<void> {
  await Bun.build({
    entrypoints: [join(root, 'client/src/browser.ts')],
    target: 'browser',
    conditions: ['bun'],
    minify: { whitespace: true, syntax: true, identifiers: false },
    sourcemap: 'linked',
    naming: 'parley.min.js',
    outdir: folder,
  })
}

/** Builds what Node runs of `@parley/cli`, with all that is ours inside. What is optional or has native code stays outside. */
async function buildCli(): Promise<void> {
  const { outputs } = await Bun.build({
    entrypoints: [join(root, 'cli/src/main.ts')],
    target: 'node',
    conditions: ['bun'],
    minify: { whitespace: false, syntax: false, identifiers: false, keepNames: true },
    sourcemap: 'linked',
    external: ['node-datachannel', 'ws', '@aws-sdk/*', '@smithy/*'],
  })
  // In one step each, since somebody may be starting it.
  for (const output of outputs) {
    const path = join(root, 'cli/dist', output.path)
    await Bun.write(`${path}.new`, output)
    await rename(`${path}.new`, path)
  }
}

/** Builds these packages. The server's has sources, which Bun runs as they are. */
async function build(names: readonly string[]): Promise<void> {
  const unknown = names.find(name => !packages.some(known => known === name))
  if (unknown) throw new Error(`There is no package ${unknown}: give ${packages.join(', ')}, or nothing for all.`)
  if (names.includes('cli')) await buildCli()
  if (libraries.some(name => names.includes(name))) {
    if (await Bun.file(join(root, 'node_modules/.bin/tsc')).exists()) await buildSdk()
    else
      console.error(
        'The SDK was not built: there is no TypeScript, since npm has left out the development dependencies.',
      )
  }
  for (const name of names) await copyFile(join(root, 'LICENSE'), join(root, name, 'LICENSE'))
}

if (import.meta.main) {
  const names = process.argv.slice(2)
  await build(names.length > 0 ? names : packages)
}
