import { limits } from './limits.ts'

// What peers, channels, roles and rooms may be called, by RFC 8264 and UAX #31 in spirit: what people can read and write.

/** Scripts whose words are spelt with joiners (UAX #31 section 2.3): Arabic and what is written like it, and those of India. */
const joining = [
  ...['Arab', 'Syrc', 'Mand', 'Nkoo', 'Mong', 'Phag', 'Mani', 'Adlm', 'Rohg'],
  ...['Deva', 'Beng', 'Guru', 'Gujr', 'Orya', 'Taml', 'Telu', 'Knda', 'Mlym', 'Sinh', 'Khmr', 'Mymr', 'Java', 'Bali'],
]
  .map(script => `\\p{scx=${script}}`)
  .join('')
const picture = '\\p{Extended_Pictographic}'

/** One character more, or one that nobody sees where it is part of a word or a picture. */
const parts = [
  // England, Scotland, Wales: a flag, its region in tags, and their end (UTS #51 section 1.4.6).
  '\\u{1F3F4}[\\u{E0030}-\\u{E0039}\\u{E0061}-\\u{E007A}]{1,31}\\u{E007F}',
  '[^\\p{C}\\p{Z}]',
  ' ',
  `(?<=[${joining}])\\u200D`,
  `(?<=[${joining}])[\\u200C\\u180E](?=[${joining}])`,
  // Families and the like: pictures that are one.
  `(?<=[${picture}\\p{Emoji_Modifier}\\uFE0F\\u{E007F}])\\u200D(?=${picture})`,
]

/**
 * At least one character that is seen; no control, surrogate, private or unassigned character, no separator but the
 * space, and of those that only change others (bidirectional ones, joiners, tags) only what words and pictures need.
 */
const printableText = new RegExp(
  `^(?=.*[^\\p{Default_Ignorable_Code_Point}\\p{Z}\\u2800])(?:${parts.join('|')})*$`,
  'u',
)

/** What nearly all names are, and needs no more than a look. */
const ascii = /^[\0-\x7f]*$/
const simple = /^ *[!-~][ -~]*$/

/** UTF-16 code units for a name of so many characters: 8 for each and some more, as a family has 11 and most have 1. */
export const mostUnits = (characters: number): number => Math.min(8 * characters + 64, limits.echoLength)

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' })

/** Whether `value` is a name of 1 to `most` characters, as people count them: grapheme clusters (UAX #29). */
export function isPrintable(value: unknown, most: number): value is string {
  if (typeof value !== 'string') return false
  if (simple.test(value)) return value.length <= most
  if (value.length > mostUnits(most) || !printableText.test(value)) return false
  if (value.length <= most) return true
  let characters = 0
  for (const _ of segmenter.segment(value)) if (++characters > most) return false
  return true
}

/** The one spelling of a name by which it is compared: NFC (UAX #15), as `é` can be one code point or two. */
export const canonicalName = (name: string): string => (ascii.test(name) ? name : name.normalize('NFC'))

/** Whether two texts are one name. */
export const isSameName = (a: string, b: string): boolean => a === b || canonicalName(a) === canonicalName(b)

/** Names by their canonical spelling, so that each spelling finds what was kept under another one. */
export class NameMap<T> extends Map<string, T> {
  override get(name: string): T | undefined {
    // Most are found as they are: this is on the path of every signal.
    return super.get(name) ?? (ascii.test(name) ? undefined : super.get(name.normalize('NFC')))
  }

  override has(name: string): boolean {
    return super.has(canonicalName(name))
  }

  override set(name: string, value: T): this {
    return super.set(canonicalName(name), value)
  }

  override delete(name: string): boolean {
    return super.delete(canonicalName(name))
  }
}
