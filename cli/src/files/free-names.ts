import { type FileHandle, link, open, rename, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { ParleyError } from '@parley/client'
import { systemCode } from '../system-errors.ts'
import { numberedName } from './numbered-name.ts'

/** Names that are tried, before somebody is told to tidy up. */
const mostNumbers = 10_000

/** What file systems without hard links, or without this right, answer to `link`. */
const noLinks: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV']

/** Opens a new file under the first of these names that is free. Links are not followed. */
export async function claim(
  folder: string,
  nameOf: (number: number) => string,
): Promise<{ handle: FileHandle; name: string }> {
  return firstFree(async number => {
    const name = nameOf(number)
    return { handle: await open(inside(folder, name), 'wx+'), name }
  })
}

/** Gives the complete file its name, the first that is free, in one step. Resolves with it. */
export async function keep(part: string, folder: string, name: string): Promise<string> {
  return firstFree(async number => {
    const kept = numberedName(name, number)
    const path = inside(folder, kept)
    try {
      await link(part, path)
      await rm(part)
    } catch (error) {
      if (!noLinks.includes(systemCode(error))) throw error
      // An empty file holds the name, until the complete one takes its place.
      await (await open(path, 'wx')).close()
      await rename(part, path)
    }
    return kept
  })
}

async function firstFree<Result>(attempt: (number: number) => Promise<Result>): Promise<Result> {
  for (let number = 0; ; number++) {
    try {
      return await attempt(number)
    } catch (error) {
      if (systemCode(error) !== 'EEXIST' || number >= mostNumbers) throw error
    }
  }
}

/** The names are made safe before; should one be not, it goes no further than this. */
export function inside(folder: string, name: string): string {
  const path = join(folder, name)
  const begin = folder.endsWith(sep) ? folder : folder + sep
  if (path !== begin + name || /[/\\\0]/.test(name)) {
    throw new ParleyError('FILE_FAILED', 'A file of that name cannot be kept.')
  }
  return path
}

/** Makes sure that the new name survives a crash, where the system can do that. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch {
    // Windows cannot; the file itself is written.
  }
}
