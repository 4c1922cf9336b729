import { expect, test } from 'bun:test'
import { noteIn, payloadOf, wordIn } from './negotiation-note.ts'

test('a note is read from a signal, and nothing from that of another library', () => {
  const note = { link: 'a', restart: true, begins: true, confirms: true, turns: true, round: 2 }
  expect(noteIn({ parley: note })).toEqual(note)
  expect(noteIn({ parley: { link: 'a' } })).toEqual({
    link: 'a',
    restart: false,
    begins: false,
    confirms: false,
    turns: false,
    round: undefined,
  })
  for (const parley of [undefined, null, 'a', [], {}, { link: 1 }]) expect(noteIn({ parley })).toBeUndefined()
})

test('a word is read as it was written, and nothing from what people send each other', () => {
  for (const word of ['declined', 'restart', 'ask', 'known', 'unknown'] as const) {
    expect(wordIn(payloadOf({ link: 'a', word }))).toEqual({ link: 'a', word })
  }
  for (const payload of [null, 1, 'a', [], {}, { parley: 1 }, { parley: { link: 'a', word: 'other' } }]) {
    expect(wordIn(payload)).toBeUndefined()
  }
})
