import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { Glob } from 'bun'

const root = join(import.meta.dir, '../..')

/** What the files under a path may import: paths below the root, names of packages, or `*` for all. The first match counts. */
const rules: readonly (readonly [under: string, may: readonly string[]])[] = [
  ['protocol/src/', ['protocol/src/']],
  ['protocol/fixtures/', ['protocol/fixtures/']],
  ['client/src/react.ts', ['client/src/', 'react']],
  ['client/src/', ['client/src/', '@parley/protocol']],
  [
    'client/examples/',
    ['client/examples/', '@parley/client', 'node:', 'node-datachannel', 'react', 'svelte', 'vue', 'ws'],
  ],
  ['client/test/', ['*']],
  ['console/', ['console/', '@parley/client', '@parley/protocol']],
  ['cli/test/', ['*']],
  ['cli/src/doctor/aws/packages.ts', ['cli/', '@aws-sdk/', '@smithy/signature-v4']],
  ['cli/', ['cli/', '@parley/client', '@parley/protocol', 'node:', 'node-datachannel', 'ws']],
  ['server/src/main.ts', ['server/src/', 'server/package.json', 'node:']],
  [
    'server/src/server.ts',
    [
      'server/src/api/',
      'server/src/gateway/',
      'server/src/sessions/',
      'server/src/rooms/',
      'server/src/ice/',
      'server/src/nodes/',
      'server/src/memory.ts',
      'server/src/descriptors.ts',
      'server/src/ports.ts',
      'server/src/tls/',
      'seams',
      'common',
      '@parley/protocol',
    ],
  ],
  ['server/src/rooms/', ['server/src/rooms/', 'server/src/ice/', 'seams', 'common', '@parley/protocol', 'node:crypto']],
  ['server/src/ice/', ['server/src/ice/', '@parley/protocol', 'node:crypto']],
  ['server/src/libc.ts', ['node:', 'bun:ffi']],
  ['server/src/gateway/receive-buffers.ts', ['common', 'node:']],
  ['server/src/gateway/crossing-frames.ts', ['common', 'zod']],
  [
    'server/src/gateway/',
    [
      'server/src/gateway/',
      'server/src/sessions/',
      'server/src/rooms/',
      'server/src/links/handles.ts',
      'common',
      '@parley/protocol',
      'bun',
    ],
  ],
  ['server/src/sessions/', ['server/src/sessions/', 'server/src/rooms/', 'common', '@parley/protocol', 'node:crypto']],
  ['server/src/listener.ts', ['bun']],
  ['server/src/ports.ts', ['server/src/api/', 'server/src/gateway/', 'server/src/tls/', 'common']],
  ['server/src/tls/', ['server/src/tls/', 'common', 'node:']],
  ['server/src/welcome.ts', ['common', 'server/src/tls/', 'node:']],
  [
    'server/src/api/',
    ['server/src/api/', 'server/src/rooms/', 'server/src/ice/', 'seams', 'common', '@parley/protocol', 'hono', 'zod'],
  ],
  [
    'server/src/identity/local/key-list.ts',
    ['seam', 'server/src/identity/identity.ts', 'server/src/identity/local/', 'server/src/redis/redis.ts'],
  ],
  [
    'server/src/identity/local',
    ['seam', 'server/src/identity/identity.ts', 'server/src/identity/local/', 'node:', 'jose'],
  ],
  [
    'server/src/identity/oidc',
    ['seam', 'server/src/identity/identity.ts', 'server/src/identity/oidc/', 'server/src/identity/jwks/', 'jose'],
  ],
  ['server/src/identity/jwks/', ['seam', 'server/src/identity/jwks/']],
  [
    'server/src/identity/',
    [
      'seam',
      'server/src/identity/',
      'server/src/log.ts',
      'server/src/data-folder.ts',
      'server/src/aws-signature.ts',
      'node:',
      'aws-jwt-verify',
      '@aws-sdk/',
      '@smithy/',
    ],
  ],
  [
    'server/src/room-store/sqlite',
    [
      'seam',
      'server/src/room-store/room-store.ts',
      'server/src/room-store/sqlite/',
      'server/src/data-folder.ts',
      'bun:sqlite',
    ],
  ],
  [
    'server/src/room-store/redis',
    ['seam', 'server/src/room-store/room-store.ts', 'server/src/room-store/redis/', 'server/src/redis/redis.ts'],
  ],
  [
    'server/src/room-store/',
    ['seam', 'server/src/room-store/', 'server/src/aws-signature.ts', 'node:', '@aws-sdk/client-dynamodb'],
  ],
  ['server/src/cluster/alone.ts', ['seam', 'server/src/cluster/cluster.ts']],
  ['server/src/cluster/', ['seam', 'server/src/cluster/', 'server/src/redis/']],
  ['server/src/redis/', ['seam', 'server/src/redis/', 'bun']],
  ['server/src/links/', ['server/src/links/', 'common', '@parley/protocol', 'node:crypto', 'bun']],
  [
    'server/src/nodes/',
    [
      'server/src/nodes/',
      'server/src/gateway/crossing',
      'server/src/links/',
      'server/src/redis/',
      'server/src/api/claims.ts',
      'seams',
      'common',
      '@parley/protocol',
      'node:',
      'zod',
    ],
  ],
  ['server/src/settings', ['server/src/settings/', 'common', '@parley/protocol', 'zod']],
  ['server/src/command-line/', ['server/src/command-line/', 'common', 'node:', 'smol-toml']],
  [
    'server/src/check.ts',
    [
      'common',
      'server/src/ice/',
      'server/src/preflight.ts',
      'server/src/tls/',
      'server/src/welcome.ts',
      '@parley/protocol',
    ],
  ],
  ['server/src/', ['common', '@parley/protocol', 'node:', 'pino', 'zod']],
  ['server/test/', ['*']],
  [
    'e2e/',
    [
      'e2e/',
      'server/test/redis-process.ts',
      'release/',
      '@parley/',
      'node:',
      'bun',
      'node-datachannel',
      'fast-check',
      'playwright-core',
      'puppeteer-core',
      'cognito-local',
      'oidc-provider',
      'svelte',
      'vue',
    ],
  ],
  ['fuzz/', ['fuzz/', '@parley/protocol', 'server/test/', 'server/src/api/openapi.ts', 'node:', 'bun', 'ajv']],
  ['bench/src/connects/', ['bench/', 'e2e/late-socket.ts', '@parley/client', 'node-datachannel', 'node:', 'bun']],
  ['bench/src/returns/', ['bench/', '@parley/client']],
  ['bench/', ['bench/', 'e2e/aws/', '@parley/protocol', 'node:', 'bun']],
  ['docs/', ['docs/', 'server/src/settings.ts', '@parley/protocol', 'node:', 'bun', 'typedoc']],
]

/** Names in the rules for several paths. */
const groups: Record<string, readonly string[]> = {
  seam: ['server/src/clock.ts', 'server/src/resilience/', '@parley/protocol'],
  seams: ['server/src/identity/identity.ts', 'server/src/room-store/room-store.ts', 'server/src/cluster/cluster.ts'],
  common: [
    'clock',
    'config',
    'settings',
    'formats',
    'misspelling',
    'own-names',
    'line-output',
    'log',
    'pretty-log',
    'descriptors',
    'libc',
    'listener',
    'memory',
    'metrics',
    'address',
    'client',
    'forwarded',
    'origins',
    'refused-attempts',
    'refused-origins',
    'rate-limit',
    'receive-buffers',
    'time-slices',
    'work-budget',
    'problem',
  ]
    .map(name => `server/src/${name}.ts`)
    .concat('server/src/config/', 'server/src/resilience/'),
}

const isTest = (file: string) => /\.(test|contract)\.ts$/.test(file)

const files = [...new Glob('{protocol,server,client,cli,console,e2e,fuzz,bench,docs}/**/*.{ts,tsx}').scanSync(root)]
  .filter(file => !file.includes('node_modules') && !file.includes('/dist/'))
  .sort()

/** What a file imports, types included: of a relative import the path below the root, else the name. */
function importsOf(file: string): string[] {
  // Comments show imports that are others' to make.
  const source = readFileSync(join(root, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '')
  const all = source.matchAll(/^(?:import|export|\})[^'\n]*\bfrom '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm)
  return [...all].map(([, from, alone, dynamic]) => {
    const path = from ?? alone ?? dynamic ?? ''
    return path.startsWith('.') ? normalize(join(dirname(file), path)) : path
  })
}

describe('the direction of imports', () => {
  test.each(files.filter(file => !isTest(file)))('holds in %s', file => {
    const [, may] = rules.find(([under]) => file.startsWith(under)) ?? ['', []]
    const allowed = may.flatMap(entry => groups[entry] ?? [entry])
    const wrong = importsOf(file).filter(path => !allowed.some(entry => entry === '*' || path.startsWith(entry)))
    expect(wrong).toEqual([])
  })

  test('lets main.ts alone name an adapter', () => {
    const adapters = files.filter(
      file => /server\/src\/(identity|room-store|cluster)\/[^/]+$/.test(file) && !isTest(file),
    )
    const users = files.filter(
      file =>
        !isTest(file) &&
        !file.startsWith('server/test/') &&
        importsOf(file).some(path => adapters.includes(path) && !groups.seams?.includes(path)),
    )
    expect(users).toEqual(['server/src/main.ts'])
  })
})

test('rooms/, ice/ and protocol/ do no I/O, know no process and no time of day', () => {
  for (const file of files.filter(file => /^(protocol|server\/src\/(rooms|ice))\//.test(file) && !isTest(file))) {
    expect([
      file,
      readFileSync(join(root, file), 'utf8').match(/\bprocess\.|\bDate\.now|new Date\(\)|\bBun\.|\bfetch\(/)?.[0],
    ]).toEqual([file, undefined])
  }
})

test('client/ needs nothing but what browsers have too', () => {
  for (const file of files.filter(file => file.startsWith('client/src/') && !isTest(file))) {
    const source = readFileSync(join(root, file), 'utf8')
    expect([file, source.match(/\bprocess\.|\bBun\.|\bBuffer\b|\brequire\(|withResolvers/)?.[0]]).toEqual([
      file,
      undefined,
    ])
  }
})

test('each seam has its contract, and each adapter runs it', () => {
  for (const seam of ['identity', 'room-store', 'cluster']) {
    const folder = `server/src/${seam}`
    expect(existsSync(join(root, folder, `${seam}.contract.ts`))).toBe(true)
    // A folder beside an adapter has the adapter's parts.
    const inside = files.filter(file => dirname(file) === folder && !isTest(file))
    const adapters = inside.filter(file => file !== `${folder}/${seam}.ts`)
    expect(adapters.length).toBeGreaterThan(0)
    for (const adapter of adapters) {
      expect(importsOf(adapter.replace('.ts', '.test.ts'))).toContain(`${folder}/${seam}.contract.ts`)
    }
  }
})

test('no file grows beyond 250 lines', () => {
  const lines = (file: string) => readFileSync(join(root, file), 'utf8').trimEnd().split('\n').length
  expect(files.filter(file => !isTest(file) && lines(file) > 250)).toEqual([])
})
