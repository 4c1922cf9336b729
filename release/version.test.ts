import { expect, test } from 'bun:test'
import { withVersion } from './version.ts'

const changelog = '# Changelog\n\n## Unreleased\n\n- One.\n\n## 1.0.0 - 2026-10-01\n\n- Two.\n'

test('what is unreleased becomes a version, and a new section waits above it', () => {
  expect(withVersion(changelog, '1.1.0', '2026-11-28')).toBe(
    changelog.replace('## Unreleased\n', '## Unreleased\n\n## 1.1.0 - 2026-11-28\n'),
  )
})

test('a version is made once', () => {
  expect(withVersion(changelog, '1.0.0', '2026-11-28')).toBeUndefined()
})
