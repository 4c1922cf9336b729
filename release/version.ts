/**
 * Makes the next version of what the changesets say: `npm run release:version`. It sets the version of all packages, and gives
 * what is unreleased in CHANGELOG.md a section for it. You look at it and commit it.
 */
import { join } from 'node:path'
import { hasVersion } from './obstacles.ts'

const root = join(import.meta.dir, '..')

/** What is under "Unreleased" gets a section of its own. Undefined if this version has one. */
export function withVersion(changelog: string, version: string, day: string): string | undefined {
  if (hasVersion(changelog, version)) return undefined
  return changelog.replace(/^## Unreleased$/m, `## Unreleased\n\n## ${version} - ${day}`)
}

async function run(...command: string[]): Promise<void> {
  const child = Bun.spawn(command, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if ((await child.exited) !== 0) throw new Error(`${command.join(' ')} failed.`)
}

async function makeVersion(): Promise<void> {
  await run(join(root, 'node_modules/.bin/changeset'), 'version')
  const { version } = await Bun.file(join(root, 'server/package.json')).json()
  const changelog = Bun.file(join(root, 'CHANGELOG.md'))
  const next = withVersion(await changelog.text(), version, new Date().toISOString().slice(0, 10))
  if (next === undefined) throw new Error(`${version} has been made before. Say what comes next with: npx changeset`)
  await changelog.write(next)
  const manifest = Bun.file(join(root, 'package.json'))
  await manifest.write(`${JSON.stringify({ ...(await manifest.json()), version }, null, 2)}\n`)
  await run('npm', 'install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund')
  console.log(`This is ${version}. Look at the changes, commit them, and then: npm run release -- --dry-run`)
}

if (import.meta.main)
  await makeVersion().catch(error => {
    console.error(error.message)
    process.exitCode = 1
  })
