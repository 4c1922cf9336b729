import { createWriteStream } from 'node:fs'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { ParleyError } from '@parley/client'
import type { FileSource } from '@parley/client/files'
import { Failure, systemFailure } from '../failure.ts'
import { printable } from '../terminal.ts'

/** A file of the disk, to be sent. */
export interface DiskSource extends FileSource {
  close(): Promise<void>
}

/** @throws Failure, if there is no such file, or it may not be read, or it is a folder or a device */
export async function diskSource(path: string): Promise<DiskSource> {
  const shown = printable(path)
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    throw systemFailure(`${shown} cannot be read`, error)
  }
  try {
    const before = await handle.stat()
    if (before.isDirectory())
      throw new Failure('EISDIR', `${shown} is a folder.`, 'Send an archive of it, as of “tar”.')
    if (!before.isFile()) throw new Failure('NOT_A_FILE', `${shown} is no file.`)
    return {
      name: basename(path),
      size: before.size,
      type: '',
      modified: before.mtimeMs,
      async read(offset, length) {
        const now = await handle.stat()
        if (now.size !== before.size || now.mtimeMs !== before.mtimeMs) throw changed()
        const bytes = new Uint8Array(length)
        for (let filled = 0; filled < length; ) {
          const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled)
          if (bytesRead === 0) throw changed()
          filled += bytesRead
        }
        return bytes
      },
      close: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error instanceof Failure ? error : systemFailure(`${shown} cannot be read`, error)
  }
}

/**
 * All of the standard input, as a file called `stdin`: it is kept on the disk first, since its size has to be known, and a
 * transfer may have to go back.
 * @throws Failure, if the disk cannot hold it; what `signal` is aborted with
 */
export async function inputSource(input: NodeJS.ReadableStream, signal: AbortSignal): Promise<DiskSource> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-stdin-'))
  try {
    const path = join(folder, 'stdin')
    await pipeline(input, createWriteStream(path, { mode: 0o600 }), { signal })
    return { ...(await diskSource(path)), modified: undefined }
  } catch (error) {
    if (signal.aborted || error instanceof Failure) throw error
    throw systemFailure('The standard input cannot be kept', error)
  } finally {
    // It is open, and so it is there until it is closed, however this program ends.
    await rm(folder, { recursive: true, force: true })
  }
}

const changed = () => new ParleyError('FILE_FAILED', 'The file has changed while it was sent.')
