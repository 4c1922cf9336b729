import { afterAll, beforeAll, describe, expect, onTestFinished, setDefaultTimeout, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { hasChromium, openPage, startChromium } from './chromium.ts'
import { hasDataChannel, needs } from './needs.ts'
import { filesOf, html, servePages } from './page-server.ts'
import { root } from './parley-process.ts'
import { startProgram } from './program.ts'

setDefaultTimeout(120_000)

const names = ['protocol', 'client', 'cli', 'server']
const withChromium = needs({ chromium: hasChromium })
const withWebRtc = needs({ 'node-datachannel': await hasDataChannel() })

/** An empty project with what `npm pack` makes, installed. */
let project: string
/** The server's program there. */
let bin: string
/** What `npm pack` has made. */
let tarballs: string[]

/** Everything that a command says. @throws Error if it fails */
async function run(cwd: string, ...command: string[]): Promise<string> {
  const env = { ...process.env, NO_COLOR: '1' }
  const child = Bun.spawn(command, { cwd, env, stdout: 'pipe', stderr: 'pipe' })
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

/** For a bundler. No request leaves: browsers and Node refuse this port. */
const page = `import { Parley, ParleyError } from '@parley/client'
import { onFile } from '@parley/client/files'
new Parley('http://127.0.0.1:9').createRoom().catch(error => {
  const told = [error instanceof ParleyError, error.name, error.code, typeof onFile].join(' ')
  if (globalThis.document) document.title = told
  else console.log(told)
})
`
const told = 'true ParleyError DISCONNECTED function'

const tool = (name: string) => join(root, 'node_modules/.bin', name)

/** webpack's own program is a package more. */
const webpackProgram = `
const webpack = require(${JSON.stringify(join(root, 'node_modules/webpack'))})
const output = { path: __dirname + '/out', filename: 'webpack.cjs' }
webpack({ mode: 'production', optimization: { minimize: false }, entry: './page.mjs', output }, (error, stats) => {
  const { errors, warnings } = stats?.toJson() ?? { errors: [error], warnings: [] }
  for (const { message } of [...errors, ...warnings]) console.log(message)
})
`

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'parley-packages-'))
  bin = join(project, 'node_modules/.bin/parley-server')
  const packed = join(project, 'tarballs')
  await mkdir(packed)
  await run(root, 'npm', 'pack', '--pack-destination', packed, ...names.flatMap(name => ['-w', name]))
  await Bun.write(join(project, 'package.json'), '{ "private": true }')
  tarballs = await Array.fromAsync(new Bun.Glob('*.tgz').scan({ cwd: packed, absolute: true }))
  // Where no script may run, Bun's has not, either.
  await run(project, 'npm', 'install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs)
  await Bun.write(join(project, 'use.mjs'), esm)
  await Bun.write(join(project, 'use.cjs'), cjs)
  await Bun.write(join(project, 'page.mjs'), page)
}, 300_000)
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
    for (const name of names) {
      const folder = join(project, 'node_modules/@parley', name)
      const files = await Array.fromAsync(new Bun.Glob('**/*').scan(folder))
      expect(files).toContain('LICENSE')
      expect(files).toContain('README.md')
      expect(files.filter(file => /\.(test|contract)\.|^test/.test(file))).toEqual([])
      if (name === 'cli') expect(files).toContain('dist/main.js.map')
      if (name === 'cli' || name === 'server') continue
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

describe('the tarballs', () => {
  test('are without fault for publint and for “Are the types wrong?”', async () => {
    expect(tarballs.length).toBe(names.length)
    for (const tarball of tarballs) {
      expect(await run(project, tool('publint'), '--strict', tarball)).toEndWith('All good!\n')
      // The two programs have nothing to import. Of TypeScript's ways to find declarations, `node10` looks at no `exports`,
      // and TypeScript 7 does not have it any more.
      if (!/cli|server/.test(basename(tarball))) await run(project, tool('attw'), '--profile', 'node16', tarball)
    }
  })

  test('make a bundle that runs: esbuild', async () => {
    await run(project, tool('esbuild'), 'page.mjs', '--bundle', '--minify', '--format=esm', '--outfile=out/esbuild.mjs')
    expect(await run(project, 'node', 'out/esbuild.mjs')).toBe(`${told}\n`)
  })

  test('make a bundle that runs: webpack', async () => {
    await Bun.write(join(project, 'webpack.cjs'), webpackProgram)
    expect(await run(project, 'node', 'webpack.cjs')).toBe('')
    expect(await run(project, 'node', 'out/webpack.cjs')).toBe(`${told}\n`)
  })

  withChromium('make a page that runs: Vite', async () => {
    await Bun.write(join(project, 'index.html'), '<script type="module" src="/page.mjs"></script>')
    await run(project, tool('vite'), 'build', '--outDir', 'out/vite', '--logLevel', 'warn')
    const out = join(project, 'out/vite')
    const { origin } = servePages({
      '/': html(await Bun.file(join(out, 'index.html')).text()),
      ...(await filesOf('assets', out)),
    })
    const { page } = await openPage(await startChromium())
    await page.goto(origin)
    await page.waitForFunction('document.title')
    expect(await page.title()).toBe(told)
  })
})

const loopback = '--bind-address 127.0.0.1'

/** Starts the installed server on free ports, by `command`. Resolves when it is ready. */
async function startServer(command: string, ...args: string[]) {
  const env = { PARLEY_HTTP_PORT: '0', PARLEY_WS_PORT: '0', PARLEY_STUN_URLS: 'none' }
  const server = startProgram({ cwd: project, env }, command, ...args)
  const said: string[] = []
  let http = ''
  while (!said.includes('Ctrl-C stops it.')) {
    const line = await server.lines.next()
    said.push(line)
    http = /^ +HTTP API +(\S+)$/.exec(line)?.[1] ?? http
  }
  return { ...server, said, http }
}

describe('the server, installed', () => {
  withWebRtc(
    'starts in the folder by npx; so do the worker, and what connects to it, as they are printed',
    async () => {
      const { said, http, signal, ended } = await startServer('npx', 'parley-server')
      expect((await fetch(`${http}/anonymous-signin`, { method: 'POST' })).status).toBe(200)
      expect(await Array.fromAsync(new Bun.Glob('data/*').scan(project))).toContain('data/rooms.sqlite')

      const begin = said.find(line => line.startsWith('  npx '))?.trim() ?? ''
      expect(begin).toBe(`npx @parley/cli worker --server ${http}`)
      const cli = (home: string, line: string) =>
        startProgram({ cwd: project, env: { PARLEY_HOME: join(project, home) } }, 'sh', '-c', `${line} ${loopback}`)
      const worker = cli('ada', begin)
      const connect = await worker.lines.find(line => line.includes("connect '"))
      expect(connect).toStartWith('npx @parley/cli connect ')
      expect(await cli('bob', `${connect} --message hello`).ended).toMatchObject({ code: 0 })
      expect(await worker.lines.find(line => line.includes('hello'))).toBeDefined()

      // npx dies of it, and its shell passes it on to nobody: the server has to see that.
      signal('SIGTERM')
      expect((await ended).stderr).toContain('"stopped"')
    },
  )

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('ends with the program that started it: %s', async name => {
    const { signal, ended, http } = await startServer(bin)
    signal(name)
    const { code, stderr } = await ended
    // The server knows nothing of hanging up.
    if (name === 'SIGHUP') expect(code).toBe(null)
    else expect([code, stderr]).toEqual([0, expect.stringContaining('"stopped"')])
    expect(fetch(http)).rejects.toThrow()
  })

  test('has its commands, and their exit codes', async () => {
    const { version } = await Bun.file(join(root, 'server/package.json')).json()
    expect(await run(project, bin, '--version')).toBe(`${version}\n`)
    expect(await run(project, bin, '--help')).toContain('Usage: ')
    expect(await run(project, bin, 'check')).toContain('would start')
    expect(await run(project, bin, 'config')).toContain('PARLEY_HTTP_PORT')
    expect((await startProgram({ cwd: project }, bin, '--porf').ended).code).toBe(2)
  })

  test('runs on the Bun that an install script has moved, too', async () => {
    expect(await run(root, 'node', 'server/bin/parley-server.js', 'check')).toContain('would start')
  })

  test('without Bun it says what to do', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-without-bun-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await cp(join(root, 'server/bin'), join(folder, 'bin'), { recursive: true })
    await Bun.write(join(folder, 'package.json'), '{ "type": "module" }')
    await Bun.write(join(folder, 'node_modules/bun/package.json'), '{}')
    await Bun.write(join(folder, 'node_modules/bun/bin/bun.exe'), 'echo "the install script was not run" >&2; exit 1')
    const platform = `${process.platform}-${process.arch === 'arm64' ? 'aarch64' : process.arch}`
    expect(await startProgram({ cwd: folder }, 'node', 'bin/parley-server.js').ended).toEqual({
      code: 1,
      stderr: `parley: Bun, which the server runs on, is not installed for this platform (${platform}). If npm left out optional packages, run: npm install --include=optional\n`,
    })
  })
})

/**
 * A repository with all that git would have of this one, committed, where a release may be built: here it would take
 * `dist/` away from under the other tests, and see what they do to the folder.
 */
async function copyOfRepository(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-release-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const listed = await run(root, 'git', 'ls-files', '--cached', '--others', '--exclude-standard', '-z')
  // A file that was deleted and not committed is still listed.
  const files = listed.split('\0').filter(file => file !== '' && existsSync(join(root, file)))
  for (const file of files) await cp(join(root, file), join(folder, file))
  const modules = join(folder, 'node_modules')
  await mkdir(modules)
  for (const name of await readdir(join(root, 'node_modules')))
    if (name !== '@parley') await symlink(join(root, 'node_modules', name), join(modules, name))
  await mkdir(join(modules, '@parley'))
  for (const name of names) await symlink(join(folder, name), join(modules, '@parley', name))
  const author = ['-c', 'user.name=Parley', '-c', 'user.email=parley@example.com', '-c', 'commit.gpgsign=false']
  await run(folder, 'git', 'init', '--quiet')
  await run(folder, 'git', 'add', '--all')
  await run(folder, 'git', ...author, 'commit', '--quiet', '--message', 'All')
  return folder
}

test('npm run release -- --dry-run shows what would be published, and changes nothing', async () => {
  const cwd = await copyOfRepository()
  const { lines, ended } = startProgram({ cwd }, 'npm', 'run', '--silent', 'release', '--', '--dry-run')
  const { version } = await Bun.file(join(root, 'server/package.json')).json()
  for (const name of names) {
    expect(await lines.find(line => line.startsWith(`@parley/${name} `))).toMatch(
      RegExp(` ${version}: \\d+ kB, unpacked [\\d.]+ [kM]B, \\d+ files$`),
    )
    expect(await lines.next()).toMatch(/^ {2}LICENSE +12 kB$/)
  }
  const { code, stderr } = await ended
  expect([code, stderr]).toEqual(stderr === '' ? [0, ''] : [1, expect.stringMatching(/^(In the way: .+\n)+$/)])
  expect(stderr).not.toContain('git status')
  expect(await run(cwd, 'git', 'status', '--porcelain')).toBe('')
})
