import { expect, test } from 'bun:test'
import type { NetworkInterfaceInfo } from 'node:os'
import { readConfig } from './config.ts'
import { welcome } from './welcome.ts'

const address = (address: string, internal = false) => {
  return { address, internal, family: address.includes(':') ? 'IPv6' : 'IPv4' } as NetworkInterfaceInfo
}
const interfaces = {
  lo: [address('127.0.0.1', true), address('::1', true)],
  eth0: [address('2001:db8::5'), address('fe80::1'), address('192.0.2.5')],
  usb0: [address('169.254.7.7')],
  docker0: [address('172.17.0.1')],
}

/** Its lines, without what leads and trails. */
const said = (host: string, port = 8001, wsPort = 8080, names?: string[]) => {
  const certificate = names && { cert: '', key: '', names, expiresAt: Date.UTC(2030, 0, 2) }
  return welcome(readConfig({ PARLEY_HOST: host }).config, port, wsPort, '/data', certificate, interfaces).split('\n')
}

test('on loopback, the first command is that of a worker as the CLI needs it', () => {
  const lines = said('127.0.0.1')
  expect(lines.filter(line => /For others|192\.0\.2\.5/.test(line))).toEqual([])
  expect(lines.find(line => /^ {2}(npx|export) /.test(line))).toBe('  npx parley worker')
  expect(said('127.0.0.1', 9000, 9000)).toContain('  npx parley worker --server http://127.0.0.1:9000')
  expect(said('127.0.0.1', 9000, 9001)).toContain('  npx parley worker --server http://127.0.0.1:9000')
  expect(said('127.0.0.1', 8001, 9001)).toContain('  npx parley worker --ws ws://127.0.0.1:9001')
})

test('where others reach it, it says under which addresses, and the worker is told one of them', () => {
  const lines = said('0.0.0.0')
  const first = lines.indexOf('  For others  http://192.0.2.5:8001')
  expect(lines.slice(first - 2, first + 3)).toEqual([
    '  HTTP API    http://127.0.0.1:8001',
    '  WebSocket   ws://127.0.0.1:8080',
    '  For others  http://192.0.2.5:8001',
    '              http://172.17.0.1:8001',
    '  To read     http://127.0.0.1:8001/docs',
  ])
  expect(lines).toContain('  npx parley worker --server http://192.0.2.5:8001')
})

test('on all addresses of IPv6, those are told behind those of IPv4', () => {
  const lines = said('::').join('\n')
  expect(lines).toContain(
    '  For others  http://192.0.2.5:8001\n              http://172.17.0.1:8001\n              http://[2001:db8::5]:8001\n  To read',
  )
})

test('on one address that others reach, that is the one for all', () => {
  const lines = said('192.0.2.5')
  expect(lines).toContain('  HTTP API    http://192.0.2.5:8001')
  expect(lines).toContain('  npx parley worker --server http://192.0.2.5:8001')
})

test('with TLS, it says the addresses that the certificate is for', () => {
  const named = said('0.0.0.0', 443, 8443, ['*.example.com', 'parley.example.com', '192.0.2.9'])
  expect(named.slice(3, 7)).toEqual([
    '  HTTP API    https://parley.example.com:443',
    '  WebSocket   wss://parley.example.com:8443',
    '  TLS         certificate for *.example.com, parley.example.com, 192.0.2.9, until 2030-01-02',
    '  To read     https://parley.example.com:443/docs',
  ])
  expect(named).toContain('  npx parley worker --server https://parley.example.com:443')
  const numbered = said('0.0.0.0', 8001, 9000, ['192.0.2.5'])
  expect(numbered).toContain('  For others  https://192.0.2.5:8001')
  expect(numbered).toContain('  npx parley worker --server https://192.0.2.5:8001 --ws wss://192.0.2.5:9000')
  expect(said('::', 8001, 8080, ['2001:db8::5'])).toContain('  For others  https://[2001:db8::5]:8001')
  expect(said('127.0.0.1', 8001, 8080, ['localhost'])).toContain('  npx parley worker --server https://localhost:8001')
})
