import type { Page } from './command.ts'

/** Whether this is the executable that has the server, too (`release/binary.ts`). */
export const isExecutable = typeof Bun !== 'undefined' && Bun.isStandaloneExecutable

/** A command as lists have it. */
export type Listed = Pick<Page, 'name' | 'summary' | 'options'>

const config = { type: 'string', value: 'FILE', meaning: 'Reads settings from this TOML file, too.' } as const
const help = { type: 'boolean', short: 'h', meaning: 'Explains the commands of the server.' } as const

/** What the executable hands to the server. */
export const serverCommands: readonly Listed[] = [
  { name: 'serve', summary: 'Runs the server', options: { config, help } },
  {
    name: 'check',
    summary: 'Says whether the server would start, and all that is wrong with its settings',
    options: {
      config,
      services: { type: 'boolean', meaning: 'Asks Cognito, DynamoDB and the OpenID provider, too.' },
      help,
    },
  },
  {
    name: 'config',
    summary: 'Prints the settings of the server that are in force, and where each comes from',
    options: { config, json: { type: 'boolean', meaning: 'Prints JSON, for programs.' }, help },
  },
  { name: 'healthcheck', summary: 'Asks the running server whether it is alive', options: { config, help } },
]
