import type { Random } from './random.ts'

// What docs/protocol.md says of names, said a second time and in another way than in protocol/: character by character.

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' })
const scripts =
  'Arab Syrc Mand Nkoo Mong Phag Mani Adlm Rohg Deva Beng Guru Gujr Orya Taml Telu Knda Mlym Sinh Khmr Mymr Java Bali'
const joining = new RegExp(
  `[${scripts
    .split(' ')
    .map(script => `\\p{scx=${script}}`)
    .join('')}]`,
  'u',
)
const picture = /\p{Extended_Pictographic}/u
const endOfPicture = /\p{Extended_Pictographic}|\p{Emoji_Modifier}|\uFE0F|\u{E007F}/u
const controlOrSpace = /[\p{C}\p{Z}]/u
const unseen = /[\p{Default_Ignorable_Code_Point}\p{Z}\u2800]/u

/** Whether `value` is a name of at most `most` characters, as people count them. */
export function isName(value: unknown, most: number): value is string {
  if (typeof value !== 'string' || value === '') return false
  if (/^[!-~]+$/.test(value)) return value.length <= most
  if (value.length > 1024 || value.length > 8 * most + 64) return false
  const points = [...value]
  if (points.every(point => unseen.test(point))) return false
  for (let at = 0; at < points.length; at++) {
    const point = points[at] ?? ''
    if (point === '\u{1F3F4}') at += tagsAt(points, at + 1)
    else if (!controlOrSpace.test(point) || point === ' ') continue
    else if (!mayJoin(point, points[at - 1] ?? '', points[at + 1] ?? '')) return false
  }
  return [...segmenter.segment(value)].length <= most
}

/** How many code points there belong to the flag of a region, the end of the tags included. */
function tagsAt(points: readonly string[], start: number): number {
  let at = start
  while (/^[\u{E0030}-\u{E0039}\u{E0061}-\u{E007A}]$/u.test(points[at] ?? '')) at++
  const count = at - start
  return count >= 1 && count <= 31 && points[at] === '\u{E007F}' ? count + 1 : 0
}

function mayJoin(point: string, before: string, after: string): boolean {
  if (point === '\u200D') return joining.test(before) || (endOfPicture.test(before) && picture.test(after))
  return (point === '\u200C' || point === '\u180E') && joining.test(before) && joining.test(after)
}

/** Names that test a rule, most of them good ones, and what breaks one. */
const good = [
  'a',
  'Worker-3108',
  'x y',
  ' lead',
  '..a',
  'Zo\u00eb',
  'Zoe\u0308',
  '工作者',
  'Ω',
  '🙂',
  '👨‍👩‍👧‍👦',
  '👍🏽',
  '🏴󠁧󠁢󠁥󠁮󠁧󠁿',
]
const joined = ['می‌خواهم', 'क्‍ष', '❤️‍🔥', '__proto__', 'constructor', 'toString', '"\\/', '%2F']
const bad = ['', ' ', '  ', '.', '..', '\u0000', 'a\nb', 'a\u202eb', 'pay\u200dpal', 'pay\u200cpal', '\u200b', '\ud800']
const worse = [
  '\udc00a',
  'a\u2028b',
  '\ufeffa',
  '\u2800',
  '\ue000',
  '\u{E0061}',
  '🏴\u{E007F}',
  '\u00ad',
  '\u3164',
  '🙂\u200d',
]
const fillers = ['x', 'é', 'e\u0301', '🙂', '👨‍👩‍👧‍👦', '\u0301', ' ']
const lengths = [1, 1, 2, 7, 8, 9, 63, 64, 65, 127, 128, 129]

/** A name, or something that is nearly one. */
export function anyName(random: Random): string {
  switch (random.below(12)) {
    case 0:
      return random.pick(bad)
    case 1:
      return random.pick(worse)
    case 2:
      return random.pick(fillers).repeat(random.oneIn(20) ? random.pick([1024, 1025]) : random.pick(lengths))
    case 3:
      return `${random.pick(good)}${random.pick(fillers).repeat(random.pick(lengths))}`
    case 4:
      return random.pick(good) + random.pick(joined) + (random.oneIn(3) ? random.pick(bad) : '')
    case 5:
      return String.fromCodePoint(random.below(0x3000), random.below(0x110000))
    case 6:
    case 7:
      return random.pick(joined)
    default:
      return random.pick(good)
  }
}
