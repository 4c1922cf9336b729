import { describe, expect, test } from 'bun:test'
import { Ajv2020 } from 'ajv/dist/2020'
import fc from 'fast-check'
import { nameSchema } from './forms.ts'
import { limits } from './limits.ts'
import { canonicalName, isPrintable, isSameName, mostUnits, NameMap } from './names.ts'

const family = '👨‍👩‍👧‍👦'
const names = {
  'a Persian word with a non-joiner': 'می‌خواهم',
  'a Persian abbreviation with a joiner at its end': '۱۴۰۲ ه‍.ش',
  'a Hindi word with a joiner': 'क्‍ष',
  'a Bengali word with a joiner before its virama': 'র‍্যাব',
  'a Sinhala word': 'ශ්‍රී ලංකා',
  'a Malayalam letter with a joiner at its end': 'ന്‍',
  'a Mongolian word with a vowel separator': 'ᠬᠠᠷ᠎ᠠ',
  'a family': family,
  'a kiss with colours of skin': '👩🏽‍❤️‍💋‍👨🏿',
  'a pirate': '🏴‍☠️',
  'the flag of Wales, and of Europe': '🏴󠁧󠁢󠁷󠁬󠁳󠁿 🇪🇺',
  'a key': '1️⃣',
  'a Japanese name with a variant': '葛󠄀城',
  'Greek, Chinese, Hebrew': 'Ω工作者שלום',
  decomposed: 'Zoe\u0308',
  'what programs have': 'Worker-3108 "\\/',
}

const deceptive = {
  'only space': '   ',
  'only joiners': '\u200d\u200c',
  'only variation selectors': '\ufe0f\ufe0f',
  'only what fills a syllable': '\u3164',
  'only the braille blank': '\u2800',
  'a joiner in a Latin word': 'pay\u200dpal',
  'a non-joiner in a Latin word': 'pay\u200cpal',
  'a joiner at the beginning': '\u200dمن',
  'a non-joiner at the end': 'من\u200c',
  'two joiners': 'ه\u200d\u200d',
  'a joiner behind a picture, before a letter': '👩\u200da',
  'tags without a flag': 'a\u{e0067}\u{e007f}',
  'a flag whose tags do not end': '🏴\u{e0067}\u{e0062}',
  'an override': 'abc\u202etxt',
  'an isolate': 'a\u2066b\u2069',
  'a mark of direction': 'a\u200fb',
  'a zero-width space': 'a\u200bb',
  'a soft hyphen': 'a\u00adb',
  'a byte order mark': '\ufeffa',
  'a control': 'a\u0000b',
  'a line': 'a\nb',
  'a line separator': 'a\u2028b',
  'a no-break space': 'a\u00a0b',
  'a lone surrogate': 'a\ud800',
  'a private character': 'a\ue000',
}

describe('a name', () => {
  test.each(Object.entries(names))('may be %s', (_, name) => {
    expect(isPrintable(name, 128)).toBe(true)
    expect(isPrintable(name.normalize('NFD'), 128)).toBe(true)
  })

  test.each(Object.entries(deceptive))('may not be or have %s', (_, name) => {
    expect(isPrintable(name, 128)).toBe(false)
  })

  test('has the characters that people see', () => {
    for (const [text, characters] of [
      [family, 1],
      ['🏴󠁧󠁢󠁷󠁬󠁳󠁿', 1],
      ['می‌خواهم', 7],
      ['नमस्ते', 3],
      ['Zoe\u0308', 3],
      ['abc', 3],
      ['', 0],
    ] as const) {
      expect([text, isPrintable(text, characters), isPrintable(text, Math.max(0, characters - 1))]).toEqual([
        text,
        characters > 0,
        false,
      ])
    }
    expect(isPrintable(family.repeat(64), 128)).toBe(true)
    expect(isPrintable(7, 128)).toBe(false)
  })

  test('has few bytes, however few characters they make', () => {
    expect(isPrintable(`a${'\u0301'.repeat(1_000_000)}`, 128)).toBe(false)
    expect(isPrintable(`a${'\u0301'.repeat(mostUnits(64) - 1)}`, 64)).toBe(true)
    expect(isPrintable(`a${'\u0301'.repeat(mostUnits(64))}`, 64)).toBe(false)
    for (const length of [1, 64, 128, 1024]) expect(mostUnits(length)).toBeLessThanOrEqual(limits.echoLength)
  })

  test('is not refused by its schema, which refuses what no name is', () => {
    const fits = new Ajv2020({ strict: false }).compile(nameSchema(64))
    for (const name of Object.values(names)) expect([name, fits(name)]).toEqual([name, true])
    const word = fc.constantFrom(...Object.values(names), ...Object.values(deceptive))
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), word, fc.string())
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), texts => {
        const name = texts.join('')
        return fits(name) || !isPrintable(name, 64)
      }),
      { numRuns: 5000 },
    )
    for (const wrong of ['', '\u200d', 'x'.repeat(65), 'a\u202e', 'a\u0000', '\ud800']) expect(fits(wrong)).toBe(false)
  })
})

describe('two spellings of a name', () => {
  const [composed, decomposed] = ['Zoë', 'Zoe\u0308']

  test('are one name', () => {
    expect([isSameName(composed, decomposed), isSameName(composed, 'Zoe')]).toEqual([true, false])
    expect([canonicalName(decomposed), canonicalName('Zoe')]).toEqual([composed, 'Zoe'])
  })

  test('find the same in a map', () => {
    for (const [first, second] of [
      [composed, decomposed],
      [decomposed, composed],
    ] as const) {
      const map = new NameMap<number>().set(first, 1)
      expect([map.get(first), map.get(second), map.has(second), map.get('Zoe')]).toEqual([1, 1, true, undefined])
      expect([map.set(second, 2).size, map.get(first), map.delete(second), map.size]).toEqual([1, 2, true, 0])
    }
  })
})
