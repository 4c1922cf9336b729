import type { Environment } from './command.ts'
import { isExecutable } from './executable.ts'
import { quoted } from './session.ts'

/** From the registry this program has its scope: the package `parley` there is somebody else's. */
const isInstalled = import.meta.url.includes('/node_modules/')

/** How this program was called, for lines that people type again: npx leaves no `parley` behind that a shell would find. */
export const ownName = ({ npm_command }: Environment): string =>
  isExecutable
    ? asWord(process.argv0)
    : npm_command === 'exec'
      ? `npx ${isInstalled ? '@parley/cli' : 'parley'}`
      : 'parley'

/** In quotes, if the shell needs them. */
const asWord = (name: string): string => (/^[\w./+-]+$/.test(name) ? name : quoted(name))
