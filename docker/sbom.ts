/**
 * Writes what is in the executable as a CycloneDX 1.6 document: the packages that the bundler took code from, with
 * version, licence and hash from the lockfile, and Bun. From the root of the repository:
 *
 *   bun docker/sbom.ts METAFILE BUN_PACKAGE     such as bun-linux-x64
 *
 * npm's own `npm sbom` tells what a workspace may need, not what was taken from it. The document says nothing that
 * differs from build to build: no time, no serial number.
 */
import { readFileSync } from 'node:fs'

interface LockEntry {
  readonly version?: string
  readonly license?: string
  readonly integrity?: string
}

const [metafile = '', bunPackage = ''] = process.argv.slice(2)
const { inputs } = JSON.parse(readFileSync(metafile, 'utf8')) as { inputs: Record<string, unknown> }
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, LockEntry> }

// What begins and loads it is no package of its own.
const taken = new Set(Object.keys(inputs).flatMap(file => (file.startsWith('release/') ? [] : packageOf(file))))
const parley = component('application', '')
const bun = component('application', `node_modules/@oven/${bunPackage}`)
const components = [bun, ...[...taken].sort().map(path => component('library', path))]

const document = {
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  version: 1,
  metadata: { lifecycles: [{ phase: 'build' }], component: parley },
  components,
  dependencies: [{ ref: parley['bom-ref'], dependsOn: components.map(each => each['bom-ref']) }],
}
console.log(JSON.stringify(document, undefined, 2))

/** The path in the lockfile of the package that a file belongs to: the longest that the file is below. */
function packageOf(file: string): string {
  // The packages of the target platform have a folder of their own.
  const isBelow = (path: string) =>
    file.startsWith(`${path}/`) || (path.startsWith('node_modules/') && file.includes(`/${path}/`))
  const paths = Object.keys(packages).filter(path => path !== '' && isBelow(path))
  const path = paths.sort((a, b) => b.length - a.length)[0]
  if (path === undefined) throw new Error(`${file} is bundled and belongs to no package of the lockfile.`)
  return path
}

function component(type: 'application' | 'library', path: string) {
  const { version, license: written, integrity } = packages[path] ?? {}
  if (!version) throw new Error(`${path} has no version in the lockfile.`)
  const own = path === '' ? 'parley' : `@parley/${path}`
  const name = path.startsWith('node_modules/') ? path.split('node_modules/').at(-1) : own
  // As SPDX has it; node-datachannel writes it in its own way.
  const license = written === 'MPL 2.0' ? 'MPL-2.0' : written
  const purl = `pkg:npm/${name?.replace('@', '%40')}@${version}`
  return {
    type,
    'bom-ref': purl,
    name,
    version,
    purl,
    ...(license && { licenses: [/\s/.test(license) ? { expression: license } : { license: { id: license } }] }),
    ...(integrity && { hashes: [sha512(integrity)] }),
  }
}

/** A hash of the lockfile (SRI: base64) as CycloneDX writes it. */
function sha512(integrity: string): { alg: string; content: string } {
  const [algorithm, hash = ''] = integrity.split('-')
  if (algorithm !== 'sha512') throw new Error(`The lockfile has a hash that is not SHA-512: ${algorithm}.`)
  return { alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }
}
