import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { mutants } from './mutants.ts'

test('each mutant is about a guard that stands once in its file', () => {
  const stale = mutants.filter(([file, guard]) => {
    const path = `${import.meta.dir}/../${file}`
    return !existsSync(path) || readFileSync(path, 'utf8').split(guard).length !== 2
  })
  expect(stale.map(([file, guard]) => `${file}: ${guard}`)).toEqual([])
})
