import { join } from 'node:path'
import { root } from './parley-process.ts'

/** Builds the SDK as it is now into a folder, as `npm run build` does: what that has made may be older. */
export async function buildSdk(outdir: string): Promise<void> {
  const source = join(root, 'client/src')
  await Bun.build({
    entrypoints: ['index.ts', 'files/index.ts', 'node-datachannel.ts'].map(name => join(source, name)),
    outdir,
    root: source,
    // What the entries have in common must be there once: an error of the one is an error of the other.
    splitting: true,
    target: 'browser',
    conditions: ['bun'],
  })
}
