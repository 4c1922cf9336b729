import { describe, expect, test } from 'bun:test'
import { UsageError } from './failure.ts'
import { splitWords } from './words.ts'

describe('a command line', () => {
  test.each([
    ['', []],
    ['  a  b\tc ', ['a', 'b', 'c']],
    [`"a b" 'c d'`, ['a b', 'c d']],
    [`a"b c"d'e f'`, ['ab cde f']],
    [`'' ""`, ['', '']],
    ['a\\ b \\"', ['a b', '"']],
    [`"a\\"b" "c\\d" 'e\\f'`, ['a"b', 'c\\d', 'e\\f']],
    ['$HOME `id` $(id) ; rm * | x > y &', ['$HOME', '`id`', '$(id)', ';', 'rm', '*', '|', 'x', '>', 'y', '&']],
    [`sh -c "gzip < \\"$1\\" > out" sh {}`, ['sh', '-c', 'gzip < "$1" > out', 'sh', '{}']],
  ])('%p has the words %p', (text, words) => {
    expect(splitWords(text)).toEqual(words)
  })

  test.each([`'a`, 'a "b', 'a\\'])('%p is refused', text => {
    expect(() => splitWords(text)).toThrow(UsageError)
  })
})
