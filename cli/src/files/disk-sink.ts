import { constants } from 'node:fs'
import { access, type FileHandle, mkdir, open, rm, statfs } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ParleyError } from '@parley/client'
import { type FileSink, safeFileName } from '@parley/client/files'
import { systemFailure } from '../failure.ts'
import { printable } from '../terminal.ts'
import { claim, inside, keep, syncFolder } from './free-names.ts'
import { numberedName } from './numbered-name.ts'
import type { Part } from './part-journal.ts'
import type { Parts } from './parts.ts'
import { openSubfolder } from './subfolder.ts'

/** A received file on the disk. Until it is complete, it is `name.part`. */
export interface DiskSink extends FileSink {
  /** Where it is; absolute. Undefined until it is complete. */
  readonly path: string | undefined
  /** What was left of it for another time, when it was aborted. */
  readonly left: PartOfFile | undefined
  /** Whether the same file was there before, and nothing has come. */
  readonly wasThere?: boolean
}

/** A part that stays, as people are told it. */
export interface PartOfFile {
  /** Absolute. */
  readonly path: string
  readonly bytes: number
}

/** Bytes that a name may have, so that " (9999)" and ".part" can be added. */
const nameBytes = 240

/** Bytes that are written at once: a call for each message costs more than the writing. */
const batchBytes = 512 * 1024

/** Bytes of a file for which it is looked for what programs have left that have ended since this one began. */
const worthASearch = 1024 * 1024

/** Bytes after which the disk is told to begin: else all of it would be left for the end, and the sender wait for it then. */
const syncBytes = 32 * 1024 * 1024

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

/** That a file has on the disk, if nothing else has it. */
export const safeName = (name: string): string => safeFileName(name, nameBytes)

/** A file that comes. */
export interface Arrival {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** The folders below which it is to be; none: it goes into the folder itself. */
  readonly folders?: readonly string[]
}

/**
 * Takes a file into the folder. What is there already stays: the name gets a number if need be. If a part of a file of that
 * name and size was left there, the sink has it as `earlier`.
 * @throws Error of Node, as ENOSPC if the disk has not so much space
 */
export async function diskSink(parts: Parts, { name, size, folders = [] }: Arrival): Promise<DiskSink> {
  const safe = safeName(name)
  const file = [...folders, safe].join('/')
  let left = await takeLeft(parts, file, size)
  if (!left && size >= worthASearch) {
    await parts.find()
    left = await takeLeft(parts, file, size)
  }
  const subfolder = left ? left.part.path.split('/').slice(0, -1) : await openSubfolder(parts.folder, folders)
  const folder = join(parts.folder, ...subfolder)
  /** A new part, which belongs to this program before anything is written to it. */
  const begin = async (): Promise<OpenPart> => {
    await assertSpace(folder, size)
    const { handle, name: taken } = await claim(folder, number => `${numberedName(safe, number)}.part`)
    try {
      const { ino } = await handle.stat()
      const part = { path: [...subfolder, taken].join('/'), file, size, ino }
      parts.add(part)
      return { handle, part, bytes: 0 }
    } catch (error) {
      await handle.close()
      await rm(inside(folder, taken), { force: true })
      throw error
    }
  }
  let { handle, part, bytes: position } = left ?? (await begin())
  let batch: Uint8Array<ArrayBuffer>[] = []
  let batched = 0
  let synced = 0
  let syncing: Promise<unknown> | undefined
  let flushing: Promise<void> | undefined
  let path: string | undefined
  let kept: PartOfFile | undefined
  /** Whether it is a part of this file: one that was left may be of another. */
  let isOwn = !left
  let isAborted = false

  async function remove(): Promise<void> {
    await handle.close().catch(() => {})
    if (!parts.has(part)) return
    await rm(parts.pathOf(part), { force: true })
    parts.drop(part)
  }

  async function flush(): Promise<void> {
    assertOurs(parts, part)
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
    get left() {
      return kept
    },
    earlier: left && {
      size: left.bytes,
      read: (offset, length) => readAll(left.handle, offset, length),
      async discard() {
        await left.handle.close()
        parts.leave(left.part, left.bytes)
        ;({ handle, part, bytes: position } = await begin())
        isOwn = true
        if (isAborted) await remove()
      },
    },
    write(bytes) {
      isOwn = true
      batch.push(bytes)
      batched += bytes.length
      if (batched < batchBytes) return undefined
      flushing = flush()
      return flushing
    },
    async finish() {
      await flush()
      await syncing
      // After a crash there is either the whole file or none.
      await handle.sync()
      await handle.close()
      assertOurs(parts, part)
      const name = await keep(parts.pathOf(part), folder, safe)
      parts.drop(part)
      await syncFolder(folder)
      path = inside(folder, name)
      return name
    },
    async abort(reason) {
      isAborted = true
      const mayGoOn = !isOwn || (reason instanceof ParleyError && reason.code === 'CHANNEL_CLOSED')
      batch = []
      if (mayGoOn) await flushing?.catch(() => {})
      await syncing
      if (!mayGoOn || position === 0) return remove()
      await handle.close().catch(() => {})
      if (isOwn && parts.has(part)) kept = { path: parts.pathOf(part), bytes: position }
      parts.leave(part, position)
    },
  }
}

interface OpenPart {
  readonly handle: FileHandle
  readonly part: Part
  /** That it has already. */
  readonly bytes: number
}

/** What was left of the file, open, if it still is what it was. */
async function takeLeft(parts: Parts, file: string, size: number): Promise<OpenPart | undefined> {
  for (let part = parts.take(file, size); part; part = parts.take(file, size)) {
    try {
      const handle = await open(parts.pathOf(part), constants.O_RDWR | (constants.O_NOFOLLOW ?? 0))
      const { ino, size: bytes } = await handle.stat()
      if (ino === part.ino && bytes <= size) return { handle, part, bytes }
      await handle.close()
    } catch {
      // It was removed, or may not be read: a new one is begun.
    }
    parts.drop(part)
  }
  return undefined
}

/** A program that was stopped for long, as a laptop that slept, may have lost it. */
function assertOurs(parts: Parts, part: Part): void {
  if (!parts.has(part)) throw new ParleyError('FILE_FAILED', 'Another program goes on with this file.')
}

/** What there is from `offset` on, up to `length` bytes. */
export async function readAll(handle: FileHandle, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length)
  const { bytesRead } = await handle.read(bytes, 0, length, offset)
  if (bytesRead === 0) throw new ParleyError('FILE_FAILED', 'The part of the file that was there has changed.')
  return bytes.subarray(0, bytesRead)
}

async function assertSpace(folder: string, size: number): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(folder)
  // Some file systems do not know.
  if (blocks > 0 && size > bavail * bsize) {
    throw Object.assign(new Error('There is not enough space on the disk.'), { code: 'ENOSPC' })
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
