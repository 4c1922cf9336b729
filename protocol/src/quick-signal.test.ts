import { describe, expect, test } from 'bun:test'
import { fromPeers } from '@parley/protocol/fixtures'
import fc from 'fast-check'
import { quickSignal } from './quick-signal.ts'

const { offer, answer } = fromPeers
const { type, sender, target, sdp } = offer

/** What JSON.parse makes of `text`; undefined if it is no JSON. */
function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const python = (message: object) => JSON.stringify(message).replaceAll('":"', '": "').replaceAll('","', '", "')

describe('quickSignal', () => {
  test.each([
    JSON.stringify(offer),
    JSON.stringify(answer),
    python(offer),
    JSON.stringify({ sdp, target, sender, type }),
    JSON.stringify({ type, sdp, target, request_id: 'r-1' }),
    JSON.stringify({ type, target }),
    JSON.stringify({ type, sender, target, sdp: 'a\\b/c\b\f\t' }).replace('/', '\\/'),
    '{"type":"offer","target":"b","target":"c"}',
  ])('reads %s', text => {
    const { sdp: _, ...rest } = parsed(text) ?? {}
    expect(quickSignal(text)).toEqual({ sender: undefined, request_id: undefined, ...rest } as never)
  })

  test.each([
    JSON.stringify({ type: 'query', target }),
    JSON.stringify({ type: 'candidate', target }),
    JSON.stringify({ type, sender, sdp }),
    JSON.stringify({ ...offer, more: 'of it' }),
    JSON.stringify({ ...offer, sdp: { type, sdp } }),
    JSON.stringify({ ...offer, sdp: 'a "quoted" word' }),
    JSON.stringify({ ...offer, target: 'a"b' }),
    JSON.stringify({ ...offer, target: 'a\\b' }),
    JSON.stringify({ ...offer, target: 'a\nb' }),
    `${JSON.stringify(offer)} `,
    '{"type":"offer","target":"b","sdp" : "v=0"}',
    '{"type":"offer","target":"b","sdp":"v=0\\u0041"}',
    '{"type":"offer","target":"b","sdp":"v=0\\x"}',
    '{"type":"offer","target":"b","sdp":"v=0\n"}',
    '{"type":"offer","target":"b","sdp":"v=0',
    '{"type":"offer","target":"b","sdp":"v=0\\"}',
    '{"type":"offer","target":"b","sdp":"a\\r\\n","sdp":"b"}',
    '{"type":"offer","target":"b",}',
    '{"type":"offer","target":"b"}}',
    '["type":"offer","target":"b"]',
    '{"type":"offer""target":"b"}',
    '',
    '{',
    '{"',
    '{"type":',
  ])('leaves %j to JSON.parse', text => {
    expect(quickSignal(text)).toBeUndefined()
  })

  test('reads nothing but JSON, and nothing else than JSON.parse does', () => {
    const piece = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          ...['"sdp":"v=0"', '"sdp": "', '"sdp":', '"type":"offer"', '"sender":"a"', ',', '{', '}', '"}'],
        ),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          ...[
            '"',
            '\\',
            '\\"',
            '\\r\\n',
            '\\u0041',
            '\\u',
            '\n',
            ':',
            ' ',
            '\\x',
            '\\\\',
            'sdp',
            '\u2028',
            '🙂',
            '[',
            ']',
          ],
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
    )
    const rubble = fc.array(piece, { maxLength: 8 }).map(pieces => pieces.join(''))
    const content = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('offer', 'a', '', 'v=0\\r\\n') }, rubble)
    const member = fc
      .tuple(fc.constantFrom('type', 'sender', 'target', 'sdp', 'request_id', 'x'), content)
      .map(([name, value]) => `"${name}":"${value}"`)
    const nearlyRight = fc
      .tuple(fc.array(member, { maxLength: 4 }), fc.constantFrom(',', ', '), fc.oneof(fc.constant('}'), rubble))
      .map(([members, between, end]) => `{"type":"offer",${[...members, '"target":"b"'].join(between)}${end}`)
    const right = fc
      .record(
        { sender: fc.string(), target: fc.string(), sdp: fc.oneof(rubble, fc.string()) },
        { noNullPrototype: true },
      )
      .map(message => JSON.stringify({ type: 'answer', ...message }))
    let read = 0
    fc.assert(
      fc.property(fc.oneof(rubble, nearlyRight, right), text => {
        const signal = quickSignal(text)
        if (!signal) return
        read++
        const { sdp: _, ...rest } = parsed(text) ?? {}
        expect(signal as unknown).toEqual({ sender: undefined, request_id: undefined, ...rest })
      }),
      { numRuns: 20_000 },
    )
    expect(read).toBeGreaterThan(2_000)
  })
})
