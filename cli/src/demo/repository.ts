import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure } from '../failure.ts'

/** What is needed to start the server of this repository. */
export interface Repository {
  readonly root: string
  /** The Bun that came with it, or the one that this runs on. */
  readonly bun: string
  /** Below the root. */
  readonly server: string
}

const server = join('server', 'src', 'main.ts')

/** Looks for the repository that this file belongs to, from where it is upwards, or the packages beside. @throws Failure */
export function findRepository(): Repository {
  const advice =
    'Run it in a checkout of Parley after “npm ci”, install @parley/server, or give it a server: parley demo --server URL'
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, server))) {
      // As a package, the server has its Bun beside the scope.
      const bins = [join(folder, 'node_modules', '.bin'), join(folder, '..', '.bin')]
      const installed = bins.map(bin => join(bin, 'bun')).find(existsSync)
      if (installed) return { root: folder, bun: installed, server }
      if (process.versions.bun !== undefined) return { root: folder, bun: process.execPath, server }
      throw new Failure('NO_SERVER', 'The server needs Bun, which is not installed.', advice)
    }
    if (folder === dirname(folder)) throw new Failure('NO_SERVER', 'There is no server beside this program.', advice)
  }
}
