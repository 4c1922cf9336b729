import { readFileSync } from 'node:fs'
import { type Config, type Fault, readConfig } from '../config.ts'
import { settings } from '../settings.ts'
import { readSettingsFile, type SettingsFile } from './settings-file.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Where the value of a setting comes from. */
export type Source =
  | { readonly kind: 'default' | 'environment' | 'dotenv' }
  | { readonly kind: 'file'; readonly file: string; readonly line: number | undefined }

export interface GivenSettings {
  readonly config: Config
  readonly faults: readonly Fault[]
  readonly warnings: readonly Fault[]
  /** Variable → its text, as it was given or is by default, and where that comes from. */
  readonly values: ReadonlyMap<string, { readonly text: string; readonly source: Source }>
}

/**
 * Reads the settings from the environment, and what it does not set from the file at `path`. Never throws.
 * @param ofProcess the names that the process was started with; the runtime has the others from a `.env` file. Undefined
 *   where that is not known
 */
export function givenSettings(
  environment: Environment,
  path: string | undefined,
  ofProcess: ReadonlySet<string> | undefined = namesAtStart(),
): GivenSettings {
  const file = path === undefined ? undefined : readSettingsFile(path)
  const together: Record<string, string | undefined> = { ...environment }
  for (const [variable, text] of file?.values ?? []) together[variable] ||= text
  const sourceOf = (variable: string): Source => {
    if (environment[variable]) return { kind: ofProcess?.has(variable) === false ? 'dotenv' : 'environment' }
    if (!file?.values.get(variable)) return { kind: 'default' }
    return { kind: 'file', file: file.path, line: file.lines.get(variable) }
  }
  const { config, faults, malformed, warnings } = readConfig(together)
  const values = new Map(
    Object.values(settings).map(({ variable, fallback }) => {
      return [variable, { text: together[variable] || fallback, source: sourceOf(variable) }]
    }),
  )
  const placed = (fault: Fault): Fault => {
    const source = fault.variable === undefined ? undefined : sourceOf(fault.variable)
    return source?.kind === 'file' ? { ...fault, sentence: `${placeOf(source)}: ${fault.sentence}` } : fault
  }
  return {
    config,
    faults: [...(file?.faults ?? []), ...known(file, faults, malformed).map(placed)],
    warnings: [...(file?.warnings ?? []), ...warnings.map(placed)],
    values,
  }
}

/** What is wrong whatever the file sets. In one that could not be read there may be what seems to be missing. */
const known = (file: SettingsFile | undefined, faults: readonly Fault[], malformed: readonly Fault[]) =>
  file?.isUnread
    ? malformed
    : faults.filter(({ variable }) => !file?.faults.some(of => variable && of.variable === variable))

export function placeOf(source: Source): string {
  if (source.kind === 'dotenv') return '.env file'
  if (source.kind !== 'file') return source.kind
  return source.line === undefined ? source.file : `${source.file}, line ${source.line}`
}

/** The names in the environment that the process was started with. */
function namesAtStart(): ReadonlySet<string> | undefined {
  try {
    const text = readFileSync('/proc/self/environ', 'utf8')
    return new Set(text.split('\0').map(entry => entry.slice(0, entry.indexOf('='))))
  } catch {
    // Only Linux has it.
    return undefined
  }
}
