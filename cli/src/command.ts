import type { Interruption } from './interruption.ts'
import type { Output } from './output.ts'

/** An option of a command, as it is read and as the help tells it. */
export interface Option {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** What the help calls its value. */
  readonly value?: string
  /** May be given several times, and takes several values at once. */
  readonly multiple?: boolean
  readonly meaning: string
  /** Works, but is not for everybody. */
  readonly isHidden?: boolean
}

export interface OptionTable {
  readonly [name: string]: Option
}

/** What the options of a command are after they were read. */
export type Values<Options extends OptionTable> = {
  readonly [Name in keyof Options]: Options[Name] extends { readonly type: 'boolean' }
    ? boolean
    : Options[Name] extends { readonly multiple: true }
      ? readonly string[]
      : string | undefined
}

/** The same of any command. */
export type AnyValues = Readonly<Record<string, boolean | string | readonly string[] | undefined>>

export type Environment = Readonly<Record<string, string | undefined>>

/** What a command needs of the process that it runs in. */
export interface Context {
  readonly out: Output
  /** Ctrl-C, and its like. */
  readonly interruption: Interruption
  readonly env: Environment
  readonly stdin: NodeJS.ReadStream
}

/** What the help page of a command tells. */
export interface Page {
  readonly name: string
  /** For the list of commands. */
  readonly summary: string
  /** Behind "parley". */
  readonly synopsis: readonly string[]
  /** Paragraphs. */
  readonly description: readonly string[]
  readonly options: OptionTable
  /** What to type, and what that does. */
  readonly examples: readonly (readonly [line: string, meaning: string])[]
  /** The events of `--json`, and what else they say. */
  readonly events: { readonly [event: string]: string }
  /** Whether a word is something else than another value of the option before it. */
  readonly isOperand?: (word: string) => boolean
}

export interface Command extends Page {
  /** @param values as `Values` has them @throws UsageError, Failure, ParleyError */
  run(values: AnyValues, operands: readonly string[], context: Context): Promise<number>
}

interface Definition<Options extends OptionTable> extends Page {
  readonly options: Options
  /** Resolves with the exit code. @throws UsageError, Failure, ParleyError */
  run(values: Values<Options>, operands: readonly string[], context: Context): Promise<number>
}

/** A command whose `run` gets its options by their types. */
export const command = <const Options extends OptionTable>(definition: Definition<Options>): Command =>
  definition as unknown as Command

/** Options that several commands have. */
export const common = {
  server: {
    type: 'string',
    value: 'URL',
    meaning: 'The HTTP address of the Parley server. Default: http://127.0.0.1:8001',
  },
  ws: {
    type: 'string',
    value: 'URL',
    meaning: 'Its WebSocket, if that is neither on port 8080 beside port 8001 nor at /ws on the same port.',
  },
  anonymous: { type: 'boolean', meaning: 'Be somebody new to the server, and keep nothing of it.' },
  json: { type: 'boolean', meaning: 'For scripts: one JSON object a line on standard output, each with an "event".' },
  help: { type: 'boolean', short: 'h', meaning: 'Shows this page.' },
} as const satisfies OptionTable

/** Options of those that make connections. */
export const webRtcOptions = {
  'bind-address': { type: 'string', value: 'ADDR', meaning: 'Uses this network address only.', isHidden: true },
} as const satisfies OptionTable
