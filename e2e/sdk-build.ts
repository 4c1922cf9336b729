import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildSdk } from '../release/build.ts'
import { root } from './parley-process.ts'

/** The SDK as it is now, built, in a folder `node_modules` as if it had been installed there. */
export async function installSdk(modules: string): Promise<void> {
  const scope = join(modules, '@parley')
  await buildSdk(scope)
  for (const name of ['protocol', 'client']) {
    await copyFile(join(root, name, 'package.json'), join(scope, name, 'package.json'))
  }
}
