import { describe, expect, test } from 'bun:test'
import { recordingLog } from '../test/harness.ts'
import { trustedProxies } from './address.ts'
import { clientOf, hiddenClients } from './client.ts'

const proxies = trustedProxies(['10.0.0.0/8', '::1', '2001:db8:1::/48', '192.0.2.1'])
const from = (socket: string, headers: Record<string, string> = {}) => clientOf(socket, new Headers(headers), proxies)
const list = (hops: string) => ({ 'X-Forwarded-For': hops })
const forwarded = (elements: string) => ({ Forwarded: elements })

test.each([
  ['198.51.100.7', {}, '198.51.100.7'],
  ['::ffff:198.51.100.7', {}, '198.51.100.7'],
  ['10.1.2.3', list('203.0.113.9'), '203.0.113.9'],
  ['10.1.2.3', list('203.0.113.9:5678, 10.9.9.9'), '203.0.113.9'],
  ['10.1.2.3', list('[2001:DB8:2::7]:443'), '2001:db8:2::7'],
  ['::ffff:10.1.2.3', list('203.0.113.9'), '203.0.113.9'],
  ['::1', list('2001:db8:2::7, 2001:db8:1::9'), '2001:db8:2::7'],
  ['192.0.2.1', list('::ffff:203.0.113.9'), '203.0.113.9'],
  ['10.1.2.3', forwarded('for="[2001:db8:2::7]:4711";proto=https'), '2001:db8:2::7'],
  ['10.1.2.3', forwarded('for=203.0.113.9, for=10.9.9.9'), '203.0.113.9'],
  ['10.1.2.3', { ...list('203.0.113.9'), ...forwarded('For="203.0.113.9:80"') }, '203.0.113.9'],
  ['10.1.2.3', { ...list('203.0.113.9'), ...forwarded('proto=https;host=parley.example.com') }, '203.0.113.9'],
  ['10.1.2.3', { ...list('203.0.113.9'), Via: '1.1 proxy', 'X-Real-IP': '203.0.113.9' }, '203.0.113.9'],
])('a socket from %s with %p is from %s', (socket, headers, address) => {
  const client = from(socket, headers)
  expect(client).toMatchObject({ address, hidden: undefined, nearest: address })
})

describe('the address of a client is not known', () => {
  test.each([
    {},
    list('unknown'),
    list(''),
    list('10.1.2.4'),
    list('10.1.2.4, 10.1.2.5'),
    list('203.0.113.9, , 10.0.0.1'),
    list('203.0.113.9, unknown'),
    forwarded('for=unknown'),
    forwarded('for=_hidden'),
    forwarded('proto=https'),
    forwarded('for=203.0.113.9, proto=https'),
    forwarded('for=10.1.2.4'),
  ])('where its proxy says no more than %p', headers => {
    expect(from('10.1.2.3', headers)).toMatchObject({ address: undefined, hidden: 'silent', nearest: '10.1.2.3' })
  })

  test.each([
    { ...list('203.0.113.9'), ...forwarded('for=203.0.113.10') },
    { ...list('203.0.113.9'), ...forwarded('for=unknown') },
    { ...list('unknown'), ...forwarded('for=203.0.113.9') },
    { ...list(''), ...forwarded('for=203.0.113.9') },
    { ...list('203.0.113.9'), ...forwarded('for="') },
    forwarded('for=203.0.113.9;ext=", for=203.0.113.10'),
  ])('where the client may have written a part of %p', headers => {
    expect(from('10.1.2.3', headers)).toMatchObject({ address: undefined, hidden: 'unclear' })
  })

  test.each([
    list('203.0.113.9'),
    list(''),
    forwarded('for=203.0.113.9'),
    { Via: '1.1 squid' },
    { 'X-Real-IP': '203.0.113.9' },
    { 'X-Forwarded-Host': 'parley.example.com' },
    { 'X-Forwarded-Proto': 'https' },
    { 'X-Forwarded-Port': '443' },
    { 'X-Client-IP': '203.0.113.9' },
    { 'X-Cluster-Client-Ip': '203.0.113.9' },
    { 'True-Client-IP': '203.0.113.9' },
    { 'CF-Connecting-IP': '203.0.113.9' },
    { 'Fly-Client-IP': '203.0.113.9' },
    { 'CDN-Loop': 'cdn.example' },
    { 'X-Envoy-External-Address': '203.0.113.9' },
  ])('behind a proxy that nobody has named, as %p shows', headers => {
    expect(from('192.0.2.2', headers)).toMatchObject({
      ...{ address: undefined, hidden: 'unnamed', nearest: '192.0.2.2', limitKey: '192.0.2.2', isDirect: true },
    })
  })

  test('behind a proxy that nobody has named before one that is trusted', () => {
    for (const headers of [list('198.51.100.7, 203.0.113.9'), forwarded('for=unknown, for=203.0.113.9')]) {
      expect(from('10.1.2.3', headers)).toMatchObject({
        ...{ address: undefined, hidden: 'unnamed', nearest: '203.0.113.9', limitKey: '203.0.113.9' },
      })
    }
  })

  test('of a socket without one', () => {
    expect(from('')).toMatchObject({ address: undefined, hidden: 'silent' })
  })
})

test('what programs send of themselves shows no proxy', () => {
  const headers = { 'User-Agent': 'python-requests/2.31', Accept: '*/*', Connection: 'keep-alive', 'X-Custom-Id': '1' }
  expect(from('198.51.100.7', headers).hidden).toBeUndefined()
})

test('limits count clients that nobody can tell apart together, and apart from all others', () => {
  const keys = [
    from('10.1.2.3'),
    from('10.1.2.3', list('unknown')),
    from('10.1.2.4'),
    from('10.1.2.3', { ...list('203.0.113.9'), ...forwarded('for=203.0.113.10') }),
    from('10.1.2.3', list('203.0.113.9')),
  ].map(({ limitKey }) => limitKey)
  expect(keys[0]).toBe(keys[1] ?? '')
  expect(new Set(keys).size).toBe(4)
  expect(trustedProxies(['10.0.0.0/8']).trusts(keys[0] ?? '')).toBe(false)
})

test('operators hear once of each kind of proxy that hides its clients, and what to do', () => {
  const log = recordingLog()
  const tell = hiddenClients(log)
  for (const _ of [1, 2]) {
    tell(from('198.51.100.7'))
    tell(from('10.1.2.3', list('203.0.113.9')))
    tell(from('192.0.2.2', { Via: '1.1 squid' }))
    tell(from('10.1.2.3'))
    tell(from('10.1.2.3', { ...list('203.0.113.9'), ...forwarded('for="') }))
  }
  expect(log.lines).toMatchObject([
    { level: 40, proxy: '192.0.2.2', msg: expect.stringContaining('PARLEY_TRUSTED_PROXIES') },
    { level: 40, proxy: '10.1.2.3', msg: expect.stringContaining('X-Forwarded-For') },
    { level: 40, proxy: '10.1.2.3', msg: expect.stringContaining('contradict') },
  ])
})
