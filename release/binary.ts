/**
 * Makes executables of Parley, each one file with the server and the CLI, in `dist/`:
 *
 *   npm run binary                                   dist/parley, for this machine
 *   npm run binary -- --target linux-arm64 …         dist/parley-linux-arm64
 *   npm run binary -- --all                          one for every platform
 *
 * For builds of images: `--outfile FILE`; `--packages FOLDER`, a `node_modules` that has the packages of the target;
 * `--metafile FILE`, where what the bundler took is listed.
 */
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { host, type Target, targets } from './binary/targets.ts'

const root = join(import.meta.dir, '..')

export interface BinaryOptions {
  readonly target: Target
  readonly outfile: string
  /** A `node_modules` with the packages of the target. Default: what this machine has, or npm gets. */
  readonly packages?: string | undefined
  readonly metafile?: string | undefined
}

/**
 * Makes an executable.
 * @returns its bytes, and whether it has WebRTC
 * @throws Error if the packages of the target cannot be had, or Bun refuses
 */
export async function buildBinary({ target, outfile, packages, metafile }: BinaryOptions) {
  const isOwn = target === host && packages === undefined
  const folder = packages ?? (isOwn ? join(root, 'node_modules') : await fetchPackages(target))
  // npm's install script has taken that of this machine out of its package.
  const bun = isOwn ? process.execPath : join(folder, target.bun, 'bin/bun')
  if (!existsSync(bun)) throw new Error(`There is no Bun for ${target.name} in ${folder}.`)
  const addon = join(folder, target.webrtc, 'node_datachannel.node')
  const hasWebRtc = existsSync(addon)
  // Bun writes the source map, which is in the executable, beside it once more.
  const work = await mkdtemp(join(tmpdir(), 'parley-binary-'))
  try {
    const { metafile: taken } = await Bun.build({
      entrypoints: [join(import.meta.dir, 'binary/main.ts')],
      target: 'bun',
      conditions: ['bun'],
      format: 'esm',
      // Identifiers stay as they are, since they are in stack traces.
      minify: { whitespace: true, syntax: true, identifiers: false },
      sourcemap: 'linked',
      bytecode: true,
      metafile: true,
      plugins: [embedded(hasWebRtc ? addon : undefined, target)],
      compile: {
        target: `bun-${target.name}` as Bun.Build.CompileTarget,
        executablePath: bun,
        outfile: join(work, 'parley'),
        // It is for whatever folder it is started in.
        autoloadDotenv: false,
        autoloadBunfig: false,
      },
    })
    await mkdir(dirname(outfile), { recursive: true })
    await move(join(work, 'parley'), outfile)
    await chmod(outfile, 0o755)
    if (metafile !== undefined) await Bun.write(metafile, JSON.stringify(taken))
  } finally {
    await rm(work, { recursive: true })
  }
  return { bytes: Bun.file(outfile).size, hasWebRtc }
}

/** node-datachannel looks for its native module where npm puts it; an executable has it inside, or says that it has none. */
function embedded(addon: string | undefined, { name }: Target): Bun.BunPlugin {
  const loader = join(import.meta.dir, 'binary/addon.ts')
  const contents = addon
    ? `import path from ${JSON.stringify(addon)} with { type: 'file' }
import { loadAddon } from ${JSON.stringify(loader)}
export default loadAddon(path)`
    : `const none = () => { throw new Error('this executable, for ${name}, was built without it') }
export default none()`
  return {
    name: 'native module',
    setup(build) {
      build.onLoad({ filter: /node-datachannel[\\/]dist[\\/]esm[\\/]lib[\\/]node-datachannel\.mjs$/ }, () => {
        return { contents, loader: 'js' }
      })
    },
  }
}

/**
 * Has npm get the packages of another platform, as the lockfile has them; once for a lockfile.
 * @returns the folder that they are in
 * @throws Error with what npm says
 */
async function fetchPackages({ name, os, cpu, libc }: Target): Promise<string> {
  const lockfile = await Bun.file(join(root, 'package-lock.json')).bytes()
  const version = Bun.hash(lockfile).toString(36)
  const folder = join(root, 'node_modules/.cache/parley-binary', name, version)
  if (existsSync(folder)) return join(folder, 'node_modules')
  await rm(dirname(folder), { recursive: true, force: true })
  await mkdir(dirname(folder), { recursive: true })
  const work = await mkdtemp(`${folder}-`)
  try {
    const { workspaces } = await Bun.file(join(root, 'package.json')).json()
    for (const workspace of workspaces) await mkdir(join(work, workspace), { recursive: true })
    const files = ['package-lock.json', 'package.json', ...workspaces.map((name: string) => `${name}/package.json`)]
    for (const file of files) await copyFile(join(root, file), join(work, file))
    const what = ['-w', 'cli', '--include-workspace-root', '--omit=dev']
    const platform = [`--os=${os}`, `--cpu=${cpu}`, ...(libc ? [`--libc=${libc}`] : [])]
    const npm = Bun.spawn(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', ...what, ...platform], {
      cwd: work,
      stdout: 'ignore',
      stderr: 'pipe',
    })
    const said = await new Response(npm.stderr).text()
    if ((await npm.exited) !== 0) throw new Error(`npm cannot get the packages for ${name}:\n${said}`)
    await rename(work, folder)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return join(folder, 'node_modules')
}

/** Also to another file system. What runs there goes on. */
async function move(from: string, to: string): Promise<void> {
  const beside = `${to}.${process.pid}`
  await copyFile(from, beside)
  await rename(beside, to)
}

/** @throws Error that says what is wrong with the command line */
function readOptions() {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', multiple: true, default: [] },
      all: { type: 'boolean', default: false },
      outfile: { type: 'string' },
      packages: { type: 'string' },
      metafile: { type: 'string' },
    },
  })
  const { outfile, packages, metafile } = values
  const names = values.target.map(name => {
    const target = targets.find(each => each.name === name)
    if (!target) throw new Error(`There is no target ${name}, but ${targets.map(each => each.name).join(', ')}.`)
    return target
  })
  if (names.length === 0 && !values.all && !host)
    throw new Error(`There is no executable for this machine (${process.platform}-${process.arch}); see --target.`)
  const chosen = values.all ? targets : names.length > 0 ? names : host ? [host] : []
  if ((outfile ?? packages ?? metafile) !== undefined && chosen.length > 1)
    throw new Error('--outfile, --packages and --metafile are for one target.')
  const isNamed = values.all || names.length > 0
  return chosen.map(target => ({
    target,
    outfile: resolve(outfile ?? join(root, 'dist', isNamed ? `parley-${target.name}` : 'parley')),
    packages: packages && resolve(packages),
    metafile: metafile && resolve(metafile),
  }))
}

if (import.meta.main) {
  try {
    const all = readOptions()
    // Names of files in the executable begin here, so that it is the same wherever it is made from.
    process.chdir(root)
    for (const options of all) {
      const { bytes, hasWebRtc } = await buildBinary(options)
      console.log(`${options.outfile}: ${options.target.name}, ${(bytes / 1e6).toFixed(0)} MB`)
      if (!hasWebRtc)
        console.warn(
          `It has no WebRTC, since ${options.target.webrtc} is not there: worker, connect, demo and a part of doctor end with that sentence.`,
        )
    }
  } catch (error) {
    for (const each of error instanceof AggregateError ? error.errors : [error]) console.error(String(each))
    process.exitCode = 1
  }
}
