import { expect, test } from 'bun:test'
import { obstacles, type Packed, type ReleaseState } from './obstacles.ts'

const files = ['README.md', 'LICENSE', 'package.json', 'src/main.ts'].map(path => ({ path, size: 1 }))
const client: Packed = {
  name: 'client',
  version: '1.2.0',
  files,
  size: 1,
  unpackedSize: 4,
  needs: { protocol: '1.2.0' },
}
const protocol: Packed = { ...client, name: 'protocol', needs: {} }
const ready: ReleaseState = {
  packed: [protocol, client],
  changes: [],
  changesets: [],
  changelog: '# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-11-28\n',
}

test('nothing stops a release that is ready', () => {
  expect(obstacles(ready)).toEqual([])
})

test.each<[Partial<ReleaseState>, string]>([
  [{ changes: [' M a', '?? b'] }, 'What git has is not what is here: commit or undo 2 changes (git status).'],
  [{ changesets: ['one.md'] }, '1 changeset must become a version first: npm run release:version'],
  [
    { changelog: '## Unreleased\n\n## 1.2.0-rc.1 - 2026-11-01\n' },
    'CHANGELOG.md has no section for 1.2.0: npm run release:version makes it.',
  ],
  [
    { packed: [protocol, { ...client, version: '1.1.0' }] },
    'The packages have different versions; they are released together.',
  ],
  [{ packed: [protocol, { ...client, needs: { protocol: '1.1.0' } }] }, 'client needs protocol 1.1.0, not 1.2.0.'],
  [{ packed: [{ ...protocol, files: files.slice(1) }] }, 'protocol has no README.md.'],
  [{ packed: [{ ...protocol, files: files.toSpliced(1, 1) }] }, 'protocol has no LICENSE.'],
  [
    { packed: [{ ...protocol, files: [...files, { path: 'src/a.test.ts', size: 1 }] }] },
    'protocol has tests in it, such as src/a.test.ts.',
  ],
])('%#: what stops it is told', (change, sentence) => {
  expect(obstacles({ ...ready, ...change })).toEqual([sentence])
})
