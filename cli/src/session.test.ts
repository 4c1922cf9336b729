import { describe, expect, test } from 'bun:test'
import { ParleyError, serverAddress } from '@parley/client'
import fc from 'fast-check'
import { formatSession, looksLikeSession, parseSession, quoted, type Session } from './session.ts'

const session: Session = {
  httpUrl: 'http://host:8001',
  wsUrl: 'ws://host:8080',
  roomId: '8ngcjnrtf6mjg',
  token: 'kCytgztJ-Q-xOA4K1GTupd8hT3DwZBys',
  peerId: 'worker-1',
}

const faultOf = (text: string): string => {
  try {
    parseSession(text)
  } catch (error) {
    expect(error).toBeInstanceOf(ParleyError)
    expect((error as ParleyError).code).toBe('INVALID_ARGUMENT')
    return (error as ParleyError).message
  }
  throw new Error('It is a session.')
}

const part = fc.string({ unit: 'grapheme', minLength: 1 })
const url = (protocol: string) =>
  fc
    .record({ host: fc.oneof(fc.domain(), fc.ipV4()), port: fc.integer({ min: 1, max: 65_535 }), path: fc.webPath() })
    .map(({ host, port, path }) => `${protocol}://${host}:${port}${path}`)

/** Characters that a shell gives a meaning to, wherever they stand in a word. */
const shell = /[\s'"`$&|;<>()*?[\]{}!\\~^]/

describe('a session', () => {
  test('is one line, and leaves out what can be derived', () => {
    expect(formatSession(session)).toBe('http://host:8001#8ngcjnrtf6mjg/kCytgztJ-Q-xOA4K1GTupd8hT3DwZBys/worker-1')
  })

  test('tells where the WebSocket is, if that cannot be derived', () => {
    const text = formatSession({ ...session, wsUrl: 'wss://sockets.example.com/parley', peerId: 'my worker' })
    expect(text).toEndWith('/my%20worker/wss%3A%2F%2Fsockets.example.com%2Fparley')
    expect(parseSession(text)).toEqual({ ...session, wsUrl: 'wss://sockets.example.com/parley', peerId: 'my worker' })
  })

  test('comes back as it was, and has nothing in it for a shell', () => {
    const anySession = fc
      .record({ http: url('https'), ws: fc.option(url('wss')), roomId: part, token: part, peerId: part })
      .map(({ http, ws, ...rest }) => ({ ...serverAddress(http, ws ?? undefined), ...rest }))
    fc.assert(
      fc.property(anySession, given => {
        const text = formatSession(given)
        expect(text).not.toMatch(shell)
        const { httpUrl, ...rest } = parseSession(text)
        expect(decodeURIComponent(httpUrl)).toBe(decodeURIComponent(given.httpUrl))
        // What was derived from an address that is written in another way is, too.
        expect({ ...rest, wsUrl: decodeURIComponent(rest.wsUrl) }).toEqual({
          ...{ roomId: given.roomId, token: given.token, peerId: given.peerId },
          wsUrl: decodeURIComponent(given.wsUrl),
        })
        expect(formatSession(parseSession(text))).toBe(text)
      }),
    )
  })

  test('of an IPv6 address comes back, too', () => {
    const given = { ...session, ...serverAddress('http://[::1]:8001') }
    expect(parseSession(formatSession(given))).toEqual(given)
  })

  test('may be copied with the quotes and the spaces around it', () => {
    expect(parseSession(`  '${formatSession(session)}'\n`)).toEqual(session)
    expect(parseSession(`"${formatSession(session)}"`)).toEqual(session)
  })

  test('is never read without a complaint when it is none', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        try {
          parseSession(text)
        } catch (error) {
          expect(error).toBeInstanceOf(ParleyError)
        }
      }),
    )
  })

  test.each([
    ['', 'it is empty'],
    ['http://host:8001', 'there is no # in it'],
    ['http://host:8001#a', 'it has been cut off'],
    ['http://host:8001#a/b', 'it has been cut off'],
    ['http://host:8001#a/b/', 'a part of it is empty'],
    ['http://host:8001#a/b/c/d/e', 'there is too much in it'],
    ['http://host:8001#a/b/c#d', 'there is more than one #'],
    ['http://host:8001#a/b/%', 'a % in it stands alone'],
    ['host:8001#a/b/c', 'the address "host:8001" must be an address that begins with http:// or https://'],
    ['http://host:8001#a/b/c/ftp%3A%2F%2Fx', 'must be an address that begins with ws:// or wss://'],
  ])('%p is refused with a reason', (text, reason) => {
    expect(faultOf(text)).toContain(reason)
  })

  test('is told from the name of a file', () => {
    expect(looksLikeSession(formatSession(session))).toBe(true)
    expect(looksLikeSession('http://host#half')).toBe(true)
    expect(looksLikeSession('notes #1.txt')).toBe(false)
    expect(looksLikeSession('http://host')).toBe(false)
  })

  test('is put between quotes for a shell', () => {
    expect(quoted('http://[::1]:8001#a')).toBe("'http://[::1]:8001#a'")
    expect(quoted("it's")).toBe(`'it'\\''s'`)
  })
})
