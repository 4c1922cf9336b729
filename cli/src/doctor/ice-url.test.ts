import { expect, test } from 'bun:test'
import { parseIceUrl } from './ice-url.ts'

test.each([
  ['stun:stun.example.com', 'stun', 'stun.example.com', 3478, 'udp'],
  ['stun:192.0.2.1:19302', 'stun', '192.0.2.1', 19302, 'udp'],
  ['stuns:stun.example.com', 'stun', 'stun.example.com', 5349, 'tls'],
  ['turn:turn.example.com', 'turn', 'turn.example.com', 3478, 'udp'],
  ['turn:turn.example.com?transport=udp', 'turn', 'turn.example.com', 3478, 'udp'],
  ['turn:turn.example.com:80?transport=tcp', 'turn', 'turn.example.com', 80, 'tcp'],
  ['turns:turn.example.com', 'turn', 'turn.example.com', 5349, 'tls'],
  ['turns:turn.example.com:443?transport=tcp', 'turn', 'turn.example.com', 443, 'tls'],
  ['turns:turn.example.com?transport=udp', 'turn', 'turn.example.com', 5349, 'dtls'],
  ['turn:[2001:db8::1]:3479?transport=udp', 'turn', '2001:db8::1', 3479, 'udp'],
  ['stun:[::1]', 'stun', '::1', 3478, 'udp'],
  ['TURN:turn.example.com?transport=TCP', 'turn', 'turn.example.com', 3478, 'tcp'],
] as const)('reads %s', (url, kind, host, port, transport) => {
  expect(parseIceUrl(url)).toEqual({ kind, host, port, transport })
})

test.each([
  'http://example.com',
  'stun:',
  'stun:stun.example.com?transport=udp',
  'stun://stun.example.com',
  'turn:user@turn.example.com',
  'turn:turn.example.com:0',
  'turn:turn.example.com:65536',
  'turn:turn.example.com?transport=sctp',
  'turn:[nonsense]:3478',
  'turn:2001:db8::1',
  'turn:turn.example.com ',
])('does not read %s', url => {
  expect(parseIceUrl(url)).toBeUndefined()
})
