import { readFileSync, statSync } from 'node:fs'
import { parse, TomlError, type TomlValue } from 'smol-toml'
import type { Fault } from '../config.ts'
import { closest } from '../misspelling.ts'
import { settings } from '../settings.ts'

/** A TOML file with settings, under the names of the environment variables. */
export interface SettingsFile {
  readonly path: string
  /** As the environment would have them: variable → text. */
  readonly values: ReadonlyMap<string, string>
  /** Variable → the line that sets it, where that is known. */
  readonly lines: ReadonlyMap<string, number>
  readonly faults: readonly Fault[]
  readonly warnings: readonly Fault[]
  /** Whether nothing of it could be read, so that nobody knows what it sets. */
  readonly isUnread: boolean
}

const known = new Set<string>(Object.values(settings).map(({ variable }) => variable))
const secrets = Object.values(settings).flatMap(({ variable, isSecret }) => (isSecret ? variable : []))

/** Reads the file. Never throws: what is wrong is told as faults, which show no value, as it may be a secret. */
export function readSettingsFile(path: string): SettingsFile {
  const unread = (sentence: string): SettingsFile => {
    const faults = [{ sentence }]
    return { path, values: new Map(), lines: new Map(), faults, warnings: [], isUnread: true }
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (error) {
    return unread(`${path}: ${unreadable(error)}`)
  }
  try {
    return settingsOf(path, text, parse(text))
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    // The rest of its message shows lines of the file.
    const [what = ''] = error.message.replace('Invalid TOML document: ', '').split('\n')
    return unread(`${path}, line ${error.line}: this is not TOML: ${what}. Write NAME = "text", or NAME = 1.`)
  }
}

function unreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ENOENT') return 'there is no such file (--config).'
  if (code === 'EISDIR') return 'this is a folder, not a settings file (--config).'
  if (code === 'EACCES') return 'this user may not read the file (EACCES).'
  return code.startsWith('E') && !code.startsWith('ERR_') ? `cannot be read (${code}).` : 'the text is not UTF-8.'
}

function settingsOf(path: string, text: string, table: Readonly<Record<string, TomlValue>>): SettingsFile {
  const values = new Map<string, string>()
  const lines = new Map<string, number>()
  const faults: Fault[] = []
  for (const [name, value] of Object.entries(table)) {
    const line = lineOf(name, text)
    const place = line === undefined ? path : `${path}, line ${line}`
    const written = asText(value)
    if (!known.has(name)) faults.push({ sentence: `${place}: ${unknown(name, value)}` })
    else if (written === undefined) {
      const sentence = `${place}: ${name} must be text, a number, true or false, or a list of these.`
      faults.push({ variable: name, sentence })
    } else values.set(name, written)
    if (line !== undefined) lines.set(name, line)
  }
  return { path, values, lines, faults, warnings: exposed(path, values), isUnread: false }
}

/** Text as a variable would have it. True and false are on and off; a list is separated by commas. */
function asText(value: TomlValue): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  if (!Array.isArray(value)) return undefined
  const items = value.map(item => (Array.isArray(item) ? undefined : asText(item)))
  return items.includes(undefined) ? undefined : items.join(',')
}

function unknown(name: string, value: TomlValue): string {
  if (asText(value) === undefined && !Array.isArray(value))
    return `${JSON.stringify(name)} is a table; settings stand at the top, as NAME = value.`
  const upper = name.toUpperCase()
  const near = [upper, `PARLEY_${upper}`].find(other => known.has(other)) ?? closest(upper, known)
  if (near) return `${JSON.stringify(name)} is not a setting; is ${near} meant?`
  const isOfAws = upper.startsWith('AWS_') ? ' The AWS SDK reads such names from the environment alone.' : ''
  return `${JSON.stringify(name)} is not a setting.${isOfAws}`
}

/** The line on which `name` is set: it stands first there, perhaps in quotes. */
function lineOf(name: string, text: string): number | undefined {
  const index = text.split(/\r?\n/).findIndex(line => {
    const [, bare, quoted, header] = /^\s*(?:([\w-]+)\s*[.=]|["']([^"']+)["']\s*=|\[\[?\s*([\w-]+))/.exec(line) ?? []
    return (bare ?? quoted ?? header) === name
  })
  return index < 0 ? undefined : index + 1
}

/** Whether other users of the machine can read a secret in it. */
function exposed(path: string, values: ReadonlyMap<string, string>): Fault[] {
  const told = secrets.filter(variable => values.get(variable))
  if (told.length === 0 || (statSync(path).mode & 0o004) === 0) return []
  const sentence = `${path} has a secret (${told.join(', ')}), and every user of this machine can read it; run: chmod o= ${path}`
  return [{ sentence }]
}
