import { constants } from 'node:fs'
import { access, type FileHandle, link, mkdir, open, rename, rm, statfs } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { ParleyError } from '@parley/client'
import { type FileSink, safeFileName } from '@parley/client/files'
import { systemFailure } from '../failure.ts'
import { systemCode } from '../system-errors.ts'
import { printable } from '../terminal.ts'
import { numberedName } from './numbered-name.ts'

/** A received file on the disk. Until it is complete, it is `name.part`. */
export interface DiskSink extends FileSink {
  /** Where it is; absolute. Undefined until it is complete. */
  readonly path: string | undefined
}

/** Bytes that a name may have, so that " (9999)" and ".part" can be added. */
const nameBytes = 240

/** Names that are tried, before somebody is told to tidy up. */
const mostNumbers = 10_000

/** Bytes that are written at once: a call for each message costs more than the writing. */
const batchBytes = 512 * 1024

/** Bytes after which the disk is told to begin: else all of it would be left for the end, and the sender wait for it then. */
const syncBytes = 32 * 1024 * 1024

/** What file systems without hard links, or without this right, answer to `link`. */
const noLinks: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV']

/** The folder for received files, made if need be. @throws Failure, if nothing can be written there */
export async function openFolder(path: string): Promise<string> {
  const folder = resolve(path)
  try {
    await mkdir(folder, { recursive: true })
    await access(folder, constants.W_OK | constants.X_OK)
    return folder
  } catch (error) {
    throw systemFailure(`Files cannot be kept in ${printable(folder)}`, error, 'Name another folder with --folder.')
  }
}

/**
 * Takes a file of that name and size into the folder. What is there already stays: the name gets a number if need be.
 * @param folder absolute
 * @throws Error of Node, as ENOSPC if the disk has not so much space
 */
export async function diskSink(folder: string, name: string, size: number): Promise<DiskSink> {
  const safe = safeFileName(name, nameBytes)
  await assertSpace(folder, size)
  const { handle, path: part } = await claim(folder, number => `${numberedName(safe, number)}.part`)
  let batch: Uint8Array<ArrayBuffer>[] = []
  let batched = 0
  let position = 0
  let synced = 0
  let syncing: Promise<unknown> | undefined
  let path: string | undefined

  async function flush(): Promise<void> {
    let buffers = batch
    batch = []
    batched = 0
    while (buffers.length > 0) {
      const { bytesWritten } = await handle.writev(buffers, position)
      position += bytesWritten
      buffers = behind(buffers, bytesWritten)
    }
    if (syncing || position - synced < syncBytes) return
    synced = position
    // What fails here fails again at the end.
    syncing = handle
      .datasync()
      .catch(() => {})
      .finally(() => {
        syncing = undefined
      })
  }

  return {
    get path() {
      return path
    },
    write(bytes) {
      batch.push(bytes)
      batched += bytes.length
      return batched >= batchBytes ? flush() : undefined
    },
    async finish() {
      await flush()
      await syncing
      // After a crash there is either the whole file or none.
      await handle.sync()
      await handle.close()
      const kept = await keep(part, folder, safe)
      await syncFolder(folder)
      path = inside(folder, kept)
      return kept
    },
    async abort() {
      batch = []
      await syncing
      await handle.close().catch(() => {})
      await rm(part, { force: true })
    },
  }
}

/** Opens a new file under the first of these names that is free. Links are not followed. */
async function claim(
  folder: string,
  nameOf: (number: number) => string,
): Promise<{ handle: FileHandle; path: string }> {
  return firstFree(async number => {
    const path = inside(folder, nameOf(number))
    return { handle: await open(path, 'wx'), path }
  })
}

/** Gives the complete file its name, the first that is free, in one step. Resolves with it. */
async function keep(part: string, folder: string, name: string): Promise<string> {
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
function inside(folder: string, name: string): string {
  const path = join(folder, name)
  const begin = folder.endsWith(sep) ? folder : folder + sep
  if (path !== begin + name || /[/\\\0]/.test(name)) {
    throw new ParleyError('FILE_FAILED', 'A file of that name cannot be kept.')
  }
  return path
}

async function assertSpace(folder: string, size: number): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(folder)
  // Some file systems do not know.
  if (blocks > 0 && size > bavail * bsize) {
    throw Object.assign(new Error('There is not enough space on the disk.'), { code: 'ENOSPC' })
  }
}

/** Makes sure that the new name survives a crash, where the system can do that. */
async function syncFolder(folder: string): Promise<void> {
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

/** What is left of the buffers behind so many bytes. */
function behind(buffers: readonly Uint8Array<ArrayBuffer>[], bytes: number): Uint8Array<ArrayBuffer>[] {
  let skip = bytes
  const left: Uint8Array<ArrayBuffer>[] = []
  for (const buffer of buffers) {
    if (skip < buffer.length) left.push(buffer.subarray(skip))
    skip = Math.max(0, skip - buffer.length)
  }
  return left
}
