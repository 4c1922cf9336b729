import { constants } from 'node:fs'
import { type FileHandle, lstat, open } from 'node:fs/promises'
import { join } from 'node:path'
import { type Arrival, type DiskSink, diskSink, readAll, safeName } from './disk-sink.ts'
import type { Parts } from './parts.ts'
import { openSubfolder } from './subfolder.ts'

/**
 * Takes a file of a folder. If the same one is there already, it is not sent: so a folder that has come in part may be sent
 * again. Else it is as with any other file.
 * @throws Error of Node
 */
export async function treeSink(parts: Parts, file: Arrival): Promise<DiskSink> {
  const { name, size, folders = [] } = file
  const safe = safeName(name)
  const folder = join(parts.folder, ...(await openSubfolder(parts.folder, folders)))
  const path = join(folder, safe)
  const handle = parts.hasLeft([...folders, safe].join('/'), size) ? undefined : await openSame(path, size)
  if (!handle) return diskSink(parts, file)
  let sink: DiskSink | undefined
  let aborted: { readonly reason: unknown } | undefined
  return {
    get path() {
      return sink ? sink.path : path
    },
    get left() {
      return sink?.left
    },
    get wasThere() {
      return !sink
    },
    earlier: {
      size,
      read: (offset, length) => readAll(handle, offset, length),
      async discard() {
        await handle.close()
        sink = await diskSink(parts, file)
        await sink.earlier?.discard()
        if (aborted) await sink.abort(aborted.reason)
      },
    },
    write: bytes => sink?.write(bytes),
    async finish() {
      if (sink) return sink.finish()
      await handle.close()
      return safe
    },
    async abort(reason) {
      aborted = { reason }
      await (sink ? sink.abort(reason) : handle.close().catch(() => {}))
    },
  }
}

async function openSame(path: string, size: number): Promise<FileHandle | undefined> {
  try {
    const found = await lstat(path)
    if (!found.isFile() || found.size !== size) return undefined
    return await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  } catch {
    // There is none, or it may not be read: then it is another one.
    return undefined
  }
}

/** Makes a folder that is empty. */
export function emptyFolderSink(parts: Parts, { name, folders = [] }: Arrival): DiskSink {
  let path: string | undefined
  return {
    get path() {
      return path
    },
    left: undefined,
    write() {},
    async finish() {
      const names = await openSubfolder(parts.folder, [...folders, safeName(name)])
      path = join(parts.folder, ...names)
      return names.at(-1) ?? name
    },
    async abort() {},
  }
}
