import type { Random } from './random.ts'

// A grammar of JSON texts: what is made here is JSON, until `damage` has had it.

const numbers = ['0', '-0', '7', '1.0', '-1E-7', '1e400', '12345678901234567890', '0.1', '9007199254740993', '1E+2']
const literals = ['true', 'false', 'null', '[]', '{}', '""', '[ ]', '{ }']
const pieces = [
  ...[
    'a',
    'target',
    'sdp',
    ' ',
    'é',
    '🙂',
    '\u2028',
    '\u007f',
    '{',
    '[',
    ']',
    '}',
    ',',
    ':',
    '{"sdp":"'.replaceAll('"', '\\"'),
  ],
  ...[
    '\\"',
    '\\\\',
    '\\/',
    '\\b',
    '\\n',
    '\\r\\n',
    '\\t',
    '\\u0041',
    '\\u00e9',
    '\\ud83d\\ude42',
    '\\ud800',
    '\\u0000',
    '\\\\\\"',
  ],
]
const keys = [
  'a',
  'b',
  'type',
  'target',
  'sender',
  'sdp',
  'payload',
  'tags',
  'properties',
  '__proto__',
  'constructor',
  '',
]
const spaces = [' ', '\n', '\t', '\r\n', '  ']

export const space = (random: Random): string => (random.oneIn(10) ? random.pick(spaces) : '')

export const literal = (value: unknown): string => JSON.stringify(value)

export function string(random: Random): string {
  let text = '"'
  for (let n = random.below(6); n > 0; n--) text += random.pick(pieces)
  return `${text}"`
}

/** Any value, with at most `depth` levels in it. */
export function value(random: Random, depth = 3): string {
  const kind = random.below(depth > 0 ? 8 : 5)
  if (kind < 2) return string(random)
  if (kind === 2) return random.pick(numbers)
  if (kind < 5) return random.pick(literals)
  const items: string[] = []
  for (let n = random.below(4); n > 0; n--) {
    items.push(kind === 5 ? value(random, depth - 1) : `${key(random, random.pick(keys))}:${value(random, depth - 1)}`)
  }
  return kind === 5 ? `[${items.join(',')}]` : `{${items.join(`${space(random)},`)}}`
}

/** Arrays or objects within each other, around the limit of 128 and far beyond. */
export function nested(random: Random): string {
  const levels = random.pick([100, 125, 126, 127, 128, 129, 130, 300, random.oneIn(100) ? 50_000 : 131])
  const open = random.pick(['[', '{"a":', '[0,', '[{"b":'])
  const closings = [...open].filter(c => c === '[' || c === '{').map(c => (c === '[' ? ']' : '}'))
  const times = Math.ceil(levels / closings.length)
  return `${open.repeat(times)}0${closings.reverse().join('').repeat(times)}`
}

/** An object of `bytes` bytes of JSON. */
export const sized = (bytes: number, filler = 'x'): string =>
  `{"k":"${filler.repeat(Math.max(0, Math.floor((bytes - 8) / Buffer.byteLength(filler))))}"}`

/** Names as text: to make it each time takes as long as all the rest. */
const quoted = new Map(keys.map(name => [name, literal(name)]))

/** The name of a member, now and then written with an escape. */
export const key = (random: Random, name: string): string =>
  random.oneIn(16) && name !== ''
    ? `"\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${literal(name.slice(1)).slice(1)}`
    : (quoted.get(name) ?? literal(name))

/** Members as an object, in this order and with what space there may be. */
export function object(random: Random, members: readonly (readonly [name: string, text: string])[]): string {
  const texts = members.map(
    ([name, text]) => `${space(random)}${key(random, name)}${space(random)}:${space(random)}${text}${space(random)}`,
  )
  return `${space(random)}{${texts.join(',')}}${space(random)}`
}

const scraps = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '0',
  '.',
  '-',
  'e',
  '\u0000',
  '\u001f',
  '\ufeff',
  'é',
  '\\u',
  '"sdp":"',
]

/** Text that was JSON, or still is. */
export function damage(random: Random, text: string): string {
  const at = random.below(text.length + 1)
  switch (random.below(6)) {
    case 0:
      return text.slice(0, at)
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + random.below(4))
    case 2:
      return text.slice(0, at) + random.pick(scraps) + text.slice(at)
    case 3:
      return text.slice(0, at) + random.pick(scraps) + text.slice(at + 1)
    case 4:
      return text + random.pick([...scraps, text])
    default: {
      const from = random.below(text.length + 1)
      return text.slice(0, at) + text.slice(from, from + random.below(20)) + text.slice(at)
    }
  }
}

/** What is not UTF-8: too long, a surrogate, cut off, beyond the last code point. */
export const noUtf8 = ['ff', 'c080', 'eda080', 'f09f99', 'f4908080', '80', 'e282'].map(hex => Buffer.from(hex, 'hex'))
