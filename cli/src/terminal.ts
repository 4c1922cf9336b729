import type { Environment } from './command.ts'

/** As much of an output stream as is needed here. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** SGR parameters of ECMA-48: how it begins, and how it ends. */
const styles = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const

/** Colours a text, or leaves it as it is. */
export type Paint = { readonly [Style in keyof typeof styles]: (text: string) => string } & {
  readonly isColoured: boolean
}

/** FORCE_COLOR and NO_COLOR as everywhere; else colours are for terminals that have them. */
export function hasColours({ isTTY = false }: Screen, { FORCE_COLOR, NO_COLOR, TERM }: Environment): boolean {
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false
  return isTTY && TERM !== 'dumb'
}

export function painter(isColoured: boolean): Paint {
  const style =
    ([on, off]: readonly [on: number, off: number]) =>
    (text: string) =>
      isColoured ? `\x1b[${on}m${text}\x1b[${off}m` : text
  return {
    bold: style(styles.bold),
    dim: style(styles.dim),
    red: style(styles.red),
    green: style(styles.green),
    yellow: style(styles.yellow),
    cyan: style(styles.cyan),
    isColoured,
  }
}

/** What nobody sees, or what makes a terminal do something; but not the joiners of words and pictures, nor the tags of flags. */
const controls = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c-\u200d\u{e0020}-\u{e007f}])\p{Cf}/gu

/** Text of somebody else, in one line, fit for a terminal. */
export const printable = (text: string): string => text.replace(/\r?\n|\t/g, ' ').replace(controls, '')

/** The same in several lines, of which those behind the first are indented. */
export const printableLines = (text: string, indent: string): string =>
  text
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
    .map(line => line.replaceAll('\t', '  ').replace(controls, ''))
    .join(`\n${indent}`)

/** Characters that take two columns: East Asian wide ones, and pictures. */
const wide = /[\p{sc=Han}\p{sc=Hangul}\p{sc=Hiragana}\p{sc=Katakana}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u

const columnsOf = (character: string): number => (/[\p{M}\p{Cf}]/u.test(character) ? 0 : wide.test(character) ? 2 : 1)

/** Columns of a text without control characters. */
export const width = (text: string): number => [...text].reduce((sum, character) => sum + columnsOf(character), 0)

/** In exactly so many columns: cut off, or filled with spaces. */
export function fitted(text: string, columns: number): string {
  if (width(text) <= columns) return text + ' '.repeat(columns - width(text))
  let kept = ''
  let room = columns - 1
  for (const character of text) {
    room -= columnsOf(character)
    if (room < 0) break
    kept += character
  }
  return fitted(`${kept}…`, columns)
}
