import { describe, expect, test } from 'bun:test'
import type { JsonObject } from '@parley/protocol'
import fc from 'fast-check'
import { mergeMetadata } from './merge-metadata.ts'

/** Of what JSON.parse makes of both, which must still be that afterwards; as text, so that nothing hides in a prototype. */
function merged(before: string | object, change: string | object): string {
  const texts = [before, change].map(given => (typeof given === 'string' ? given : JSON.stringify(given)))
  const [old, news] = texts.map(text => frozen(JSON.parse(text))) as [JsonObject, JsonObject]
  const after = mergeMetadata(old, news)
  expect(JSON.stringify([old, news])).toBe(JSON.stringify(texts.map(text => JSON.parse(text))))
  expect(Object.getPrototypeOf(after)).toBe(Object.prototype)
  return JSON.stringify(after)
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen)
  return value
}

describe('mergeMetadata', () => {
  test('unites tags, merges properties, replaces other keys and keeps what is not named', () => {
    const before = { tags: ['gpu'], properties: { vram: 24, os: 'linux' }, name: 'a', kept: { x: 1 } }
    const change = { tags: ['fast', 'gpu'], properties: { vram: 48, cuda: 12 }, name: { y: 2 }, added: null }
    expect(merged(before, change)).toBe(
      JSON.stringify({
        tags: ['gpu', 'fast'],
        properties: { vram: 48, os: 'linux', cuda: 12 },
        name: { y: 2 },
        kept: { x: 1 },
        added: null,
      }),
    )
  })

  test('keeps everything if nothing is named, and takes everything if there was nothing', () => {
    const metadata = { tags: ['a', 'a'], properties: { p: [1] }, n: 1.5 }
    expect(merged(metadata, {})).toBe(JSON.stringify(metadata))
    expect(merged({}, metadata)).toBe(JSON.stringify(metadata))
    expect(merged({}, {})).toBe('{}')
  })

  test('adds the tags that are not there yet, in their order, and compares them as JSON', () => {
    const before = '{"tags":["b",1,{"x":1,"y":[2]},null,["z"]]}'
    const change = '{"tags":["c",{"y":[2],"x":1.0},1.0,"1",["z"],null,"a",["z","z"]]}'
    expect(merged(before, change)).toBe('{"tags":["b",1,{"x":1,"y":[2]},null,["z"],"c","1","a",["z","z"]]}')
  })

  test('merges properties one level deep', () => {
    const before = { properties: { gpu: { name: 'A', vram: 24 }, list: [1] } }
    const change = { properties: { gpu: { name: 'B' }, list: [2] } }
    expect(merged(before, change)).toBe(JSON.stringify(change))
  })

  test.each(['tags', 'properties'])('takes the new %s as they are unless old and new have the right form', key => {
    const right = key === 'tags' ? ['a'] : { a: 1 }
    const wrong = [null, true, 7, 'a', key === 'tags' ? { 0: 'a' } : ['a']]
    for (const value of wrong) {
      for (const [before, change] of [
        [right, value],
        [value, right],
        [value, value],
      ]) {
        expect(merged({ [key]: before }, { [key]: change })).toBe(JSON.stringify({ [key]: change }))
      }
    }
  })

  test('treats names that every object inherits like any other, and changes no prototype', () => {
    expect(merged('{"__proto__":{"a":1},"x":1}', '{"__proto__":{"b":2}}')).toBe('{"__proto__":{"b":2},"x":1}')
    expect(merged('{}', '{"__proto__":null,"constructor":7}')).toBe('{"__proto__":null,"constructor":7}')
    expect(
      merged('{"properties":{"__proto__":{"a":1},"b":1}}', '{"properties":{"__proto__":{"polluted":1},"toString":2}}'),
    ).toBe('{"properties":{"__proto__":{"polluted":1},"b":1,"toString":2}}')
    expect(merged('{"tags":[{"__proto__":{"a":1}}]}', '{"tags":[{"__proto__":{"a":1}},{"a":1},{}]}')).toBe(
      '{"tags":[{"__proto__":{"a":1}},{"a":1},{}]}',
    )
    const inherited = '{"__proto__":{"tags":["a"],"properties":{"p":1}}}'
    expect(merged(inherited, '{"tags":["b"],"properties":{"q":1}}')).toBe(
      '{"__proto__":{"tags":["a"],"properties":{"p":1}},"tags":["b"],"properties":{"q":1}}',
    )
    expect(({} as JsonObject).polluted).toBeUndefined()
    const after = mergeMetadata({ properties: {} }, JSON.parse('{"properties":{"__proto__":{"polluted":1}}}'))
    expect(Object.getPrototypeOf(after.properties)).toBe(Object.prototype)
  })

  test('unites long lists of tags in no time', () => {
    const list = (from: number) => ({
      tags: Array.from({ length: 100_000 }, (_, i) => ((from + i) % 2 ? from + i : [from + i])),
    })
    expect(mergeMetadata(list(0), list(50_000)).tags).toHaveLength(150_000)
  }, 10_000)

  test('says the same when the change comes once more', () => {
    const key = fc.constantFrom('tags', 'properties', 'name', '__proto__', 'constructor')
    const value = fc.oneof(
      fc.json({ maxDepth: 2 }),
      fc.constantFrom('["a"]', '["b","a"]', '{"p":1}', '{"q":[2]}', 'null'),
    )
    const metadata = fc
      .uniqueArray(fc.tuple(key, value), { selector: ([name]) => name })
      .map(members => `{${members.map(([name, json]) => `"${name}":${json}`).join()}}`)
    fc.assert(
      fc.property(metadata, metadata, (before, change) => {
        const once = merged(before, change)
        expect(merged(once, change)).toBe(once)
        const names = new Set([before, change].flatMap(json => Object.keys(JSON.parse(json))))
        expect(new Set(Object.keys(JSON.parse(once)))).toEqual(names)
      }),
      { numRuns: 2000 },
    )
  })
})
