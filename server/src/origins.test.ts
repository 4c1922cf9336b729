import { describe, expect, test } from 'bun:test'
import { allowedOrigins, isForAnotherSite, isLocalHost, isOwnPage, isSameOrigin } from './origins.ts'

const allowed = (list: string, ...origins: string[]) =>
  origins.filter(origin => allowedOrigins(list.split(',')).allows(origin))

describe('an origin', () => {
  test('is compared by scheme, host and port, where the usual port may be named or not', () => {
    const same = ['https://app.example.com', 'https://app.example.com:443', 'HTTPS://App.Example.COM']
    const others = [
      'http://app.example.com',
      'https://app.example.com:8443',
      'https://app.example.com.evil.example',
      'https://evil.example/https://app.example.com',
      'https://evil.example#https://app.example.com',
      'https://app.example.com@evil.example',
      'https://app.example.com ',
      'app.example.com',
      'null',
      '',
      '*',
    ]
    for (const entry of same) expect(allowed(entry, ...same, ...others)).toEqual(same)
    expect(allowed('http://localhost:80', 'http://localhost')).toEqual(['http://localhost'])
    expect(allowed('http://[::1]:3000', 'http://[::1]:3000')).toEqual(['http://[::1]:3000'])
  })

  test('may be named in letters of its language, though browsers send it in ASCII', () => {
    expect(allowed('https://bücher.example', 'https://xn--bcher-kva.example')).toHaveLength(1)
  })

  test('of an app is what its platform sends', () => {
    const apps = [
      'capacitor://localhost',
      'ionic://localhost',
      'tauri://localhost',
      'app://.',
      'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
      'moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc',
      'file://',
    ]
    for (const app of apps) expect(allowed(app, ...apps, 'null', 'https://localhost')).toEqual([app])
  })

  test('of a subdomain at any depth is allowed by *. and neither the domain itself nor one that ends alike', () => {
    const below = ['https://a.example.com', 'https://a.b.example.com', 'https://A.Example.com:443']
    const others = [
      'https://example.com',
      'https://evilexample.com',
      'https://.example.com',
      'http://a.example.com',
      'https://a.example.com:8443',
      'https://a.example.com.evil.example',
      'https://evil.example/.example.com',
      'null',
    ]
    expect(allowed('https://*.example.com', ...below, ...others)).toEqual(below)
    const onPort = ['https://a.example.com:8443', 'https://a.example.com']
    expect(allowed('https://*.example.com:8443', ...onPort)).toEqual(['https://a.example.com:8443'])
  })

  test('that is null is allowed if it is named, or with all', () => {
    expect(allowed('https://app.example.com', 'null')).toEqual([])
    expect(allowed('https://app.example.com,null', 'null')).toEqual(['null'])
    expect(allowed('*', 'null', 'https://evil.example', 'app://.')).toHaveLength(3)
  })

  test.each([
    ['app.example.com', 'has no scheme; write it as https://app.example.com'],
    ['localhost:3000', 'has no scheme; write it as https://app.example.com'],
    ['https://app.example.com/', 'has more than scheme, host and port'],
    ['https://app.example.com/path', 'has more than scheme, host and port'],
    ['https://me@example.com', 'has more than scheme, host and port'],
    ['wss://app.example.com', "is the address of a WebSocket; a page's origin begins with https:// or http://"],
    ['https://app.*.com', 'may have a * only as the first part of its host, as https://*.example.com'],
    ['https://*', 'may have a * only as the first part of its host, as https://*.example.com'],
    ['http://localhost:*', 'may have a * only as the first part of its host, as https://*.example.com'],
    ['https://*.*.com', 'may have a * only as the first part of its host, as https://*.example.com'],
    ['https://', 'names no host that there can be'],
    ['https://a.example:99999', 'names no host that there can be'],
    ['https://*.192.0.2.1', 'is an IP address, which has no subdomains'],
  ])('%s cannot be one', (entry, reason) => {
    expect(() => allowedOrigins([entry])).toThrow(`${JSON.stringify(entry)} ${reason}`)
  })
})

test('a page asks the server that it came from, with or without a proxy before it', () => {
  const asks = (origin: string, headers: Record<string, string>) => isSameOrigin(origin, new Headers(headers))
  expect(asks('http://localhost:8001', { Host: 'localhost:8001' })).toBe(true)
  expect(asks('https://parley.example.com', { Host: 'parley.example.com' })).toBe(true)
  expect(asks('https://parley.example.com', { Host: '10.0.0.7:8001', 'Sec-Fetch-Site': 'same-origin' })).toBe(true)
  expect(asks('https://parley.example.com', { Host: '10.0.0.7:8001' })).toBe(false)
  expect(asks('https://evil.example', { Host: 'parley.example.com', 'Sec-Fetch-Site': 'cross-site' })).toBe(false)
  expect(asks('http://localhost:3000', { Host: 'localhost:8001' })).toBe(false)
  expect(asks('null', { Host: 'null' })).toBe(false)
})

test('a page is the own one of an address unless a DNS server could have led it there', () => {
  const isOwn = (origin: string) => isOwnPage(origin, new Headers({ Host: origin.replace(/^.*\/\//, '') }))
  for (const own of [
    'http://localhost:8080',
    'http://10.0.0.7:8080',
    'http://[::1]:8080',
    'https://parley.example.com',
  ]) {
    expect([own, isOwn(own)]).toEqual([own, true])
  }
  expect(isOwn('http://evil.example:8080')).toBe(false)
  expect(isOwnPage('https://evil.example', new Headers({ Host: 'parley.example.com' }))).toBe(false)
})

test("what is no origin is nobody's own page, and no fault of the server", () => {
  const sameSite = { Host: 'parley.example.com', 'Sec-Fetch-Site': 'same-origin' }
  for (const origin of ['null', 'garbage', '', 'http://']) {
    expect([origin, isOwnPage(origin, new Headers(sameSite))]).toEqual([origin, false])
  }
})

describe('a request', () => {
  const listed = allowedOrigins(['https://app.example.com', 'https://*.example.org', 'null'])
  const isForeign = (headers: Record<string, string>, origins = listed) =>
    isForAnotherSite(new Headers({ Host: '192.0.2.7:8001', ...headers }), origins)

  test.each([
    {},
    { 'Sec-Fetch-Site': 'none' },
    { 'Sec-Fetch-Site': 'same-origin', Origin: 'https://parley.example.com' },
    { Origin: 'http://192.0.2.7:8001' },
    { Origin: 'https://app.example.com' },
    { Origin: 'https://a.example.org' },
  ])('may be for its sender itself, with %p', headers => {
    expect(isForeign(headers)).toBe(false)
  })

  test.each([
    { Origin: 'https://evil.example' },
    { Origin: 'http://192.0.2.7:8002' },
    { Origin: 'null' },
    { Origin: 'null', 'Sec-Fetch-Site': 'same-origin' },
    { Origin: '' },
    { Origin: 'https://app.example.com, https://evil.example' },
    { Origin: 'http://evil.example:8001', Host: 'evil.example:8001' },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { 'Sec-Fetch-Site': 'whatever' },
    { Origin: 'https://app.example.com', 'Sec-Fetch-Site': 'cross-site' },
  ])('may be for the page of somebody else, with %p', headers => {
    expect(isForeign(headers)).toBe(true)
  })

  test('may be for anybody, where all origins are allowed', () => {
    expect(isForeign({ Origin: 'https://evil.example' }, allowedOrigins(['*']))).toBe(true)
    expect(isForeign({ Origin: 'http://192.0.2.7:8001' }, allowedOrigins(['*']))).toBe(false)
  })
})

test('a host is this machine by a name that no DNS server gives out, or by an IP address', () => {
  for (const host of [
    'localhost',
    'LOCALHOST:8001',
    'localhost.:1',
    'parley.localhost',
    '127.0.0.1:8001',
    '[::1]:8001',
    '[::1]',
    '192.168.1.7',
  ])
    expect([host, isLocalHost(host)]).toEqual([host, true])
  for (const host of [
    ...['evil.example', 'evil.example:8001', 'localhost.evil.example', '127.0.0.1.evil.example', 'notlocalhost', ''],
    ...['127.0.0.1:80@evil.example', '127.0.0.1, evil.example', 'evil.example#localhost', '1.2.3', '[evil.example]'],
  ]) {
    expect([host, isLocalHost(host)]).toEqual([host, false])
  }
})
