import { expect, test } from 'bun:test'
import { numberedName } from './numbered-name.ts'

test.each([
  ['a.txt', 'a (1).txt'],
  ['a', 'a (1)'],
  ['a b.tar.gz', 'a b (1).tar.gz'],
  ['v1.2', 'v1 (1).2'],
  ['.hidden', '.hidden (1)'],
  ['Dr. No', 'Dr. No (1)'],
  ['a (1).txt', 'a (1) (1).txt'],
])('%s becomes %s', (name, numbered) => {
  expect(numberedName(name, 1)).toBe(numbered)
  expect(numberedName(name, 0)).toBe(name)
})
