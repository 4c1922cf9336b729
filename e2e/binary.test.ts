import { afterAll, beforeAll, expect, onTestFinished, test } from 'bun:test'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { version } from '@parley/cli/package.json'
import { host, targets } from '../release/binary/targets.ts'
import { buildBinary } from '../release/binary.ts'
import { hasDataChannel, needs } from './needs.ts'
import { startProgram } from './program.ts'

const components = { 'node-datachannel': await hasDataChannel(), 'a platform with executables': host !== undefined }
const work = await mkdtemp(join(tmpdir(), 'parley-binary-'))
const executable = join(work, 'parley')
afterAll(() => rm(work, { recursive: true }))
if (host) {
  const target = host
  beforeAll(async () => void (await buildBinary({ target, outfile: executable })), 60_000)
}

/** A folder with nothing but the executable in it. */
async function newFolder(name = 'parley', program = executable): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-binary-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await symlink(program, join(folder, name))
  return folder
}

/** Runs it to its end. */
function run(cwd: string, ...command: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd, env: { PATH: '/usr/bin:/bin' } })
  return { code: exitCode, stdout: String(stdout), stderr: String(stderr) }
}

needs(components)('it is the server, a worker and a client, with nothing beside it', async () => {
  const folder = await newFolder()
  await writeFile(join(folder, '.env'), 'PARLEY_HTTP_PROT=1')
  // No folder for temporary files either, as in a container with a read-only root.
  const env = { PARLEY_HTTP_PORT: '0', PARLEY_WS_PORT: '0', PARLEY_STUN_URLS: 'none', TMPDIR: '/nonexistent' }
  const server = startProgram({ cwd: folder, env }, './parley', 'serve')
  const printed = await server.lines.find(line => line.startsWith('  ./parley worker --server '))
  const home = { TMPDIR: '/nonexistent', PARLEY_HOME: join(folder, 'home') }
  const [program = '', ...args] = printed.trim().split(' ')
  await mkdir(join(folder, 'inbox'))
  const options = ['--bind-address', '127.0.0.1']
  const worker = startProgram({ cwd: folder, env: home }, program, ...args, '--folder', 'inbox', '--once', ...options)
  const [, session = ''] = /^\.\/parley connect '(.+)'$/.exec(await worker.lines.next()) ?? []
  const content = crypto.getRandomValues(new Uint8Array(50_000))
  await writeFile(join(folder, 'it.bin'), content)
  const client = startProgram({ cwd: folder, env: home }, program, 'connect', session, '--send', 'it.bin', ...options)
  expect(await client.ended).toMatchObject({ code: 0, stderr: expect.stringContaining('it.bin sent to worker-') })
  expect((await worker.ended).code).toBe(0)
  expect(new Uint8Array(await readFile(join(folder, 'inbox/it.bin')))).toEqual(content)

  server.signal('SIGTERM')
  expect((await server.ended).code).toBe(0)
})

needs(components)('it plays the demo, with itself as the server', async () => {
  const { code, stdout, stderr } = run(await newFolder(), './parley', 'demo')
  expect([code, stdout]).toEqual([0, expect.stringContaining('server  is stopped')])
  expect(stderr).toContain('demo.bin sent to worker')
})

needs(components)('it lists all that it does, and knows the commands of the server', async () => {
  const folder = await newFolder()
  await symlink(executable, join(folder, 'parley-server'))
  const parley = (...words: string[]) => run(folder, './parley', ...words)
  for (const word of ['--version', '-v', 'serve --version'])
    expect(parley(...word.split(' ')).stdout).toBe(`${version}\n`)
  const listed = [...parley('--help').stdout.matchAll(/^ {2}([a-z]+) {2,}[A-Z]/gm)].map(([, name]) => name)
  expect(listed).toEqual([
    ...['serve', 'check', 'config', 'healthcheck'],
    ...['worker', 'connect', 'rooms', 'peers', 'doctor', 'demo', 'completion'],
  ])
  expect(parley('completion', 'bash').stdout).toContain(`words='${listed.join(' ')} help'`)
  for (const words of [
    ['serve', '--help'],
    ['help', 'check'],
    ['config', '-h'],
  ])
    expect(parley(...words).stdout).toContain('Usage: ./parley serve [OPTIONS]\n')
  expect(parley('serv')).toMatchObject({ code: 2, stderr: expect.stringContaining('is “serve” meant?') })
  expect(parley('check').stdout).toContain('would start with these settings')
  expect(parley('serve', 'config').stdout).toMatch(/^PARLEY_HOST +default +127\.0\.0\.1\n/)
  expect(parley('healthcheck', '--json').stderr).toContain('--json does not go with healthcheck.')
  // As the executable that had the server alone.
  expect(parley('--config', 'no.toml', 'check').stderr).toContain('no.toml: there is no such file')
  expect(run(folder, './parley-server', 'check').stdout).toContain('would start with these settings')
  expect(run(folder, './parley-server', 'worker').stderr).toContain('"worker" is not a command')
})

needs(components)('one without WebRTC says so when it is made, and when WebRTC is needed', async () => {
  const packages = await newFolder()
  if (!host) return
  await mkdir(join(packages, host.bun, 'bin'), { recursive: true })
  await symlink(process.execPath, join(packages, host.bun, 'bin/bun'))
  const outfile = join(packages, 'without')
  const command = ['--outfile', outfile, '--packages', packages, '--target', host.name]
  const built = run(packages, process.execPath, join(import.meta.dir, '../release/binary.ts'), ...command)
  expect(built).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(`no WebRTC, since ${host.webrtc} is not there`),
  })
  expect(run(packages, outfile, 'worker')).toEqual({
    code: 1,
    stdout: '',
    stderr: `parley: WebRTC is not there: this executable, for ${host.name}, was built without it (UNSUPPORTED).\n`,
  })
  expect(run(packages, outfile, 'check').code).toBe(0)
})

test('for other platforms it is made of their Bun and their WebRTC', async () => {
  const target = targets.find(({ name }) => name === 'linux-arm64')
  if (!target) throw new Error('There is no such target.')
  const outfile = join(work, 'parley-arm64')
  expect(await buildBinary({ target, outfile })).toMatchObject({ hasWebRtc: true })
  const bytes = await readFile(outfile)
  // ELF: e_machine, first of the program, then of the library inside it.
  const machines = [...indices(bytes, Buffer.from('\x7fELF\x02\x01\x01'))].map(start => bytes.readUInt16LE(start + 18))
  const aarch64 = 183
  expect(machines.filter(machine => machine === aarch64).length).toBe(2)
}, 120_000)

function* indices(bytes: Buffer, part: Buffer) {
  for (let at = bytes.indexOf(part); at >= 0; at = bytes.indexOf(part, at + 1)) yield at
}
