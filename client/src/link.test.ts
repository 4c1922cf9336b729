import { expect, test } from 'bun:test'
import { noteIn, payloadOf, wordIn } from './link.ts'

test('a note is read from a signal, and nothing from that of another library', () => {
  const note = { link: 'a', restart: true, begins: true, confirms: true, answered: false }
  expect(noteIn({ parley: note })).toEqual(note)
  expect(noteIn({ parley: { link: 'a' } })).toEqual({
    link: 'a',
    restart: false,
    begins: false,
    confirms: false,
    answered: false,
  })
  for (const parley of [undefined, null, 'a', [], {}, { link: 1 }]) expect(noteIn({ parley })).toBeUndefined()
})

test('a word is read as it was written, and nothing from what people send each other', () => {
  expect(wordIn(payloadOf({ link: 'a', word: 'restart' }))).toEqual({ link: 'a', word: 'restart' })
  expect(wordIn(payloadOf({ link: 'a', word: 'declined' }))).toEqual({ link: 'a', word: 'declined' })
  for (const payload of [null, 1, 'a', [], {}, { parley: 1 }, { parley: { link: 'a', word: 'other' } }]) {
    expect(wordIn(payload)).toBeUndefined()
  }
})
