/** A file to be sent, wherever it is. */
export interface FileSource {
  /** Without folders. */
  readonly name: string
  /** Bytes. It does not change. */
  readonly size: number
  /** MIME type, '' if it is not known. */
  readonly type: string
  /** Milliseconds since the epoch, if that is known. */
  readonly modified: number | undefined
  /**
   * The `length` bytes at `offset`, all of which are within `size`. Asked for in order, one after the other, and again from
   * an earlier offset when the connection was lost.
   * @throws anything, if the file cannot be read, or is not any more what it was; a ParleyError to be told to both sides
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>
}

/** A source of a Blob, or of a File, which has a name. */
export function fileSource(blob: Blob & { readonly name?: string; readonly lastModified?: number }, name?: string) {
  return {
    name: name ?? blob.name ?? 'file',
    size: blob.size,
    type: blob.type,
    modified: blob.lastModified,
    async read(offset, length) {
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer())
    },
  } satisfies FileSource as FileSource
}
