import { headerBytes } from './frames.ts'

/** Bytes of the first chunk: enough for a handshake, which strangers may begin. */
const leastChunk = 1024
/** Bytes of the later ones. */
const mostChunk = 128 * 1024

interface Chunk {
  readonly buffer: Buffer
  start: number
  end: number
}

/** What takes bytes without waiting: a socket. */
export interface Sink {
  /** @returns how many it took, or -1 when it is closed */
  write(data: Uint8Array, offset: number, length: number): number
}

/** The frames that one wire has not yet been able to write, in order. Each body is copied once, to stand beside the others. */
export class Outbox {
  /** Bytes that wait, headers included. */
  waiting = 0
  #chunks: Chunk[] = []
  #chunkBytes = leastChunk

  /**
   * @param length bytes of the body in UTF-8
   * @throws RangeError when type or handle are none; nothing is added then
   */
  add(type: number, handle: number, body: string | Uint8Array, length: number): void {
    const size = headerBytes + length
    const chunk = this.#roomFor(size)
    const { buffer, end } = chunk
    buffer.writeUInt32BE(length, end)
    buffer.writeUInt8(type, end + 4)
    buffer.writeUInt32BE(handle, end + 5)
    if (typeof body === 'string') buffer.write(body, end + headerBytes, length, 'utf8')
    else buffer.set(body, end + headerBytes)
    chunk.end += size
    this.waiting += size
  }

  /** Writes until all is written or the sink takes no more. @returns false when it is closed */
  writeTo(sink: Sink): boolean {
    for (let chunk = this.#chunks[0]; chunk && this.waiting > 0; chunk = this.#chunks[0]) {
      const length = chunk.end - chunk.start
      const written = sink.write(chunk.buffer, chunk.start, length)
      if (written < 0) return false
      chunk.start += written
      this.waiting -= written
      if (written < length) return true
      // The last one is used again, if it is no bigger than usual.
      if (this.#chunks.length > 1 || chunk.buffer.length > mostChunk) this.#chunks.shift()
      else chunk.start = chunk.end = 0
    }
    return true
  }

  clear(): void {
    this.#chunks = []
    this.waiting = 0
  }

  #roomFor(size: number): Chunk {
    const last = this.#chunks.at(-1)
    if (last && last.buffer.length - last.end >= size) return last
    // An empty one that is too small is in nobody's way.
    if (last && last.end === 0) this.#chunks.pop()
    if (last) this.#chunkBytes = Math.min(mostChunk, this.#chunkBytes * 4)
    const chunk = { buffer: Buffer.allocUnsafeSlow(Math.max(size, this.#chunkBytes)), start: 0, end: 0 }
    this.#chunks.push(chunk)
    return chunk
  }
}
