import { describe, expect, test } from 'bun:test'
import { type JsonObject, SignalingError } from '@parley/protocol'
import fc from 'fast-check'
import { matching } from './filters.ts'

/** From text, as all of it comes from JSON.parse, which makes `__proto__` a key like any other. */
const read = (json: string | object): JsonObject => JSON.parse(typeof json === 'string' ? json : JSON.stringify(json))

const finds = (filters: string | object, metadata: string | object = {}, role = 'peer') =>
  matching(read(filters))({ role, metadata: read(metadata) })

/** Whether a peer is found whose property `p` is `value`, or that has none if `value` is undefined. */
const passes = (condition: unknown, value: unknown) =>
  finds({ properties: { p: condition } }, { properties: { p: value, other: 1 } })

const refusal = (filters: string | object): SignalingError => {
  try {
    matching(read(filters))
  } catch (error) {
    if (error instanceof SignalingError) return error
    throw error
  }
  throw new Error('not refused')
}

/** One value of each type. */
const values = [null, true, 7, 'gpu', ['gpu'], { gpu: 7 }]

describe('filters', () => {
  test('find everybody where there are none', () => {
    const none = [{}, { room_id: 'r-1', tag: ['gpu'], $or: [], type: 7 }]
    for (const filters of none) {
      expect(finds(filters)).toBe(true)
      expect(finds(filters, { tags: 7, properties: null })).toBe(true)
    }
  })

  test('find nobody where one is null, as with v2', () => {
    for (const filters of [{ role: null }, { tags: null }, { properties: null }]) expect(finds(filters)).toBe(false)
  })

  test('find a peer that passes all of them, and no other', () => {
    const filters = { role: 'worker', tags: ['gpu'], properties: { vram: { $gte: 24 }, os: 'linux' } }
    const metadata = { tags: ['gpu'], properties: { vram: 24, os: 'linux', more: 1 } }
    expect(finds(filters, metadata, 'worker')).toBe(true)
    expect(finds(filters, metadata, 'client')).toBe(false)
    expect(finds(filters, { ...metadata, tags: [] }, 'worker')).toBe(false)
    expect(finds(filters, { ...metadata, properties: { vram: 16, os: 'linux' } }, 'worker')).toBe(false)
    expect(finds(filters, { ...metadata, properties: { vram: 24 } }, 'worker')).toBe(false)
    expect(finds(filters, {}, 'worker')).toBe(false)
  })

  test('read once, serve a whole room', () => {
    const isFound = matching(read({ tags: ['even'], properties: { n: { $lt: 500 } } }))
    const room = Array.from({ length: 1000 }, (_, n) => ({
      role: 'peer',
      metadata: { tags: [n % 2 ? 'odd' : 'even'], properties: { n } },
    }))
    expect(room.filter(isFound)).toHaveLength(250)
    expect(room.filter(isFound)).toHaveLength(250)
  })
})

describe('the filter role', () => {
  test('finds a peer with that very role', () => {
    expect(finds({ role: 'worker' }, {}, 'worker')).toBe(true)
    for (const role of ['Worker', 'work', 'worker ', '']) expect(finds({ role }, {}, 'worker')).toBe(false)
  })

  test('finds nobody if it is no string', () => {
    for (const role of [7, true, ['7'], { $eq: '7' }]) expect(finds({ role }, {}, '7')).toBe(false)
  })
})

describe('the filter tags', () => {
  test('finds a peer that has any of them', () => {
    expect(finds({ tags: ['gpu', 'fast'] }, { tags: ['slow', 'gpu'] })).toBe(true)
    expect(finds({ tags: ['gpu', 'fast'] }, { tags: ['slow'] })).toBe(false)
    expect(finds({ tags: [{ a: 1, b: [2] }] }, { tags: [{ b: [2.0], a: 1 }] })).toBe(true)
    expect(finds({ tags: [null] }, { tags: [null] })).toBe(true)
  })

  test('finds nobody if it is empty', () => {
    for (const tags of [[], ['gpu'], [[]]]) expect(finds({ tags: [] }, { tags })).toBe(false)
    expect(finds({ tags: [] })).toBe(false)
  })

  test('takes no tag for one of another type', () => {
    expect(finds({ tags: ['7', 'null', 'true', '[]'] }, { tags: [7, null, true, []] })).toBe(false)
  })

  test('finds nobody if it is no list, and no peer whose tags are none', () => {
    const odd = [7, true, 'gpu', { 0: 'gpu', length: 1 }]
    for (const tags of odd) {
      expect(finds({ tags }, { tags: ['gpu', 'g', 7, true] })).toBe(false)
      expect(finds({ tags: ['gpu', 'g', 7, true] }, { tags })).toBe(false)
    }
    expect(finds({ tags: ['gpu', null] }, { tags: null })).toBe(false)
    expect(finds({ tags: ['gpu', null] })).toBe(false)
  })
})

describe('the filter properties', () => {
  test('finds a peer whose property equals the value', () => {
    for (const value of values) {
      for (const other of values) expect([value, other, passes(value, other)]).toEqual([value, other, value === other])
      expect(passes(value, undefined)).toBe(false)
    }
    expect(finds('{"properties":{"n":1.0}}', '{"properties":{"n":1}}')).toBe(true)
    expect(passes({}, {})).toBe(true)
    expect(passes({ a: 1, b: { c: [1, 2] } }, { b: { c: [1, 2] }, a: 1 })).toBe(true)
    expect(passes([1, 2], [2, 1])).toBe(false)
  })

  test('compares an object without operators as it is, whatever lies deeper in it', () => {
    expect(passes({ a: { $gt: 1 } }, { a: { $gt: 1 } })).toBe(true)
    expect(passes({ a: { $gt: 1 } }, { a: 2 })).toBe(false)
    expect(passes([{ $unknown: 1 }], [{ $unknown: 1 }])).toBe(true)
  })

  test('finds nobody if it is no object, and no peer whose properties are none', () => {
    for (const properties of [7, true, 'gpu', [], [7], [{ $unknown: 1 }]]) {
      expect(finds({ properties }, { properties: { 0: 7, length: 1 } })).toBe(false)
      for (const condition of [7, { $ne: 1 }, { $exists: true }, { $exists: false }]) {
        expect(finds({ properties: { 0: condition } }, { properties })).toBe(false)
        expect(finds({ properties: { length: condition } }, { properties })).toBe(false)
      }
    }
    expect(finds({ properties: { p: { $exists: false } } }, { properties: null })).toBe(false)
  })

  test('takes a peer that names no properties for one that lacks them all', () => {
    expect(finds({ properties: { p: { $exists: false }, q: { $ne: 1 } } })).toBe(true)
    expect(finds({ properties: { p: 1 } })).toBe(false)
  })

  test('asks nothing if it is empty', () => {
    for (const properties of [...values, {}]) expect(finds({ properties: {} }, { properties })).toBe(true)
    expect(finds({ properties: {} })).toBe(true)
  })

  test('takes thousands of names without a look at more than the peer has', () => {
    const many = (condition: unknown) =>
      Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`p${i}`, condition]))
    const peer = { role: 'peer', metadata: { properties: { p19999: 1 } } }
    const lacks = matching({ properties: many({ $exists: false }) })
    const differs = matching({ properties: many({ $ne: 2 }) })
    const has = matching({ properties: many({ $exists: true }) })
    for (let i = 0; i < 1000; i++) expect([lacks(peer), differs(peer), has(peer)]).toEqual([false, true, false])
  }, 10_000)
})

describe('the operator', () => {
  test('$eq finds what the value alone finds', () => {
    for (const value of values) {
      for (const other of values) expect(passes({ $eq: value }, other)).toBe(value === other)
      expect(passes({ $eq: value }, undefined)).toBe(false)
    }
    expect(passes({ $eq: { $gt: 1 } }, { $gt: 1 })).toBe(true)
  })

  test.each([
    ['a value that differs', 1, 2, true],
    ['another boolean', true, false, true],
    ['another list', [1], [1, 2], true],
    ['another object', { a: 1 }, { a: 2 }, true],
    ['nothing', 1, undefined, true],
    ['nothing, which is not null', null, undefined, true],
    ['the same value', 'a', 'a', false],
    ['an equal object', { a: 1, b: 2 }, { b: 2, a: 1 }, false],
    ['null for null', null, null, false],
    ['a string for a number', 1, '2', false],
    ['null for a number', 1, null, false],
    ['null for an object', {}, null, false],
    ['a number for null', null, 1, false],
    ['a list for an object', {}, [1], false],
  ])('$ne given %s', (_, operand, value, found) => {
    expect(passes({ $ne: operand }, value)).toBe(found)
  })

  test.each([
    [1, 2, '$lt $lte'],
    [2, 2, '$gte $lte'],
    [2, 1.5, '$gt $gte'],
    [-1, 0, '$lt $lte'],
    ['a', 'b', '$lt $lte'],
    ['b', 'b', '$gte $lte'],
    ['10', '9', '$lt $lte'],
    ['a', '', '$gt $gte'],
    ['10', 9, ''],
    [10, '9', ''],
    [true, 0, ''],
    [true, false, ''],
    [true, true, ''],
    [null, 0, ''],
    [null, null, ''],
    [[2], 1, ''],
    [[2], [1], ''],
    [{}, {}, ''],
    [undefined, 1, ''],
    [undefined, 'a', ''],
    [undefined, null, ''],
  ])('that puts %j in order with %j is one of: %s', (value, operand, holding) => {
    const all = ['$gt', '$gte', '$lt', '$lte']
    expect(all.filter(name => passes({ [name]: operand }, value)).join(' ')).toBe(holding)
  })

  test('$in finds what equals one of the listed', () => {
    expect(passes({ $in: ['a', 7, { x: [1] }] }, 7)).toBe(true)
    expect(passes({ $in: ['a', 7, { x: [1] }] }, { x: [1] })).toBe(true)
    expect(passes({ $in: ['a', 7] }, '7')).toBe(false)
    expect(passes({ $in: [['a']] }, 'a')).toBe(false)
    expect(passes({ $in: ['a'] }, ['a'])).toBe(false)
    for (const value of [...values, undefined]) expect(passes({ $in: [] }, value)).toBe(false)
    expect(passes({ $in: [null] }, undefined)).toBe(false)
  })

  test('$in finds nobody if it is given no list', () => {
    for (const operand of ['gpu', 7, null, true, { 0: 'g', length: 1 }]) {
      for (const value of ['g', 7, null, true, undefined]) expect(passes({ $in: operand }, value)).toBe(false)
    }
  })

  test('$exists finds what is there, be it null, or what is not', () => {
    for (const value of values) {
      expect(passes({ $exists: true }, value)).toBe(true)
      expect(passes({ $exists: false }, value)).toBe(false)
    }
    expect(passes({ $exists: true }, undefined)).toBe(false)
    expect(passes({ $exists: false }, undefined)).toBe(true)
    for (const operand of [1, 0, 'true', '', null, [], {}]) {
      for (const value of [1, undefined]) expect(passes({ $exists: operand }, value)).toBe(false)
    }
  })

  test('holds together with all others', () => {
    expect(passes({ $gte: 1, $lt: 5, $ne: 3 }, 2)).toBe(true)
    expect(passes({ $gte: 1, $lt: 5, $ne: 3 }, 3)).toBe(false)
    expect(passes({ $gte: 1, $lt: 5, $ne: 3 }, 5)).toBe(false)
    expect(passes({ $ne: 3, $exists: true }, undefined)).toBe(false)
    expect(passes({ $ne: 3, $exists: false }, undefined)).toBe(true)
  })

  test('is refused if it is unknown, before anybody is looked at', () => {
    const error = refusal({ properties: { p: { $regex: '.*' } } })
    expect(error.code).toBe('INVALID_MESSAGE')
    expect(error.message).toBe(
      'Unknown operator "$regex"; the known ones are $eq, $ne, $gt, $gte, $lt, $lte, $in, $exists.',
    )
    expect(refusal({ role: 7, tags: [], properties: { a: 1, b: { $gt: 1, $foo: 2 } } }).message).toContain('"$foo"')
  })

  test.each(['$', '$EQ', '$gt ', '$constructor', '$__proto__', '$and'])('%s is unknown', name => {
    expect(refusal({ properties: { p: { [name]: 1 } } }).message).toContain(JSON.stringify(name))
  })

  test.each(['gt', 'constructor', '__proto__', 'hasOwnProperty', ''])('stands in no object with the key %j', name => {
    expect(refusal(`{"properties":{"p":{"${name}":1,"$gt":1}}}`).message).toContain(JSON.stringify(name))
  })

  test('is repeated up to 64 characters', () => {
    const { message } = refusal({ properties: { p: { [`$${'x'.repeat(1000)}`]: 1 } } })
    expect(message).toContain(`"$${'x'.repeat(63)}";`)
    expect(refusal({ properties: { p: { [`$${'x'.repeat(62)}🙂`]: 1 } } }).message).toContain('x\\ud83d"')
  })
})

describe('a name that every object inherits', () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']

  test.each(names)('is a property like any other: %s', name => {
    const peerWith = (value: string) => `{"properties":{"${name}":${value}}}`
    for (const peer of ['{}', '{"properties":{}}', '{"properties":{"p":1}}']) {
      expect(finds(`{"properties":{"${name}":{"$exists":true}}}`, peer)).toBe(false)
      expect(finds(`{"properties":{"${name}":{"$exists":false}}}`, peer)).toBe(true)
      expect(finds(`{"properties":{"${name}":{"$ne":1}}}`, peer)).toBe(true)
      expect(finds(`{"properties":{"${name}":{}}}`, peer)).toBe(false)
    }
    for (const value of ['1', '{"a":1}']) {
      expect(finds(peerWith(value), peerWith(value))).toBe(true)
      expect(finds(peerWith('{"$exists":true}'), peerWith(value))).toBe(true)
      expect(finds(peerWith('{"$exists":false}'), peerWith(value))).toBe(false)
      expect(finds(peerWith('2'), peerWith(value))).toBe(false)
    }
  })

  test.each(names)('does nothing as a filter, or in metadata: %s', name => {
    const inherited = `{"${name}":{"role":"worker","tags":["gpu"],"properties":{"p":1}}}`
    expect(finds(inherited)).toBe(true)
    expect(finds({ tags: ['gpu'] }, inherited)).toBe(false)
    expect(finds({ properties: { p: 1 } }, inherited)).toBe(false)
    expect(finds({ properties: { p: 1 } }, `{"properties":${inherited}}`)).toBe(false)
  })
})

describe('whatever JSON they are given, filters', () => {
  const operators = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$exists']
  const name = fc.constantFrom(
    ...['role', 'tags', 'properties', 'p', 'q', 'length', '0', '', '$', '$foo'],
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype'],
  )
  const objectOf = (key: fc.Arbitrary<string>, value: fc.Arbitrary<unknown>) =>
    fc
      .array(fc.tuple(key, value), { maxLength: 4 })
      .map(members => `{${members.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join()}}`)
  const { json } = fc.letrec(tie => ({
    json: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('null', 'true', 'false', '0', '1', '-0', '1e999', '"p"', '"peer"', '""', '[]', '{}'),
      fc.json({ maxDepth: 1 }),
      fc.array(tie('json'), { maxLength: 3 }).map(items => `[${items.join()}]`),
      objectOf(name, tie('json')),
      objectOf(fc.constantFrom(...operators), tie('json')),
      objectOf(fc.oneof(name, fc.constantFrom(...operators), fc.string()), tie('json')),
    ),
  })) as { json: fc.Arbitrary<string> }
  const whole = fc.oneof(
    objectOf(name, json),
    fc
      .tuple(json, json, objectOf(name, json))
      .map(([role, tags, properties]) => `{"role":${role},"tags":${tags},"properties":${properties}}`),
    objectOf(name, json).map(properties => `{"properties":${properties}}`),
  )

  test('find somebody, or do not, or are refused as INVALID_MESSAGE', () => {
    const seen = { true: 0, false: 0, INVALID_MESSAGE: 0 }
    const outcome = (filters: string, metadata: string): keyof typeof seen => {
      let isFound: ReturnType<typeof matching>
      try {
        isFound = matching(read(filters))
      } catch (error) {
        if (error instanceof SignalingError && error.code === 'INVALID_MESSAGE') return 'INVALID_MESSAGE'
        throw error
      }
      const peer = { role: 'peer', metadata: read(metadata) }
      const found = isFound(peer)
      expect(found).toBeBoolean()
      expect(isFound(peer)).toBe(found)
      return `${found}`
    }
    fc.assert(
      fc.property(whole, whole, (filters, metadata) => {
        seen[outcome(filters, metadata)]++
      }),
      { numRuns: 5000 },
    )
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(50)
  })

  test('change neither what they read nor whom they look at', () => {
    fc.assert(
      fc.property(whole, whole, (filters, metadata) => {
        const [given, peer] = [read(filters), { role: 'peer', metadata: read(metadata) }]
        try {
          matching(given)(peer)
        } catch {}
        expect(JSON.stringify([given, peer.metadata])).toBe(JSON.stringify([read(filters), read(metadata)]))
      }),
      { numRuns: 500 },
    )
  })

  test('agree with each other', () => {
    const comparable = fc.oneof(
      fc.tuple(fc.double({ noNaN: true }), fc.double({ noNaN: true })),
      fc.tuple(fc.string(), fc.string()),
    )
    const found = (condition: object, value: unknown) =>
      matching({ properties: { p: condition } })({ role: 'peer', metadata: { properties: { p: value } } })
    fc.assert(
      fc.property(comparable, ([value, operand]) => {
        expect(found({ $lt: operand }, value)).toBe(!found({ $gte: operand }, value))
        expect(found({ $gt: operand }, value)).toBe(!found({ $lte: operand }, value))
        expect(found({ $ne: operand }, value)).toBe(!found({ $eq: operand }, value))
        expect(found({ $gte: operand, $lte: operand }, value)).toBe(found({ $eq: operand }, value))
      }),
    )
    fc.assert(
      fc.property(json, json, (a, b) => {
        const [value, operand] = [JSON.parse(a), JSON.parse(b)]
        expect(found({ $eq: value }, JSON.parse(a))).toBe(true)
        expect(found({ $ne: value }, JSON.parse(a))).toBe(false)
        expect(found({ $in: [operand] }, value)).toBe(found({ $eq: operand }, value))
        expect(found({ $eq: operand }, value)).toBe(found({ $eq: value }, operand))
      }),
    )
  })
})
