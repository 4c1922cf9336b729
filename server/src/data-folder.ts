import { type Stats, statSync } from 'node:fs'
import { rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Bytes that must fit: more than one room has at first. */
const spare = Buffer.alloc(65_536, 'x')

/** Resolves if the folder takes a new file of 64 KiB now. @throws Error that names the folder and says why it does not */
export async function expectWritable(folder: string): Promise<void> {
  // Of this process, so that several do not remove each other's, and one that was killed leaves one file at most.
  const file = join(folder, `.probe-${process.pid}`)
  try {
    await writeFile(file, spare, { mode: 0o600 })
    await rm(file)
  } catch (cause) {
    await rm(file, { force: true }).catch(() => {})
    throw new Error(`Nothing can be written to the data folder ${folder}: ${(cause as Error).message}.`, { cause })
  }
}

/**
 * Notes which file this is, as a program goes on writing to a file that has been removed or replaced.
 * @returns what resolves while it is the same one, and its folder can be written to; else it throws an Error that says why
 */
export function watchedFile(file: string): () => Promise<void> {
  const first = statSync(file)
  return async () => {
    const now: Stats | undefined = await stat(file).catch(() => undefined)
    if (now?.ino !== first.ino || now.dev !== first.dev) {
      throw new Error(`The file ${file} was removed or replaced while it was in use; restart the server.`)
    }
    await expectWritable(dirname(file))
  }
}
