import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  attributes,
  decode,
  encode,
  lifetime,
  longTermKey,
  MalformedStun,
  printEndpoint,
  relayForUdp,
  text,
} from './stun.ts'

const hex = (...parts: string[]) => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex')

/** RFC 5769, sections 2.1 to 2.4. */
const vectors = {
  request: hex(
    '00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74 00240004 6e0001ff',
    '80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249',
    'c1b571a2 80280004 e57a3bcf',
  ),
  ipv4Response: hex(
    '0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200008 0001a147 e112a643',
    '00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96',
  ),
  ipv6Response: hex(
    '01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200014 0002a147 0113a9fa',
    'a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c',
  ),
  longTermRequest: hex(
    '00010060 2112a442 78ad3433 c6ad72c0 29da412e 00060012 e3839ee3 8388e383 aae38383 e382afe3 82b90000 0015001c',
    '662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341 0014000b 6578616d 706c652e 6f726700 00080014',
    'f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666',
  ),
}
const shortTermKey = Buffer.from('VOkJxbRl1RmTxUk/WvJxBt')

describe('the test vectors of RFC 5769', () => {
  test('a request with short-term credentials', () => {
    const message = decode(vectors.request)
    expect(message).toMatchObject({ method: 'binding', kind: 'request', username: 'evtj:h6vY' })
    expect(message.isSignedWith(shortTermKey)).toBe(true)
    expect(message.isSignedWith(Buffer.from('another'))).toBe(false)
  })

  test.each([
    ['an IPv4 response', vectors.ipv4Response, '192.0.2.1:32853'],
    ['an IPv6 response', vectors.ipv6Response, '[2001:db8:1234:5678:11:2233:4455:6677]:32853'],
  ])('%s', (_, bytes, endpoint) => {
    const message = decode(bytes)
    expect(message).toMatchObject({ method: 'binding', kind: 'success' })
    expect(message.mapped && printEndpoint(message.mapped)).toBe(endpoint)
    expect(message.isSignedWith(shortTermKey)).toBe(true)
    // Each byte before the signature counts.
    const forged = Buffer.from(bytes)
    forged.writeUInt8(bytes.readUInt8(30) ^ 1, 30)
    expect(decode(forged).isSignedWith(shortTermKey)).toBe(false)
  })

  test('a request with long-term credentials, read and written', () => {
    const [username, realm, nonce] = ['マトリックス', 'example.org', 'f//499k954d6OL34oL9FSTvy64sA']
    const key = longTermKey(username, realm, 'TheMatrIX')
    const message = decode(vectors.longTermRequest)
    expect(message).toMatchObject({ username, realm, nonce })
    expect(message.isSignedWith(key)).toBe(true)
    const written = {
      method: 'binding',
      kind: 'request',
      transactionId: message.transactionId,
      attributes: [text(attributes.username, username), text(attributes.nonce, nonce), text(attributes.realm, realm)],
    } as const
    expect(encode(written, key)).toEqual(vectors.longTermRequest)
  })
})

describe('what TURN adds', () => {
  const transactionId = Buffer.alloc(12, 7)

  test('asks for a relay as RFC 8656 has it', () => {
    const request = { method: 'allocate', kind: 'request', transactionId, attributes: [relayForUdp] } as const
    expect(encode(request)).toEqual(hex('00030008 2112a442', '07'.repeat(12), '00190004 11000000'))
  })

  test('gives it back with a lifetime of zero', () => {
    const request = { method: 'refresh', kind: 'request', transactionId, attributes: [lifetime(0)] } as const
    expect(encode(request)).toEqual(hex('00040008 2112a442', '07'.repeat(12), '000d0004 00000000'))
    expect(decode(encode(request))).toMatchObject({ method: 'refresh', lifetime: 0 })
  })

  test('reads a refusal', () => {
    const reason = Buffer.from('Unauthorized').toString('hex')
    const refusal = hex('01130014 2112a442', '07'.repeat(12), '00090010 00000401', reason)
    expect(decode(refusal)).toMatchObject({
      method: 'allocate',
      kind: 'error',
      error: { code: 401, reason: 'Unauthorized' },
    })
  })

  test('reads the address of a relay', () => {
    const success = hex('0103000c 2112a442', '07'.repeat(12), '00160008 0001a147 e112a643')
    expect(decode(success).relayed).toEqual({ ip: '192.0.2.1', port: 32853 })
  })
})

describe('what is not STUN', () => {
  test.each([
    ['nothing', ''],
    ['a header without a cookie', '00010000 00000000 b7e7a701 bc34d686 fa87dfae'],
    ['a length that is not that of the message', '00010004 2112a442 b7e7a701 bc34d686 fa87dfae'],
    ['an attribute beyond the end', '00010004 2112a442 b7e7a701 bc34d686 fa87dfae 00060001'],
    ['half an attribute', '00010002 2112a442 b7e7a701 bc34d686 fa87dfae 0006'],
    ['a method that nobody has asked for', '01080000 2112a442 b7e7a701 bc34d686 fa87dfae'],
    ['an address of another family', '0101000c 2112a442 b7e7a701 bc34d686 fa87dfae 00200008 0002a147 e112a643'],
    ['an error without a code', '01110008 2112a442 b7e7a701 bc34d686 fa87dfae 00090003 00000400'],
    ['a lifetime of three bytes', '01030008 2112a442 b7e7a701 bc34d686 fa87dfae 000d0003 00000100'],
  ])('%s is refused', (_, bytes) => {
    expect(() => decode(hex(bytes))).toThrow(MalformedStun)
  })

  /** Random bytes seldom get beyond the header, so most of these begin with a good one. */
  const messages = fc.tuple(fc.nat(0xffff), fc.uint8Array({ maxLength: 200 })).map(([type, body]) => {
    const header = Buffer.alloc(20, 0xff)
    header.writeUInt16BE(type & 0x0113)
    header.writeUInt16BE(body.length, 2)
    header.writeUInt32BE(0x2112a442, 4)
    return Buffer.concat([header, body])
  })
  const attribute = fc
    .tuple(fc.constantFrom(...Object.values(attributes)), fc.uint8Array({ maxLength: 24 }))
    .map(([type, value]) => ({ type, value }))
  const withAttributes = fc
    .tuple(fc.constantFrom('success', 'error', 'request'), fc.array(attribute, { maxLength: 6 }))
    .map(([kind, list]) =>
      encode({ method: 'allocate', kind, transactionId: Buffer.alloc(12), attributes: list }, Buffer.from('key')),
    )
  const damaged = fc.tuple(withAttributes, fc.nat(200), fc.nat(255)).map(([bytes, at, value]) => {
    bytes[at % bytes.length] = value
    return bytes
  })

  test('is told by one kind of error, whatever arrives', () => {
    const anything = fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes))
    fc.assert(
      fc.property(fc.oneof(anything, messages, withAttributes, damaged), bytes => {
        try {
          decode(bytes).isSignedWith(shortTermKey)
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedStun)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('what was signed is recognised with its key and with no other', () => {
    const ids = fc.uint8Array({ minLength: 12, maxLength: 12 })
    const words = fc.string({ unit: 'binary', maxLength: 40 }).map(word => word.toWellFormed())
    fc.assert(
      fc.property(ids, words, words, words, (transactionId, username, realm, password) => {
        const message = {
          method: 'allocate',
          kind: 'request',
          transactionId,
          attributes: [relayForUdp, text(attributes.username, username), text(attributes.realm, realm)],
        } as const
        const key = longTermKey(username, realm, password)
        const received = decode(encode(message, key))
        expect(received).toMatchObject({ method: 'allocate', kind: 'request', username, realm })
        expect(received.transactionId).toEqual(Buffer.from(transactionId))
        expect(received.isSignedWith(key)).toBe(true)
        expect(received.isSignedWith(longTermKey(username, realm, `${password}x`))).toBe(false)
      }),
    )
  })
})
