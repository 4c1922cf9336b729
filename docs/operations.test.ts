import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Glob } from 'bun'

const server = join(import.meta.dir, '../server/src')
const page = readFileSync(join(import.meta.dir, 'operations.md'), 'utf8')

/** The first groups of all matches, in lower case. */
const named = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name = '']) => name.toLowerCase())

/** What stands in the code of the server's files of one kind, tests left out. */
const code = (kind: string) =>
  [...new Glob(`**/*.${kind}`).scanSync(server)]
    .filter(file => !/\.(?:test|contract)\.ts$/.test(file))
    .map(file => readFileSync(join(server, file), 'utf8'))
    .join('\n')

test('the user of Redis may run the commands that the server and its scripts run, and no others', () => {
  const [, rules = ''] = /^user parley (.*)$/m.exec(page) ?? []
  const scripts = named(code('lua'), /redis\.call\('(\w+)'/g)
  const direct = named(code('ts'), /\bsend\(\s*'([A-Z]+)'/g)
  expect(direct).toContain('evalsha')
  expect(named(rules, /\s\+(\w+)/g).sort()).toEqual([...new Set([...scripts, ...direct])].sort())
})

test('the page names every key that the server has in Redis', () => {
  const [prefix] = named(code('ts'), /keyPrefix = '(\w+:)'/g)
  const written = named(code('ts'), /\bparley:([a-z-]+)/g)
  const built = named(code('ts'), /\$\{(?:keyP|p)refix\}([a-z-]+)/g)
  expect(built).not.toBeEmpty()
  const missing = [...written, ...built].filter(key => key !== 'nothing' && !page.includes(`\`${prefix}${key}`))
  expect(missing).toEqual([])
})
