import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isExecutable } from '../executable.ts'
import { Failure } from '../failure.ts'

/** How to start the server that belongs to this program. */
export interface ServerCommand {
  /** The Bun of the repository, the one that this runs on, or the executable that has the server. */
  readonly program: string
  readonly args: readonly string[]
  /** The folder to start it in. */
  readonly cwd: string
}

const server = join('server', 'src', 'main.ts')

/** The server of this executable, or of the repository that this file belongs to, from where it is upwards, or of the package beside. @throws Failure */
export function findServer(): ServerCommand {
  if (isExecutable) return { program: process.execPath, args: ['serve'], cwd: process.cwd() }
  const advice =
    'Run it in a checkout of Parley after “npm ci”, install @parley/server, or give it a server: parley demo --server URL'
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, server))) {
      // As a package, the server has its Bun beside the scope.
      const bins = [join(folder, 'node_modules', '.bin'), join(folder, '..', '.bin')]
      const installed = bins.map(bin => join(bin, 'bun')).find(existsSync)
      if (installed) return { program: installed, args: [server], cwd: folder }
      if (process.versions.bun !== undefined) return { program: process.execPath, args: [server], cwd: folder }
      throw new Failure('NO_SERVER', 'The server needs Bun, which is not installed.', advice)
    }
    if (folder === dirname(folder)) throw new Failure('NO_SERVER', 'There is no server beside this program.', advice)
  }
}
