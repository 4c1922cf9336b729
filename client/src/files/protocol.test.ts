import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { ParleyError } from '../errors.ts'
import { type Frame, parseFrame } from './protocol.ts'

const id = '0123456789abcdef0123456789abcdef'
const sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

const good: readonly Frame[] = [
  { type: 'offer', id, name: 'a.txt', size: 0 },
  { type: 'offer', id, name: '', size: Number.MAX_SAFE_INTEGER, mime: 'text/plain', modified: 1_700_000_000_000 },
  { type: 'waiting' },
  { type: 'accept', offset: 0 },
  { type: 'progress', offset: 65_536 },
  { type: 'done', sha256 },
  { type: 'kept', name: 'a (1).txt' },
  { type: 'error', code: 'DECLINED', message: 'No, thank you.' },
]

describe('a frame', () => {
  test.each(good)('is taken: %j', frame => {
    expect(parseFrame(JSON.stringify(frame))).toEqual(frame)
  })

  test.each([
    '{',
    '',
    'END_OF_FILE',
    { type: 'offer', id, name: 'a.txt' },
    { type: 'offer', id, name: 'a.txt', size: -1 },
    { type: 'offer', id, name: 'a.txt', size: 1.5 },
    { type: 'offer', id, name: 'a.txt', size: 2 ** 53 },
    { type: 'offer', id, name: 'a.txt', size: '1' },
    { type: 'offer', id, name: null, size: 1 },
    { type: 'offer', id, name: 'a'.repeat(1025), size: 1 },
    { type: 'offer', id: 'a'.repeat(1025), name: 'a', size: 1 },
    { type: 'offer', id: 7, name: 'a', size: 1 },
    { type: 'offer', id, name: 'a', size: 1, mime: {} },
    { type: 'offer', id, name: 'a', size: 1, modified: 'yesterday' },
    { type: 'accept' },
    { type: 'accept', offset: null },
    { type: 'progress', offset: [0] },
    { type: 'done', sha256: 1 },
    { type: 'kept' },
    { type: 'error', code: 'DECLINED' },
  ])('is refused: %j', frame => {
    const text = typeof frame === 'string' ? frame : JSON.stringify(frame)
    expect(() => parseFrame(text)).toThrow('The other peer broke the file protocol')
  })

  test.each([{ type: 'thumbnail', data: '' }, { type: 'toString' }, { type: 7 }, {}, [[]], null, 5, 'text'])(
    'is ignored, as a newer version may have it: %j',
    frame => {
      expect(parseFrame(JSON.stringify(frame))).toBeUndefined()
    },
  )

  test('does no harm, whatever it is', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record({
          type: fc.constantFrom(...good.map(({ type }) => type)),
          offset: fc.anything(),
          name: fc.anything(),
          size: fc.anything(),
        })
        .map(x => JSON.stringify(x, (_, v) => (typeof v === 'bigint' ? `${v}` : v)) ?? ''),
    )
    fc.assert(
      fc.property(texts, text => {
        try {
          parseFrame(text)
        } catch (error) {
          expect(error).toBeInstanceOf(ParleyError)
        }
      }),
    )
  })
})
