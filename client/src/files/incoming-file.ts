import type { FileSink } from './file-sink.ts'
import type { FileReceipt, TransferOptions } from './transfer.ts'

/** A file that another peer offers. One of `blob`, `save` and `decline` is to be called, once. */
export interface IncomingFile {
  /** Who offers it. */
  readonly peerId: string
  /** As `safeFileName` makes it of what the other peer says. */
  readonly name: string
  /**
   * The folders above it, if it is of a folder that the other peer sends, from the outermost on. Each is as safe as `name`. A
   * folder without files comes as a file of 0 bytes and the type `inode/directory`. None without `folders` of `onFile`.
   */
  readonly folders: readonly string[]
  /** Bytes. It is not more that will arrive. */
  readonly size: number
  /** MIME type as the other peer says, '' if it does not. Content of another peer may be anything. */
  readonly type: string
  /** As the other peer says. */
  readonly modified: Date | undefined
  /** Aborted when the transfer fails, as when the sender cancels it: there is nothing to decide any more. */
  readonly signal: AbortSignal
  /** Takes it into memory. @throws ParleyError as `save` */
  blob(options?: TransferOptions): Promise<Blob>
  /**
   * Takes it, into a sink or a stream. Resolves when all of it is there, is what was sent, and the sender has been told; if
   * it fails, nothing of it is left in the sink.
   * @throws ParleyError ABORTED (by either side), FILE_FAILED if either side cannot read or write it, CORRUPTED;
   *   CHANNEL_CLOSED if the connection was lost and the sender has not come back
   */
  save(
    to:
      | FileSink
      | WritableStream<Uint8Array<ArrayBuffer>>
      | Promise<FileSink | WritableStream<Uint8Array<ArrayBuffer>>>,
    options?: TransferOptions,
  ): Promise<FileReceipt>
  /** Does not take it. @param reason a sentence that the other peer is told */
  decline(reason?: string): void
}

/**
 * Decides about a file. What it returns: if that is a promise, and it settles before one of the three was called, the file
 * is declined; else there is time, as to ask somebody.
 */
export type FileHandler = (file: IncomingFile) => unknown
