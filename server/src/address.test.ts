import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { rateLimitKey, readAddress, trustedProxies } from './address.ts'

test.each([
  ['198.51.100.7', '198.51.100.7'],
  ['2001:DB8:0:0::07', '2001:db8::7'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['::FFFF:203.0.113.9', '203.0.113.9'],
  ['0:0:0:0:0:ffff:cb00:7109', '203.0.113.9'],
  ['::ffff:0:1', '0.0.0.1'],
  ['fe80::0:1%eth0', 'fe80::1%eth0'],
])('the address %s is compared as %s', (text, address) => {
  expect(readAddress(text)).toBe(address)
})

test.each([
  '',
  ' ',
  'unknown',
  '1.2.3',
  '1.2.3.256',
  '01.2.3.4',
  '1.2.3.4 ',
  '1.2.3.4%eth0',
  '1:2',
  'g::1',
  '[::1]',
  '::1%',
  '::1%a b',
])('%p is no address', text => {
  expect(readAddress(text)).toBeUndefined()
})

test('each spelling of an address is read as the same, and what was read stays as it is', () => {
  const groups = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(groups, numbers => {
      const digits = numbers.map(number => number.toString(16))
      const read = readAddress(digits.join(':')) ?? 'none'
      expect(readAddress(digits.map(group => group.padStart(4, '0').toUpperCase()).join(':'))).toBe(read)
      expect(readAddress(read)).toBe(read)
    }),
  )
})

test('whatever a text is, it is read without a throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV6(), fc.ipV4(), fc.string({ unit: fc.constantFrom(...'0:.f%') })), text => {
      const read = readAddress(text)
      if (read !== undefined) expect(readAddress(read)).toBe(read)
      trustedProxies(['::/0']).trusts(text)
      rateLimitKey(text)
    }),
  )
})

test('knows the proxies that it trusts, in whatever spelling their sockets have', () => {
  const proxies = trustedProxies(['10.0.0.0/8', '::1', '2001:db8:1::/48', '192.0.2.1'])
  const isTrusted = (text: string) => proxies.trusts(readAddress(text) ?? '')
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '::1', '2001:DB8:1:0::9', '2001:db8:1::1%eth0', '192.0.2.1'])
    expect([address, isTrusted(address)]).toEqual([address, true])
  for (const address of ['11.1.2.3', '::2', '2001:db8:2::9', '192.0.2.2', '', 'unknown'])
    expect([address, isTrusted(address)]).toEqual([address, false])
})

test.each(['10.0.0.0/33', '10.0.0/8', 'localhost', '::1/129', '10.0.0.0/x', '10.0.0.0/', '10.0.0.0/8/8', '/8', ''])(
  'refuses the proxy %p by name',
  entry => {
    expect(() => trustedProxies([entry])).toThrow(`"${entry}"`)
  },
)

test.each([
  ['198.51.100.7', '198.51.100.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::6', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
])('%s is rate-limited as %s', (address, key) => {
  expect(rateLimitKey(address)).toBe(key)
})
