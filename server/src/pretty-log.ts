import { isatty } from 'node:tty'
import pino from 'pino'
import type { LogFormat, Render } from './log.ts'

const dim = 2
const colours: Readonly<Record<string, number>> = { trace: 90, debug: 36, info: 32, warn: 33, error: 31, fatal: 35 }

/** How lines for standard error are written. */
export function logRender(format: LogFormat, environment: Readonly<Record<string, string | undefined>>): Render {
  const isTerminal = isatty(2)
  const isPretty = format === 'pretty' || (format === 'auto' && isTerminal)
  const { NO_COLOR, TERM } = environment
  return isPretty ? prettyLine(isTerminal && !NO_COLOR && TERM !== 'dumb') : line => line
}

/**
 * A line of the log for people: local time, level, message, fields; below it the stack of an error. What others have chosen,
 * such as the id of a peer, cannot move the cursor or colour the text.
 */
export function prettyLine(isColoured: boolean): Render {
  const paint = (code: number, text: string) => (isColoured && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text)
  return line => {
    const { level, time, msg, err, ...fields } = JSON.parse(line)
    const name = pino.levels.labels[level] ?? String(level)
    const at = new Date(time)
    const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(part => String(part).padStart(2, '0')).join(':')
    const details = Object.entries(fields).map(([key, value]) => ` ${printable(key)}=${shown(value)}`)
    const label = paint(colours[name] ?? 0, name.toUpperCase().padEnd(5))
    const first = `${paint(dim, clock)} ${label} ${printable(String(msg ?? ''))}${paint(dim, details.join(''))}`
    return `${[first, ...stackOf(err)].join('\n')}\n`
  }
}

function shown(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:/@%+-]+$/.test(value)) return value
  return printable(JSON.stringify(value))
}

function stackOf(error: unknown): string[] {
  if (typeof error !== 'object' || error === null) return error === undefined ? [] : [`  ${shown(error)}`]
  const { stack, ...others } = error as { stack?: unknown }
  const lines = typeof stack === 'string' ? stack.split('\n') : [JSON.stringify(others)]
  return lines.map(line => `  ${printable(line.trimEnd())}`)
}

/** With control characters, and those that turn the direction of text, as escapes. */
const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, character => `\\u{${character.codePointAt(0)?.toString(16)}}`)
