import { afterAll } from 'bun:test'
import { copyFile, cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSdk } from '../release/build.ts'
import { root } from './parley-process.ts'

/** The SDK as it is now, for a test file: built when a test first needs it, as that takes seconds. */
export interface BuiltSdk {
  /** The folder of `protocol/dist` and `client/dist`. */
  folder(): Promise<string>
  /** Puts it into a folder `node_modules`, as if it had been installed there. */
  install(modules: string): Promise<void>
}

export function sharedSdk(): BuiltSdk {
  let built: Promise<string> | undefined
  afterAll(async () => {
    if (built) await rm(await built, { recursive: true })
  })
  const folder = () => {
    built ??= build()
    return built
  }
  return {
    folder,
    async install(modules) {
      const scope = join(modules, '@parley')
      await cp(await folder(), scope, { recursive: true })
      for (const name of ['protocol', 'client'])
        await copyFile(join(root, name, 'package.json'), join(scope, name, 'package.json'))
    },
  }
}

async function build(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-sdk-'))
  await buildSdk(folder)
  return folder
}
