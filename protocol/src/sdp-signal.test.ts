import { describe, expect, test } from 'bun:test'
import { fromPeers } from '@parley/protocol/fixtures'
import fc from 'fast-check'
import { readSdpSignal } from './sdp-signal.ts'

const { offer, answer, candidate } = fromPeers

/** What JSON.parse makes of the members that the shortcut reads; undefined if it takes the text for no such message. */
function byTheBook(text: string): object | undefined {
  try {
    const { type, sender, target } = JSON.parse(text)
    return { type, sender, target }
  } catch {
    return undefined
  }
}

describe('readSdpSignal', () => {
  test.each([offer, answer])('reads $type as JSON.stringify and as Python write it', message => {
    const { type, sender, target } = message
    const python = JSON.stringify(message).replaceAll('":"', '": "').replaceAll('","', '", "')
    for (const text of [JSON.stringify(message), python])
      expect(readSdpSignal(text) as object).toEqual({ type, sender, target })
  })

  test.each([
    JSON.stringify(candidate),
    JSON.stringify({ ...offer, request_id: 'r-1' }),
    JSON.stringify({ ...offer, sdp: { nested: '"' } }),
    JSON.stringify({ ...offer, sdp: 'a "quoted" word' }),
    JSON.stringify({ ...offer, target: 'a"b' }),
    `${JSON.stringify(offer)} `,
    JSON.stringify({ sdp: 'v=0', type: 'offer', sender: 'a', target: 'b' }),
  ])('leaves other forms to JSON.parse: %s', text => {
    expect(readSdpSignal(text)).toBeUndefined()
  })

  test.each(['\\x', '\\', '\n', '\u0000', '\\u12', '","sender":"victim', '"', '\\"', '"}{"', '\\\\\\'])(
    'says nothing of an SDP that holds %j',
    sdp => {
      const text = `{"type":"offer","sender":"a","target":"b","sdp":"${sdp}"}`
      expect([undefined, byTheBook(text)]).toContainEqual(readSdpSignal(text))
    },
  )

  test('never says anything but what JSON.parse says', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ...[
          '"',
          '\\',
          '\\"',
          '\\r\\n',
          '\\u',
          '\\u0041',
          '\n',
          '}',
          '"}',
          '{',
          ',',
          ':',
          ' ',
          '\\x',
          '\\\\',
          '\u2028',
          'ä',
          '🙂',
          '","sender":"x"',
          '\x7f',
        ],
      ),
      fc.string({ unit: 'binary', maxLength: 5 }),
    )
    const pieces = fc.array(piece, { maxLength: 6 }).map(all => all.join(''))
    const space = fc.constantFrom('', ' ', '  ', '\t')
    const texts = fc
      .record({
        type: fc.constantFrom('offer', 'answer', 'candidate'),
        sender: pieces,
        target: pieces,
        sdp: pieces,
        end: fc.constantFrom('"}', '"} ', '"', '}', '"}}'),
        space,
      })
      .map(
        ({ type, sender, target, sdp, end, space }) =>
          `{"type":${space}"${type}",${space}"sender":"${sender}","target":${space}"${target}","sdp":"${sdp}${end}`,
      )
    let read = 0
    fc.assert(
      fc.property(texts, text => {
        const shortcut = readSdpSignal(text)
        if (shortcut) {
          read++
          expect(shortcut).toEqual(byTheBook(text) as typeof shortcut)
        }
      }),
      { numRuns: 20_000 },
    )
    expect(read).toBeGreaterThan(50)
  })
})
