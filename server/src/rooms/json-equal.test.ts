import { describe, expect, test } from 'bun:test'
import { isObject } from '@parley/protocol'
import fc from 'fast-check'
import { equalTo, oneOf } from './json-equal.ts'

const equal = (a: string, b: string) => [
  equalTo(JSON.parse(a))(JSON.parse(b)),
  equalTo(JSON.parse(b))(JSON.parse(a)),
  oneOf([0.5, 'other', [['other']], JSON.parse(a)])(JSON.parse(b)),
]

/** Equality as one would say it. Bun's own takes `{"__proto__":{}}` for equal to any object with one member. */
function same(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => same(item, b[i]))
  if (!isObject(a) || !isObject(b)) return a === b
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every(name => Object.hasOwn(b, name) && same(a[name], b[name]))
}

describe('equality of JSON', () => {
  test.each([
    ['1', '1.0'],
    ['0', '-0'],
    ['null', 'null'],
    ['1e999', '1e999'],
    ['[]', '[ ]'],
    ['{"a":1,"b":[{"c":null}]}', '{"b":[{"c":null}],"a":1.0}'],
    ['{"2":0,"10":0,"a":0}', '{"a":0,"10":0,"2":0}'],
    ['{"__proto__":{"a":1}}', '{"__proto__":{"a":1}}'],
  ])('holds between %s and %s', (a, b) => {
    expect(equal(a, b)).toEqual([true, true, true])
  })

  test.each([
    ['1', '"1"'],
    ['0', 'false'],
    ['null', '[]'],
    ['""', 'null'],
    ['[]', '{}'],
    ['[]', '""'],
    ['[]', '[[]]'],
    ['[1,2]', '[2,1]'],
    ['[1,2]', '[1]'],
    ['["a,b"]', '["a","b"]'],
    ['[[1],2]', '[[1,2]]'],
    ['[null]', '[1e999]'],
    ['"[1]"', '[1]'],
    ['["a",1]', '{"a":1}'],
    ['{"a":1}', '{"a":1,"b":1}'],
    ['{"a":{"b":1}}', '{"a":{},"b":1}'],
    ['{"a":null}', '{"b":null}'],
    ['{"__proto__":{}}', '{}'],
    ['{"__proto__":{"a":1}}', '{"a":1}'],
  ])('does not hold between %s and %s', (a, b) => {
    expect(equal(a, b)).toEqual([false, false, false])
  })

  test('holds for nothing in an empty list, and never for what is not there', () => {
    for (const value of [undefined, null, 0, [], {}]) expect(oneOf([])(value)).toBe(false)
    for (const value of [null, 0, '', [], {}]) expect(equalTo(value)(undefined)).toBe(false)
  })

  test('is deep equality', () => {
    const key = fc.constantFrom('a', 'b', '1', '__proto__', 'constructor')
    const { value } = fc.letrec(tie => ({
      value: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        fc.constantFrom('0', '1', '1.0', '"1"', '"a"', 'null', 'true', '[]', '{}'),
        fc.array(tie('value'), { maxLength: 2 }).map(items => `[${items.join()}]`),
        fc
          .uniqueArray(fc.tuple(key, tie('value')), { maxLength: 2, selector: ([name]) => name })
          .map(members => `{${members.map(([name, json]) => `"${name}":${json}`).join()}}`),
      ),
    }))
    let equals = 0
    fc.assert(
      fc.property(
        fc.array(value as fc.Arbitrary<string>, { maxLength: 4 }),
        value as fc.Arbitrary<string>,
        (list, one) => {
          const values: unknown[] = list.map(json => JSON.parse(json))
          const isSame = values.some(each => same(each, JSON.parse(one)))
          if (isSame) equals++
          expect(oneOf(values)(JSON.parse(one))).toBe(isSame)
        },
      ),
      { numRuns: 3000 },
    )
    expect(equals).toBeGreaterThan(50)
  })

  test('reads a long list once, whatever is in it', () => {
    const all = Array.from({ length: 50_000 }, (_, i) => (i % 2 ? i : [i, { i }]))
    const isOne = oneOf(all)
    expect(all.every(isOne)).toBe(true)
    expect(all.some(value => isOne([value]))).toBe(false)
  }, 10_000)
})
