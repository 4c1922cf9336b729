import type { Command, Option, OptionTable } from './command.ts'
import type { Listed } from './executable.ts'
import type { Paint } from './terminal.ts'
import { width } from './terminal.ts'

/** Columns of a page at the most: longer lines are hard to read. */
const mostColumns = 90

export interface HelpOptions {
  readonly paint: Paint
  /** Those of the terminal. */
  readonly columns: number
}

/**
 * What `parley` alone says. Ends without a line break.
 * @param hasServer whether this program is the server, too
 */
export function overview(commands: readonly Listed[], { paint, columns }: HelpOptions, hasServer = false): string {
  const { bold } = paint
  const wide = Math.min(columns, mostColumns)
  const list = (rows: readonly Row[]) => aligned(rows, wide)
  return [
    `${bold('parley')}: programs find each other, and connect directly by WebRTC`,
    `${bold('Usage')}\n  parley COMMAND [OPTION…]`,
    `${bold('Begin')} with two terminals, wherever they are; a Parley server has to run where both can reach it.\n${list(
      [
        ...(hasServer ? [['parley serve', 'starts one, on this machine'] as const] : []),
        ['parley worker', 'in the one: it prints a line'],
        ["parley connect '…'", 'in the other: that line'],
        ['parley demo', 'or see all of it at once, in one terminal'],
      ],
    )}`,
    `${bold('Commands')}\n${list([...commands.map(({ name, summary }): [string, string] => [name, summary]), ['help COMMAND', 'Explains a command, with examples']])}`,
    `${bold('Everywhere')}\n${list([
      [
        '--json',
        'for scripts: one JSON object a line on standard output, each with an "event"; "error" has code, message, advice; the last one is "end" with exit_code',
      ],
      ['--help, -h', 'explains the command'],
      ['--version', 'tells the version'],
    ])}`,
    `${bold('Exit codes')}\n${list([
      ['0', 'done'],
      ['1', 'failed: what it was, and what to do about it, is on standard error'],
      ['2', 'the command line is wrong'],
      ['130', 'interrupted by Ctrl-C; other signals likewise, 128 and their number (143: SIGTERM)'],
    ])}`,
    `${bold('Environment')}\n${list([
      ['PARLEY_HOME', 'the folder that keeps who you are to each server; default: ~/.config/parley'],
      ['PARLEY_DEBUG', '1: errors tell where they come from'],
      ['NO_COLOR', 'anything: no colours; FORCE_COLOR=1: colours also where there is no terminal'],
    ])}`,
  ].join('\n\n')
}

/** The page of a command. Ends without a line break. */
export function page(command: Command, { paint, columns }: HelpOptions): string {
  const { bold } = paint
  const wide = Math.min(columns, mostColumns)
  const { name, summary, synopsis, description, options, examples, events } = command
  const parts = [
    wrap(`parley ${name}: ${summary}`, wide).join('\n').replace(`parley ${name}`, bold),
    `${bold('Usage')}\n${synopsis.map(line => `  parley ${line}`).join('\n')}`,
    ...description.map(text => wrap(text, wide).join('\n')),
    `${bold('Options')}\n${optionRows(options)
      .map(row => entry(row, 24, wide))
      .join('\n')}`,
    `${bold('Examples')}\n${examples.map(([line, meaning]) => `  ${line}\n${indented(meaning, 6, wide)}`).join('\n')}`,
  ]
  const told = Object.entries(events)
  if (told.length > 0) {
    parts.push(`${bold('With --json')}, the events and what they say\n${aligned(told, wide)}`)
  }
  return parts.join('\n\n')
}

const optionRows = (options: OptionTable): [string, string][] =>
  Object.entries(options)
    .filter(([, { isHidden }]) => !isHidden)
    .map(([name, option]) => [head(name, option), option.meaning])

const head = (name: string, { short, value, multiple }: Option): string =>
  `--${name}${short === undefined ? '' : `, -${short}`}${value === undefined ? '' : ` ${value}${multiple ? '…' : ''}`}`

type Row = readonly [name: string, meaning: string]

/** The meanings beside the longest name. */
function aligned(rows: readonly Row[], columns: number): string {
  const column = 2 + Math.max(...rows.map(([name]) => width(name)))
  return rows.map(row => entry(row, column, columns)).join('\n')
}

/** A name, and beside it what it means; below it, if the name is too long for that. */
function entry([name, meaning]: Row, column: number, columns: number): string {
  const text = indented(meaning, column + 2, columns)
  return width(name) > column - 2 ? `  ${name}\n${text}` : `  ${name.padEnd(column)}${text.slice(column + 2)}`
}

const indented = (text: string, indent: number, columns: number): string =>
  wrap(text, Math.max(20, columns - indent))
    .map(line => ' '.repeat(indent) + line)
    .join('\n')

/** Lines of at most so many columns, broken at spaces. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && width(line) + 1 + width(word) > columns) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
