import { constants, fstatSync, openSync, write } from 'node:fs'
import type { Cancel, Clock } from './clock.ts'
import { semaphore } from './resilience/semaphore.ts'

/** Bytes that may wait to be written. */
const mostBytes = 1024 * 1024
/** Lines are gathered until there are so many bytes, or for so many milliseconds: a write costs more than a line. */
const gatherBytes = 4096
const gatherFor = 100
/** Bytes in one write. */
const chunkBytes = 16 * 1024
/** Milliseconds after which a failed write is tried again: a full disk may have room by then, a full pipe earlier. */
const retryAfter = 1000
const retryFullPipeAfter = 50

/** Writes that may block for good come one after the other: the runtime has few threads, which tokens are checked on, too. */
const blockingWrites = semaphore(1)
const never = new AbortController().signal

/**
 * Lines on their way to a file descriptor, which may be a full disk, or a pipe that nobody reads or that is closed at its
 * other end. Nothing of that blocks or throws: what does not fit any more is dropped and counted.
 *
 * Each write is done by a thread of the runtime, which an exit does not wait for.
 */
export class LineOutput {
  /** Lines dropped since the start. */
  dropped = 0
  /** Of these, the lines that nobody was told of yet. */
  #untold = 0
  readonly #lines: string[] = []
  /** What is being written, as far as it has not been taken. */
  #chunk: Buffer = Buffer.alloc(0)
  /** All that waits, the chunk included. */
  #bytes = 0
  /** Lines are dropped until half of the room is free again, so that they are not dropped and taken in turns. */
  #isFull = false
  #isWriting = false
  /** The next write, while it is not to be made yet. */
  #planned: { cancel: Cancel; isRetry: boolean } | undefined
  readonly #waiters = new Set<() => void>()
  readonly #fd: number
  readonly #mayBlock: boolean

  /** @param notice the line that says how many were dropped, once there is room for it */
  constructor(
    fd: number,
    private readonly clock: Clock,
    private readonly notice: (dropped: number) => string,
  ) {
    const nonBlocking = opened(fd)
    this.#fd = nonBlocking ?? fd
    this.#mayBlock = nonBlocking === undefined
  }

  /** Takes a line with its end, to write it soon. Never throws. */
  write(line: string): void {
    this.#makeUp()
    const bytes = Buffer.byteLength(line)
    if (this.#isFull || this.#bytes + bytes > mostBytes) {
      this.#isFull = true
      this.drop()
      return
    }
    this.#lines.push(line)
    this.#bytes += bytes
    if (this.#bytes >= gatherBytes) this.#begin()
    else this.#plan(gatherFor, false)
  }

  /** Counts a line that is lost. */
  drop(): void {
    this.dropped++
    this.#untold++
  }

  /**
   * Resolves when all is written, at the first write that fails (a full pipe is waited for), or after so many milliseconds.
   * Never rejects.
   */
  flush(within: number): Promise<void> {
    if (this.#bytes === 0) return Promise.resolve()
    return new Promise(resolve => {
      const done = () => {
        cancel()
        this.#waiters.delete(done)
        resolve()
      }
      const cancel = this.clock.after(within, done)
      this.#waiters.add(done)
      this.#unplan()
      this.#begin()
    })
  }

  /** Takes lines again where there is room, and says how many are missing. */
  #makeUp(): void {
    if (this.#bytes > mostBytes / 2) return
    this.#isFull = false
    if (this.#untold === 0) return
    const notice = this.notice(this.#untold)
    this.#untold = 0
    this.#lines.push(notice)
    this.#bytes += Buffer.byteLength(notice)
  }

  #plan(ms: number, isRetry: boolean): void {
    if (this.#isWriting || this.#planned) return
    const cancel = this.clock.after(ms, () => {
      this.#planned = undefined
      this.#begin()
    })
    this.#planned = { cancel, isRetry }
  }

  #unplan(): void {
    this.#planned?.cancel()
    this.#planned = undefined
  }

  #begin(): void {
    if (this.#isWriting || this.#planned?.isRetry) return
    this.#unplan()
    if (this.#chunk.length === 0) this.#chunk = Buffer.from(this.#take())
    this.#isWriting = true
    if (this.#mayBlock) void blockingWrites(never).then(done => this.#writeChunk(done))
    else this.#writeChunk()
  }

  #writeChunk(done = () => {}): void {
    write(this.#fd, this.#chunk, (error, taken) => {
      done()
      this.#isWriting = false
      if (error) this.#failed(error)
      else this.#took(taken)
    })
  }

  /** The next lines, as many as go in one write. */
  #take(): string {
    let bytes = 0
    let count = 0
    for (const line of this.#lines) {
      bytes += Buffer.byteLength(line)
      if (count > 0 && bytes > chunkBytes) break
      count++
    }
    return this.#lines.splice(0, count).join('')
  }

  #took(bytes: number): void {
    this.#chunk = this.#chunk.subarray(bytes)
    this.#bytes -= bytes
    this.#makeUp()
    if (this.#bytes === 0) this.#settle()
    else if (this.#chunk.length > 0 || this.#bytes >= gatherBytes || this.#waiters.size > 0) this.#begin()
    else this.#plan(gatherFor, false)
  }

  #failed({ code }: NodeJS.ErrnoException): void {
    const isFullPipe = code === 'EAGAIN'
    if (!isFullPipe) this.#settle()
    this.#plan(isFullPipe ? retryFullPipeAfter : retryAfter, true)
  }

  #settle(): void {
    for (const done of [...this.#waiters]) done()
  }
}

/**
 * The same pipe or terminal, opened once more, so that a write to it fails where it would block. To make `fd` itself so would
 * make it so for every process that shares it. Undefined where that cannot be: for a socket, or the pipe of another user.
 */
function opened(fd: number): number | undefined {
  try {
    const stat = fstatSync(fd)
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return undefined
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return undefined
  }
}
