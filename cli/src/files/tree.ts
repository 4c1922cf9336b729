import { lstat, opendir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import type { FileSource } from '@parley/client/files'
import { systemFailure } from '../failure.ts'
import { printable } from '../terminal.ts'

/** A file of a folder, or a folder in it that is empty. */
export interface TreeEntry {
  /** Where it is on this disk. */
  readonly path: string
  readonly name: string
  /** The names of the folders above it, from the one that is sent on, with `/` between; '' above that itself. */
  readonly folder: string
  readonly isFolder: boolean
  /** Bytes. */
  readonly size: number
}

/** What there is in a folder. */
export interface Tree {
  readonly name: string
  readonly entries: readonly TreeEntry[]
  /** Bytes of all files. */
  readonly bytes: number
  /** What is not sent, by `folder/name`, and why: links, pipes, devices. */
  readonly skipped: readonly Omission[]
  /** What cannot be sent, and should be. */
  readonly failed: readonly Omission[]
}

export interface Omission {
  /** As the receiver would see it, with `/` between. */
  readonly name: string
  readonly why: string
}

/** The MIME type of a folder that is empty, as docs/files.md has it. */
export const folderType = 'inode/directory'

/** Folders one in the other, and characters of all their names, that the protocol allows. */
const mostFolders = 32
const mostCharacters = 1024

/** Whether there is a folder, or a link to one. */
export const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    found => found.isDirectory(),
    // Reading it tells what is wrong.
    () => false,
  )

/** Reads what there is in a folder, and below it. Links are not followed, so it is that and nothing else. */
export async function readTree(path: string): Promise<Tree> {
  const top = basename(resolve(path)) || 'files'
  const entries: TreeEntry[] = []
  const skipped: Omission[] = []
  const failed: Omission[] = []
  const waiting = [{ path, folder: '', name: top }]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const folder = next.folder === '' ? next.name : `${next.folder}/${next.name}`
    if (folder.split('/').length > mostFolders || folder.length > mostCharacters) {
      failed.push({ name: folder, why: `is deeper than ${mostFolders} folders, or its name too long` })
      continue
    }
    const folders: typeof waiting = []
    let isEmpty = true
    try {
      for await (const { name } of await opendir(next.path)) {
        isEmpty = false
        const path = join(next.path, name)
        const omit = (to: Omission[], why: string) => to.push({ name: `${folder}/${name}`, why })
        try {
          const found = await lstat(path)
          if (found.isDirectory()) folders.push({ path, folder, name })
          else if (found.isFile()) entries.push({ path, folder, name, isFolder: false, size: found.size })
          else omit(skipped, found.isSymbolicLink() ? 'is a link' : 'is neither a file nor a folder')
        } catch (error) {
          omit(failed, systemFailure('cannot be read', error).message)
        }
      }
    } catch (error) {
      failed.push({ name: folder, why: systemFailure('cannot be read', error).message })
      continue
    }
    if (isEmpty) entries.push({ ...next, isFolder: true, size: 0 })
    waiting.push(...folders)
  }
  const order = (a: TreeEntry, b: TreeEntry) => compare(a.folder, b.folder) || compare(a.name, b.name)
  const bytes = entries.reduce((sum, { size }) => sum + size, 0)
  return { name: top, entries: entries.sort(order), bytes, skipped, failed }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** A folder that is empty, to be sent. */
export const folderSource = (name: string): FileSource => ({
  name,
  size: 0,
  type: folderType,
  modified: undefined,
  read: async () => new Uint8Array(),
})

/** As people see it. */
export const shownName = ({ folder, name }: { readonly folder: string; readonly name: string }): string =>
  printable(folder === '' ? name : `${folder}/${name}`)
