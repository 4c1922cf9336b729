/** In front of each body: its length (4 bytes), the type (1) and the handle (4), big endian. */
export const headerBytes = 9

/** Bytes of the longest body: a message of a peer, and what else a node says of it. */
export const longestBody = 1024 * 1024 + 64 * 1024

/** Takes one frame. @returns whether to go on */
export type TakeFrame = (type: number, handle: number, body: Buffer) => boolean

/** Cuts what comes over a wire into frames, however it was split on the way. Bodies are copied only where they were split. */
export class FrameReader {
  /** Bytes of a body that are taken. Nothing is kept for one that is longer. */
  longest: number
  readonly #header = Buffer.alloc(headerBytes)
  #headerLength = 0
  /** Where a body is put together. */
  #body: Buffer | undefined
  #bodyLength = 0

  constructor(
    longest: number,
    private readonly take: TakeFrame,
  ) {
    this.longest = longest
  }

  /** @returns false when a frame is too long; it is not to be called again then */
  push(chunk: Buffer): boolean {
    let at = 0
    while (at < chunk.length) {
      if (this.#headerLength > 0 || chunk.length - at < headerBytes) {
        at = this.#join(chunk, at)
        if (at < 0) return at === stopped
        continue
      }
      const length = chunk.readUInt32BE(at)
      if (length > this.longest) return false
      const start = at + headerBytes
      if (start + length > chunk.length) {
        at = this.#join(chunk, at)
        if (at < 0) return at === stopped
        continue
      }
      at = start + length
      if (!this.take(chunk.readUInt8(start - 5), chunk.readUInt32BE(start - 4), chunk.subarray(start, at))) return true
    }
    return true
  }

  /** Goes on with a frame that was split. @returns up to where the chunk was used, or why not to go on */
  #join(chunk: Buffer, from: number): number {
    let at = from
    if (this.#headerLength < headerBytes) {
      const copied = chunk.copy(this.#header, this.#headerLength, at)
      this.#headerLength += copied
      at += copied
      if (this.#headerLength < headerBytes) return at
    }
    const length = this.#header.readUInt32BE(0)
    if (length > this.longest) return tooLong
    this.#body ??= Buffer.allocUnsafeSlow(length)
    const copied = chunk.copy(this.#body, this.#bodyLength, at)
    this.#bodyLength += copied
    at += copied
    if (this.#bodyLength < length) return at
    const body = this.#body
    this.#body = undefined
    this.#bodyLength = this.#headerLength = 0
    return this.take(this.#header.readUInt8(4), this.#header.readUInt32BE(5), body) ? at : stopped
  }
}

const stopped = -1
const tooLong = -2
