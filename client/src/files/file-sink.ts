/** What a sink has of a file from an earlier transfer that was cut off. */
export interface EarlierPart {
  /** Bytes. No more than the file has. */
  readonly size: number
  /** The `length` bytes at `offset`, all of which are within `size`. Asked for in order. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>
  /** It is not the begin of this file, or nobody can tell: the file is written from its start. Called before `write`. */
  discard(): Promise<void>
}

/** Where a received file goes. Each call waits for the one before it, except `abort`. */
export interface FileSink {
  /**
   * What may be the begin of the file. If the sender has the same there (by SHA-256), only the rest comes, and is written
   * behind it.
   */
  readonly earlier?: EarlierPart | undefined
  /**
   * Adds to the end; what it returns is waited for, which makes the sender wait, too. The bytes may be kept.
   * @throws anything, as Node's and the browsers' errors, of which both sides are told the cause but not the sentence; a
   *   ParleyError to be told to both sides as it is
   */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> | void
  /** All bytes were written and are those that were sent. Resolves with the name under which they are kept. */
  finish(): Promise<string>
  /**
   * There will be no more of it: nothing shall be left, unless it is to be an `earlier` part some time: the reason is a
   * ParleyError, CHANNEL_CLOSED if the connection was lost. May be called while `write` is not done, which may then fail.
   */
  abort(reason: unknown): Promise<void>
}

/** A stream that closes with the file, as of `FileSystemFileHandle.createWritable`. */
export function streamSink(stream: WritableStream<Uint8Array<ArrayBuffer>>, name: string): FileSink {
  const writer = stream.getWriter()
  // Whoever writes learns it.
  writer.closed.catch(() => {})
  return {
    write: bytes => writer.write(bytes),
    async finish() {
      await writer.close()
      return name
    },
    abort: reason => writer.abort(reason),
  }
}

/** The sink for what a program saves a file to. */
export const sinkOf = (to: FileSink | WritableStream<Uint8Array<ArrayBuffer>>, name: string): FileSink =>
  'getWriter' in to ? streamSink(to, name) : to

/** Has a sink forget the file. What could not be written can often not be removed either, and the first failure is the one to tell. */
export async function discard(sink: FileSink | undefined, reason: unknown): Promise<void> {
  try {
    await sink?.abort(reason)
  } catch {}
}

/** Bytes after which a part of the file becomes a Blob: browsers keep those out of memory if there are many. */
const partBytes = 8 * 1024 * 1024

/** Collects the file; `blob` has all that was written. */
export function blobSink(name: string, type: string): FileSink & { blob(): Blob } {
  const parts: Blob[] = []
  let chunks: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  const pack = () => {
    parts.push(new Blob(chunks))
    chunks = []
    size = 0
  }
  return {
    write(bytes) {
      chunks.push(bytes)
      size += bytes.length
      if (size >= partBytes) pack()
    },
    finish: async () => name,
    async abort() {
      parts.length = chunks.length = 0
    },
    blob() {
      pack()
      return new Blob(parts, { type })
    },
  }
}
