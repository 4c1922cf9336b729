import { expect, test } from 'bun:test'
import { serverAddress } from './address.ts'
import { ParleyError } from './errors.ts'

test.each([
  ['http://localhost:8001', 'http://localhost:8001', 'ws://localhost:8080'],
  ['http://127.0.0.1:8001/', 'http://127.0.0.1:8001', 'ws://127.0.0.1:8080'],
  ['http://[::1]:8001', 'http://[::1]:8001', 'ws://[::1]:8080'],
  ['https://parley.example:8001', 'https://parley.example:8001', 'wss://parley.example:8080'],
  ['https://parley.example', 'https://parley.example', 'wss://parley.example/ws'],
  [
    'https://parley.example:8443/signaling/',
    'https://parley.example:8443/signaling',
    'wss://parley.example:8443/signaling/ws',
  ],
  ['http://parley.example:9000/?a=1#b', 'http://parley.example:9000', 'ws://parley.example:9000/ws'],
])('finds the WebSocket of %s', (url, httpUrl, wsUrl) => {
  expect(serverAddress(url)).toEqual({ httpUrl, wsUrl })
  expect(serverAddress(new URL(url))).toEqual({ httpUrl, wsUrl })
})

test('takes a WebSocket that is elsewhere, or on the same port', () => {
  expect(serverAddress('http://a.example:8001', 'ws://a.example:8001/ws').wsUrl).toBe('ws://a.example:8001/ws')
  expect(serverAddress('https://a.example', 'wss://b.example:1/ws/').wsUrl).toBe('wss://b.example:1/ws')
})

test.each([
  ['localhost:8001', undefined],
  ['', undefined],
  ['ftp://a.example', undefined],
  ['ws://a.example', undefined],
  ['http://a.example', 'http://a.example'],
])('refuses %p with %p', (url, wsUrl) => {
  expect(() => serverAddress(url, wsUrl)).toThrow(ParleyError)
})
