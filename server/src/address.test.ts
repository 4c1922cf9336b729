import { expect, test } from 'bun:test'
import { clientOf, rateLimitKey, trustedProxies } from './address.ts'

const proxies = trustedProxies(['10.0.0.0/8', '::1', '2001:db8:1::/48', '192.0.2.1'])

test.each([
  ['198.51.100.7', null, '198.51.100.7'],
  ['198.51.100.7', '203.0.113.9', '198.51.100.7'],
  ['10.1.2.3', null, '10.1.2.3'],
  ['10.1.2.3', '203.0.113.9', '203.0.113.9'],
  ['10.1.2.3', '1.1.1.1, 203.0.113.9', '203.0.113.9'],
  ['10.1.2.3', '1.1.1.1, 203.0.113.9, 10.9.9.9', '203.0.113.9'],
  ['::ffff:10.1.2.3', '203.0.113.9', '203.0.113.9'],
  ['::1', '2001:db8:2::7, 2001:db8:1::9', '2001:db8:2::7'],
  ['192.0.2.1', '::ffff:203.0.113.9', '203.0.113.9'],
  ['192.0.2.2', '203.0.113.9', '192.0.2.2'],
  ['10.1.2.3', 'unknown', '10.1.2.3'],
  ['10.1.2.3', '', '10.1.2.3'],
  ['10.1.2.3', '203.0.113.9, , 10.0.0.1', '10.0.0.1'],
])('a socket from %s with X-Forwarded-For %p is from %s', (socket, forwarded, client) => {
  expect(clientOf(socket, forwarded, proxies).address).toBe(client)
})

test('a client is hidden behind a proxy that is not trusted', () => {
  expect(clientOf('192.0.2.2', '203.0.113.9', proxies).isHidden).toBe(true)
  expect(clientOf('192.0.2.1', '203.0.113.9', proxies).isHidden).toBe(false)
  expect(clientOf('192.0.2.2', null, proxies).isHidden).toBe(false)
})

test.each(['10.0.0.0/33', '10.0.0/8', 'localhost', '::1/129', '10.0.0.0/x', '/8'])(
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
])('%s is rate-limited as %s', (address, key) => {
  expect(rateLimitKey(address)).toBe(key)
})
