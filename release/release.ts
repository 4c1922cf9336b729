/**
 * Publishes the packages on npm: `npm run release`. With `--dry-run` it shows what would be published and what would stop it,
 * needs no account, and changes nothing that git has.
 */
import { join } from 'node:path'
import { packages } from './build.ts'
import { counted, obstacles, type Packed, type ReleaseState } from './obstacles.ts'

const root = join(import.meta.dir, '..')

/** What a command says. @throws Error with all that it said, if it fails */
async function run(...command: string[]): Promise<string> {
  const child = Bun.spawn(command, { cwd: root, stdout: 'pipe', stderr: 'pipe' })
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  if ((await child.exited) !== 0) throw new Error(`${command.join(' ')} failed:\n${out}${err}`)
  return out
}

const linesOf = (text: string) => text.split('\n').filter(line => line !== '')

/** Builds the packages, and reads what there is to know about this release. */
async function stateOf(): Promise<ReleaseState> {
  await run(process.execPath, 'release/build.ts')
  const workspaces = packages.flatMap(name => ['-w', name])
  const listed = JSON.parse(await run('npm', 'pack', '--dry-run', '--json', '--ignore-scripts', ...workspaces))
  const names = await Promise.all(packages.map(async name => (await manifestOf(name)).name))
  const packed: Packed[] = await Promise.all(
    packages.map(async folder => {
      const { name, dependencies = {} } = await manifestOf(folder)
      // npm has given a list, and from version 12 on gives an object.
      const found = Object.values<Packed>(listed).find(each => each.name === name)
      if (!found) throw new Error(`npm pack does not tell what ${name} is made of.`)
      const { version, files, size, unpackedSize } = found
      const needs = Object.fromEntries(Object.entries<string>(dependencies).filter(([other]) => names.includes(other)))
      return { name, version, files, size, unpackedSize, needs }
    }),
  )
  const changesets = await Array.fromAsync(new Bun.Glob('*.md').scan(join(root, '.changeset')))
  return {
    packed,
    changes: linesOf(await run('git', 'status', '--porcelain')),
    changesets: changesets.filter(name => name !== 'README.md'),
    changelog: await Bun.file(join(root, 'CHANGELOG.md')).text(),
  }
}

const manifestOf = (folder: string) => Bun.file(join(root, folder, 'package.json')).json()

const bytes = (count: number) =>
  count < 1_000_000 ? `${Math.ceil(count / 1_000)} kB` : `${(count / 1_000_000).toFixed(1)} MB`

/** A package, and what is in it: files at its top, and folders with their number of files. */
function describe({ name, version, files, size, unpackedSize }: Packed): string {
  const entries = Object.groupBy(files, ({ path }) => (path.includes('/') ? `${path.split('/')[0]}/` : path))
  const rows = Object.entries(entries).map(([entry, inside = []]) => {
    const total = bytes(inside.reduce((sum, file) => sum + file.size, 0)).padStart(8)
    return `  ${entry.padEnd(14)}${total}${entry.endsWith('/') ? `  ${counted(inside.length, 'file')}` : ''}`
  })
  return [
    `${name} ${version}: ${bytes(size)}, unpacked ${bytes(unpackedSize)}, ${counted(files.length, 'file')}`,
    ...rows,
  ].join('\n')
}

/** Publishes in order. What this version has published before is left out, so that a release that broke off can go on. */
async function publish(packed: readonly Packed[]): Promise<void> {
  await run('npm', 'whoami').catch(error => {
    throw new Error(`npm does not know who you are: run npm login first.\n${error.message}`)
  })
  for (const { name, version } of packed) {
    const isPublished = await run('npm', 'view', `${name}@${version}`, 'version').catch(() => '')
    if (isPublished.trim() === version) console.log(`${name} ${version} is there already.`)
    else {
      // npm may ask the person for a one-time password.
      const child = Bun.spawn(['npm', 'publish', '--ignore-scripts', '-w', name], {
        cwd: root,
        stdio: ['inherit', 'inherit', 'inherit'],
      })
      if ((await child.exited) !== 0)
        throw new Error(`${name} was not published. Run the same again: it goes on with it.`)
    }
  }
  console.log(`Published. Now tag it: git tag v${packed[0]?.version} && git push --tags`)
}

async function release(args: readonly string[]): Promise<number> {
  const unknown = args.find(arg => arg !== '--dry-run')
  if (unknown) {
    console.error(`${JSON.stringify(unknown)} is not an option. There is --dry-run.`)
    return 2
  }
  const state = await stateOf()
  const found = obstacles(state)
  for (const each of state.packed) console.log(`${describe(each)}\n`)
  for (const sentence of found) console.error(`In the way: ${sentence}`)
  if (found.length > 0) return 1
  if (args.includes('--dry-run')) console.log('Nothing is in the way. Without --dry-run, all of this is published.')
  else await publish(state.packed)
  return 0
}

if (import.meta.main) {
  process.exitCode = await release(process.argv.slice(2)).catch(error => {
    console.error(error.message)
    return 1
  })
}
