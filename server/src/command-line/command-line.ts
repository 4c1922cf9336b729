import { parseArgs } from 'node:util'
import { closest } from '../misspelling.ts'

/** What the command line asks for. `config` is the path of the settings file. */
export type Command =
  | { readonly kind: 'help' | 'version' }
  | { readonly kind: 'start' | 'healthcheck'; readonly config: string | undefined }
  | { readonly kind: 'check'; readonly config: string | undefined; readonly services: boolean }
  | { readonly kind: 'config'; readonly config: string | undefined; readonly json: boolean }
  | { readonly kind: 'fault'; readonly sentence: string }

const options = {
  config: { type: 'string' },
  services: { type: 'boolean' },
  json: { type: 'boolean' },
  // An older form of the command.
  check: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const
type Option = keyof typeof options

/** The options of each command. */
const commands: Readonly<Record<'start' | 'check' | 'config' | 'healthcheck', readonly Option[]>> = {
  start: ['config'],
  check: ['config', 'services', 'check'],
  config: ['config', 'json'],
  healthcheck: ['config'],
}
const words = ['check', 'config', 'healthcheck', 'help', 'version'] as const

/** @param usage lines that show how the program is called */
export const helpText = (version: string, usage: string): string => `Parley ${version}, a WebRTC signaling server.

Usage: ${usage}

The server runs until Ctrl-C or SIGTERM.

Commands:
  check         says whether the server would start with these settings, as what, and all
                that is wrong with them; starts nothing
  config        prints every setting that is in force, and where its value comes from
  healthcheck   asks the running server whether it is alive

Options:
  --config FILE   reads settings from this TOML file, too; the environment goes before it
  --services      with check: asks Cognito, DynamoDB and the OpenID provider, too
  --json          with config: prints JSON, for programs
  -h, --help      prints this
  -v, --version   prints the version

Settings are environment variables such as PARLEY_HTTP_PORT=9000. A settings file has the same
names: PARLEY_HTTP_PORT = 9000. docs/configuration.md lists them all; "config" prints their names.

Exit codes: 0 if all is well; 1 if the server would not start, did not start or does not answer;
2 if the command line is wrong.
`

const see = 'Try --help.'
const fault = (sentence: string): Command => ({ kind: 'fault', sentence: `${sentence} ${see}` })

/** Reads the words behind the name of the program. Never throws: what is wrong with them is a fault. */
export function readCommandLine(args: readonly string[]): Command {
  // Not strict, so that the faults are ours to tell.
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true })
  const given = new Map<string, string | undefined>()
  const operands: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName, value } = token
    if (!Object.hasOwn(options, name))
      return fault(unknown(rawName, 'an option', closest(name, new Set(Object.keys(options))), '--'))
    if (given.has(name)) return fault(`${rawName} is given twice.`)
    if (name !== 'config' && value !== undefined) return fault(`${rawName} takes no value.`)
    if (name === 'config' && (!value || (!token.inlineValue && value.startsWith('-'))))
      return fault('--config needs the path of a settings file.')
    given.set(name, value)
  }
  const [word, extra] = operands
  if (given.has('help') || word === 'help') return { kind: 'help' }
  if (given.has('version') || word === 'version') return { kind: 'version' }
  const kind = word ?? (given.has('check') ? 'check' : 'start')
  if (!isCommand(kind)) return fault(unknown(kind, 'a command', closest(kind, new Set(words))))
  if (extra !== undefined) return fault(`${JSON.stringify(extra)} is too much: ${kind} takes no further word.`)
  const foreign = [...given.keys()].find(name => !commands[kind].some(own => own === name))
  if (foreign) return fault(`--${foreign} does not go with ${kind === 'start' ? 'a start of the server' : kind}.`)
  const config = given.get('config')
  if (kind === 'check') return { kind, config, services: given.has('services') }
  if (kind === 'config') return { kind, config, json: given.has('json') }
  return { kind, config }
}

const isCommand = (word: string): word is keyof typeof commands => Object.hasOwn(commands, word)

function unknown(word: string, what: string, near: string | undefined, prefix = ''): string {
  return `${JSON.stringify(word)} is not ${what}${near ? `; is ${prefix}${near} meant?` : '.'}`
}
