import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { rawMember } from './index.ts'

describe('rawMember', () => {
  test.each([
    ['{"payload":1.0}', '1.0'],
    ['{"a":1,"payload":9007199254740993,"b":2}', '9007199254740993'],
    ['{ "payload" : { "b" : [1, {"payload":2}], "a" : "}" } , "z":0 }', '{ "b" : [1, {"payload":2}], "a" : "}" }'],
    ['{"x":{"payload":1},"payload":"a\\\\\\"b, }"}', '"a\\\\\\"b, }"'],
    ['{"payload":1,"payload":[2]}', '[2]'],
    ['{"p\\u0061yload":null}', 'null'],
    ['\n{\t"payload"\r:\ntrue\n}\n', 'true'],
    ['{"payload":[]}', '[]'],
  ])('of %j is what stands there', (json, raw) => {
    expect(rawMember(json, 'payload')).toBe(raw)
  })

  test.each(['{}', '{"a":{"payload":1}}', '{"a":"\\"payload\\":1"}', '{"xpayload":1,"payloadx":2}'])(
    'of %j is nothing',
    json => {
      expect(rawMember(json, 'payload')).toBeUndefined()
    },
  )

  test('is what JSON.parse reads, of any object, however it is spaced', () => {
    const key = fc.oneof(fc.constantFrom('payload', 'offer', '__proto__', 'a"b', '\\', ''), fc.string())
    const value = fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }))
    const space = fc.constantFrom('', ' ', '\n\t')
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value), { maxLength: 6 }), space, fc.nat(4), (members, gap, indent) => {
        const texts = members.map(([name, content]) => [JSON.stringify(name), JSON.stringify(content, null, indent)])
        const json = `${gap}{${gap}${texts.map(pair => pair.join(`${gap}:${gap}`)).join(`${gap},${gap}`)}${gap}}${gap}`
        for (const [name] of members) {
          const last = members.findLastIndex(([other]) => other === name)
          expect(rawMember(json, name)).toBe(texts[last]?.[1] as string)
        }
        expect(rawMember(json, 'no such member')).toBe(undefined)
      }),
      { numRuns: 3000 },
    )
  })
})
