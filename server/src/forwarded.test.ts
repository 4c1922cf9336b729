import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { hopsOfForwarded, hopsOfList } from './forwarded.ts'

const no = undefined

describe('X-Forwarded-For', () => {
  test.each([
    ['203.0.113.9', ['203.0.113.9']],
    ['203.0.113.9:5678', ['203.0.113.9']],
    ['[2001:db8::1]:443', ['2001:db8::1']],
    ['[2001:DB8:0::1]', ['2001:db8::1']],
    ['2001:DB8::1', ['2001:db8::1']],
    ['"[2001:db8::1]:443"', ['2001:db8::1']],
    ['::ffff:203.0.113.9', ['203.0.113.9']],
    ['[::ffff:cb00:7109]:80', ['203.0.113.9']],
    ['fe80::1%eth0', ['fe80::1%eth0']],
    ['[::1]', ['::1']],
    ['1.1.1.1 ,\t2.2.2.2', ['1.1.1.1', '2.2.2.2']],
    ['unknown, 2.2.2.2', [no, '2.2.2.2']],
    ['1.1.1.1, , 2.2.2.2', ['1.1.1.1', no, '2.2.2.2']],
    [', 2.2.2.2', ['2.2.2.2']],
    ['', [no]],
    ['_hidden', [no]],
    ['-', [no]],
    ['unix:', [no]],
    ['1.2.3.4:', [no]],
    ['1.2.3.4:http', [no]],
    ['[2001:db8::1', [no]],
    ['for=1.2.3.4', [no]],
  ])('%p names the hops %p', (header, hops) => {
    expect([...hopsOfList(header)]).toEqual(hops)
  })

  test('is read from its end, however much a client has put before it', () => {
    expect(hopsOfList(`${'1.1.1.1, '.repeat(5000)}203.0.113.9`).at(-1)).toBe('203.0.113.9')
  })
})

describe('Forwarded', () => {
  test.each([
    ['for=203.0.113.9', ['203.0.113.9']],
    ['for="203.0.113.9:4711"', ['203.0.113.9']],
    ['For="[2001:db8:cafe::17]:4711"', ['2001:db8:cafe::17']],
    ['FOR="[2001:DB8::17]"', ['2001:db8::17']],
    ['for=203.0.113.9;proto=http;by=203.0.113.43', ['203.0.113.9']],
    ['proto=http ; for=203.0.113.9', ['203.0.113.9']],
    ['for=192.0.2.43, for=198.51.100.17', ['192.0.2.43', '198.51.100.17']],
    ['for=192.0.2.43,for="_gazonk"', ['192.0.2.43', no]],
    ['for=unknown', [no]],
    ['for=_hidden, for=_SEVKISEK', [no, no]],
    ['for="192.0.2.43:_port"', ['192.0.2.43']],
    ['for="1\\92.0.2.43"', ['192.0.2.43']],
    ['for=192.0.2.43;ext="a, for=1.1.1.1;"', ['192.0.2.43']],
    ['for=192.0.2.43;;proto=http;', ['192.0.2.43']],
    ['for=192.0.2.43, proto=https', ['192.0.2.43', no]],
    // Not allowed, but written.
    ['for=203.0.113.9:4711', ['203.0.113.9']],
    ['for=[2001:db8::17]:80', ['2001:db8::17']],
    ['proto=https;host=example.com', []],
    ['', []],
  ])('%p names the hops %p', (header, hops) => {
    expect([...(hopsOfForwarded(header) ?? ['malformed'])]).toEqual(hops)
  })

  // The last are what a client may send, to swallow what its proxy adds.
  test.each([
    'for',
    'for 1.1.1.1',
    'for=1.1.1.1 for=2.2.2.2',
    'for=1.1.1.1;for=2.2.2.2',
    'for="1.1.1.1',
    'for="1.1.1.1"2.2.2.2',
    '=1.1.1.1',
    `for=1.1.1.1${', for=1.1.1.1'.repeat(1000)}`,
    'for=1.1.1.1;ext=", for=2.2.2.2',
    'for=1.1.1.1;ext=", for="[2001:db8::1]:4711"',
    'for=1.1.1.1;ext="\\, for="[2001:db8::1]"',
  ])('%p is malformed', header => {
    expect(hopsOfForwarded(header)).toBeUndefined()
  })
})

const pieces = fc.constantFrom(
  ...[
    'for=',
    'For="',
    '"',
    ',',
    ';',
    ' ',
    '\\',
    '=',
    '[',
    ']',
    ':',
    '%',
    '1.2.3.4',
    '2001:db8::1',
    'unknown',
    '_h',
    '\u0000',
    'é',
  ],
)
const header = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(pieces, { maxLength: 60 }).map(parts => parts.join('')),
)

test('whatever they hold, both are read without a throw, and only addresses come of it', () => {
  fc.assert(
    fc.property(header, text => {
      for (const hop of [...hopsOfList(text), ...(hopsOfForwarded(text) ?? [])]) {
        expect(hop ?? '').toMatch(/^([\d.]+|[\da-f:]+(%[\w.-]+)?)?$/)
      }
    }),
    { numRuns: 2000 },
  )
})

test('what a proxy adds is the last hop, or the header is malformed, whatever the client wrote before it', () => {
  fc.assert(
    fc.property(header, text => {
      expect(hopsOfList(`${text}, 203.0.113.9`).at(-1)).toBe('203.0.113.9')
      for (const added of ['for=203.0.113.9', 'for="203.0.113.9:80";proto=https']) {
        const hops = hopsOfForwarded(`${text}, ${added}`)
        if (hops) expect(hops.at(-1)).toBe('203.0.113.9')
      }
    }),
    { numRuns: 2000 },
  )
})
