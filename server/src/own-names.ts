import { basename } from 'node:path'

/** What people type here to get to the parts of Parley, for lines that they type again. */
export interface OwnNames {
  /** Lines that show how the server is started. */
  readonly usage: string
  /** The CLI. */
  readonly cli: string
  /** Bun. */
  readonly bun: string
}

const withoutCommand = '\n\nWithout a command the server starts.'

/** From the registry, both programs have their scope: the package `parley` there is somebody else's. */
const isInstalled = /[\\/]node_modules[\\/]/.test(import.meta.dir)

/** From the sources, or of an executable. */
export const ownNames: OwnNames = Bun.isStandaloneExecutable ? ofExecutable(process.argv0) : fromSources()

function fromSources(): OwnNames {
  const start = isInstalled ? 'parley-server' : 'npm start --'
  const cli = isInstalled ? 'npx @parley/cli' : 'npx parley'
  return { usage: `${start} [COMMAND] [OPTIONS]${withoutCommand}`, cli, bun: 'npx bun' }
}

/** @param name as it was typed; called parley-server, it is the server alone */
function ofExecutable(name: string): OwnNames {
  // Any executable of Bun is Bun when it is told so.
  const others = { cli: name, bun: `BUN_BE_BUN=1 ${name}` }
  if (basename(name) === 'parley-server') return { ...others, usage: `${name} [COMMAND] [OPTIONS]${withoutCommand}` }
  return { ...others, usage: `${name} serve [OPTIONS]\n       ${name} check|config|healthcheck [OPTIONS]` }
}
