import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runs } from './needs.ts'
import { root } from './parley-process.ts'

/** What builds and runs images here, for `needs`. */
export const containerTools = {
  buildah: runs('buildah', '--version'),
  debootstrap: runs('debootstrap', '--version'),
  podman: runs('podman', '--version'),
  runc: runs('runc', '--version'),
  'the rights of root': process.getuid?.() === 0,
}

/** As docker/Dockerfile calls what it starts from. Here they are made of Debian's packages and of this machine's Node. */
export const debian = 'docker.io/library/debian:bookworm-slim'
const node = 'docker.io/library/node:20-bookworm-slim'

/** Images are kept for the next run, away from those of whoever uses this machine. */
const folder = join(tmpdir(), 'parley-containers')
/** So many images, steps of a build among them, are kept at most: some gigabytes. */
const enough = 300
const storage = ['--root', join(folder, 'images'), '--runroot', join(folder, 'run'), '--storage-driver', 'overlay']

/** Runs buildah, and resolves with what it printed. @throws Error with its complaint */
export const buildah = (...args: readonly string[]): Promise<string> => output('buildah', [...storage, ...args])

/** The beginning of every call of podman: the storage that it shares with buildah, and a runtime for any cgroups. */
export const podmanCommand = ['podman', ...storage, '--runtime', 'runc', '--cgroup-manager', 'cgroupfs'] as const

/** Runs podman, and resolves with what it printed. @throws Error with its complaint */
export const podman = (...args: readonly string[]): Promise<string> => {
  const [program, ...common] = podmanCommand
  return output(program, [...common, ...args])
}

/** Once, before anything is built that is still to be used. All tests of images are in one file, since they share the store. */
let tidied: Promise<void> | undefined

async function tidy(): Promise<void> {
  const kept = (await buildah('images', '--all', '--quiet')).split('\n')
  if (kept.length > enough) await buildah('rmi', '--all', '--force')
}

/**
 * Builds a Dockerfile of the repository as it stands.
 * @param dockerfile its path below the root
 * @returns the id of the image
 */
export async function buildImage(dockerfile: string, ...args: readonly string[]): Promise<string> {
  await mkdir(folder, { recursive: true })
  tidied ??= tidy()
  await tidied
  if (!(await isThere(debian))) await makeDebian()
  if (!(await isThere(node))) await makeNode()
  const secrets = await mkdtemp(join(tmpdir(), 'parley-npmrc-'))
  try {
    const npmrc = join(secrets, 'npmrc')
    const authorities = await writeNpmConfig(npmrc)
    const id = join(secrets, 'id')
    await buildah(
      ...['bud', '--isolation', 'chroot', '--format', 'docker', '--layers', '--pull-never', '--iidfile', id],
      ...['--secret', `id=npmrc,src=${npmrc}`, ...authorities.flatMap(file => ['--volume', `${file}:${file}:ro`])],
      ...['--file', join(root, dockerfile), ...args, root],
    )
    return (await readFile(id, 'utf8')).trim()
  } finally {
    await rm(secrets, { recursive: true })
  }
}

const isThere = (image: string): Promise<boolean> =>
  buildah('inspect', '--type', 'image', image).then(
    () => true,
    () => false,
  )

/** The smallest Debian, in the place of the slim one of Docker Hub. */
async function makeDebian(): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'parley-debian-'))
  try {
    await output('debootstrap', ['--variant=minbase', 'bookworm', work])
    await makeImage('scratch', debian, async mounted => {
      await output('cp', ['-a', `${work}/.`, mounted])
      for (const leftover of ['var/cache/apt', 'var/lib/apt/lists'])
        await rm(join(mounted, leftover), { recursive: true })
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** This machine's Node.js and npm on that Debian, in the place of the official image. */
async function makeNode(): Promise<void> {
  const program = await realpath(Bun.which('node') ?? '')
  const packages = (await output('npm', ['root', '--global'])).trim()
  await makeImage(debian, node, async mounted => {
    const local = join(mounted, 'usr/local')
    await mkdir(join(local, 'lib/node_modules'), { recursive: true })
    await output('cp', [program, join(local, 'bin/node')])
    await output('cp', ['-a', join(await realpath(packages), 'npm'), join(local, 'lib/node_modules/npm')])
    for (const name of ['npm', 'npx'])
      await output('ln', ['-s', `../lib/node_modules/npm/bin/${name}-cli.js`, join(local, 'bin', name)])
  })
}

async function makeImage(base: string, name: string, fill: (mounted: string) => Promise<void>): Promise<void> {
  const container = (await buildah('from', '--pull-never', base)).trim()
  try {
    await fill((await buildah('mount', container)).trim())
    await buildah('commit', '--quiet', '--disable-compression', container, name)
  } finally {
    await buildah('rm', container)
  }
}

/**
 * Writes what npm needs here to reach its registry, whatever that is.
 * @returns files with certificates that it names
 */
async function writeNpmConfig(file: string): Promise<string[]> {
  const setting = async (name: string) => (await output('npm', ['config', 'get', name])).trim()
  const files = await Promise.all(['globalconfig', 'userconfig'].map(setting))
  const contents = await Promise.all(files.map(path => readFile(path, 'utf8').catch(() => '')))
  const cafile = await setting('cafile')
  const authorities = (await stat(cafile).catch(() => undefined)) ? [cafile] : []
  const effective = [`registry=${await setting('registry')}`, ...authorities.map(path => `cafile=${path}`)]
  await writeFile(file, [...contents, ...effective].join('\n'), { mode: 0o600 })
  return authorities
}

async function output(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const said: string[] = []
  const printed: string[] = []
  child.stdout.on('data', chunk => printed.push(String(chunk)))
  child.stderr.on('data', chunk => said.push(String(chunk)))
  await once(child, 'close')
  if (child.exitCode === 0) return printed.join('')
  throw new Error(
    `${program} ${args.join(' ')} ended with ${child.exitCode} and said:\n${printed.join('')}${said.join('')}`,
  )
}
