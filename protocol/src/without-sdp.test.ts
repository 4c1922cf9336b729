import { describe, expect, test } from 'bun:test'
import { fromPeers } from '@parley/protocol/fixtures'
import fc from 'fast-check'
import { withoutSdp } from './without-sdp.ts'

const { offer, answer, candidate } = fromPeers

/** What JSON.parse makes of `text`, with every `sdp` that is a string replaced by an empty one; undefined if it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text, (key, value) => (key === 'sdp' && typeof value === 'string' ? '' : value))
  } catch {
    return undefined
  }
}

const python = (message: object) => JSON.stringify(message).replaceAll('":"', '": "').replaceAll('","', '", "')

describe('withoutSdp', () => {
  const { type, sender, target, sdp } = offer
  test.each([
    JSON.stringify(offer),
    JSON.stringify(answer),
    python(offer),
    JSON.stringify({ sdp, target, sender, type }),
    JSON.stringify({ type, sdp, target, request_id: 'r-1', more: [1, { a: null }] }),
    JSON.stringify({ type, sender, target, sdp: { type, sdp } }),
  ])('leaves the SDP out of %s', text => {
    expect(withoutSdp(text).length).toBe(text.length - JSON.stringify(sdp).length + 2)
    expect(parsed(withoutSdp(text))).toEqual(parsed(text))
  })

  test.each([
    JSON.stringify(candidate),
    JSON.stringify({ ...offer, sdp: { nested: true } }),
    JSON.stringify({ ...offer, sdp: 'a "quoted" word' }),
    JSON.stringify({ ...offer, target: 'a"b' }),
    '{"type":"offer","target":"b","sdp" : "v=0"}',
    '{"type":"offer","target":"b","sdp":"v=0\\u0041"}',
    '{"type":"offer","target":"b","sdp":"v=0\n"}',
    '{"type":"offer","target":"b","sdp":"v=0',
    '{"type":"offer","target":"b","sdp":"v=0\\"}',
  ])('leaves %j as it is', text => {
    expect(withoutSdp(text)).toBe(text)
  })

  test('is JSON if and only if the text is, and differs in nothing but the SDP', () => {
    const piece = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          '"sdp":"v=0"',
          '"sdp": "',
          '"sdp":',
          '"type":"offer"',
          '"sender":"a"',
          ',',
          '{',
          '}',
          '"}',
        ),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
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
          '1',
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
    )
    const rubble = fc.array(piece, { maxLength: 8 }).map(pieces => pieces.join(''))
    const member = fc
      .tuple(fc.constantFrom('type', 'sender', 'target', 'sdp', 'x'), rubble)
      .map(([name, content]) => `"${name}":"${content}"`)
    const nearlyRight = fc
      .tuple(fc.array(member, { maxLength: 5 }), rubble)
      .map(([members, end]) => `{${members.join(',')}}${end.slice(0, 2)}`)
    const right = fc
      .dictionary(fc.constantFrom('type', 'sender', 'target', 'sdp', 'x'), fc.oneof(rubble, fc.jsonValue()), {
        noNullPrototype: true,
      })
      .map(message => JSON.stringify(message))
    let shortened = 0
    fc.assert(
      fc.property(fc.oneof(rubble, nearlyRight, right), text => {
        const rest = withoutSdp(text)
        if (rest !== text) shortened++
        expect(parsed(rest)).toEqual(parsed(text))
      }),
      { numRuns: 20_000 },
    )
    expect(shortened).toBeGreaterThan(500)
  })
})
