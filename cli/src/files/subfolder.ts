import { lstat, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../system-errors.ts'
import { numberedName } from './numbered-name.ts'

/**
 * The folder below another one, made if need be. What has the name of a folder and is none, also a link to one, stays as it
 * is: the name gets a number.
 * @param names that are safe
 * @returns the names that it has
 * @throws Error of Node
 */
export async function openSubfolder(folder: string, names: readonly string[]): Promise<readonly string[]> {
  const opened: string[] = []
  for (const name of names) {
    for (let number = 0; ; number++) {
      const numbered = numberedName(name, number)
      if (!(await isFolder(join(folder, ...opened, numbered)))) continue
      opened.push(numbered)
      break
    }
  }
  return opened
}

async function isFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path)
    return true
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return (await lstat(path)).isDirectory()
  }
}
