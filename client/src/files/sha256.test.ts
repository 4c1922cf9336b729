import { expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { sha256 } from './sha256.ts'

function hashOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = sha256()
  for (const part of parts) hash.update(typeof part === 'string' ? new TextEncoder().encode(part) : part)
  return hash.hex()
}

// NIST's examples for FIPS 180.
test.each([
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
])('hashes as the standard says: %#', (text, hex) => {
  expect(hashOf(text)).toBe(hex)
})

test('hashes whatever pieces it gets as node:crypto does', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), parts => {
      const expected = createHash('sha256')
      for (const part of parts) expected.update(part)
      expect(hashOf(...parts)).toBe(expected.digest('hex'))
    }),
    { numRuns: 500 },
  )
})

test('hashes each length around the borders of a block', () => {
  for (let length = 0; length <= 200; length++) {
    const bytes = new Uint8Array(length).fill(length)
    expect(hashOf(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'))
  }
})

test('leaves the bytes alone, and does not look at them later', () => {
  const bytes = new Uint8Array([97, 98, 99])
  const hash = sha256()
  hash.update(bytes)
  bytes.fill(0)
  expect(hash.hex()).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})
