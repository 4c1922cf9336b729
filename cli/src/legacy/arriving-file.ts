import { ParleyError } from '@parley/client'
import type { FileReceipt, FileSink, Sha256, TransferOptions } from '@parley/client/files'
import type { TakenFile } from '../means.ts'

/** One file that arrives as deployed programs send it. The sender has no way to be told what becomes of it. */
export class ArrivingFile implements TakenFile {
  readonly folders = []
  readonly type = ''
  #received = 0
  #options: TransferOptions = {}
  /** What is to be done with it, one after the other; rejects once something could not be done. */
  #work: Promise<FileSink> | undefined
  #settle: { resolve(receipt: FileReceipt): void; reject(error: ParleyError): void } = { resolve() {}, reject() {} }

  constructor(
    readonly peerId: string,
    readonly name: string,
    readonly size: number,
    private readonly hash: Sha256,
  ) {}

  save(to: FileSink | Promise<FileSink>, options: TransferOptions = {}): Promise<FileReceipt> {
    this.#options = options
    // Such a sender sends all of it.
    this.#work = Promise.resolve(to).then(async sink => {
      await sink.earlier?.discard()
      return sink
    })
    // It is told at the end.
    this.#work.catch(() => {})
    options.signal?.addEventListener('abort', () => this.fail('The receiver has cancelled the file.', 'ABORTED'))
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
  }

  push(chunk: Uint8Array<ArrayBuffer>): void {
    this.#received += chunk.length
    const work = this.#work
    // Beyond what was announced nothing is written: the end will show it.
    if (!work || this.#received > this.size) return
    this.hash.update(chunk)
    this.#work = work.then(async sink => {
      await sink.write(chunk)
      return sink
    })
    this.#work.catch(() => {})
    this.#options.onProgress?.({ status: 'transferring', bytes: this.#received, size: this.size })
  }

  /** All that the sender has to say has come. */
  async end(): Promise<void> {
    if (this.#received !== this.size) {
      this.fail(`${this.#received} bytes arrived instead of ${this.size}.`)
      return
    }
    try {
      const sink = await this.#work
      if (sink) this.#settle.resolve({ name: await sink.finish(), size: this.size, sha256: this.hash.hex() })
    } catch (cause) {
      // What went wrong with a disk has a code, which whoever saves it explains.
      this.#settle.reject(cause as ParleyError)
    }
  }

  /** There will be no more of it. Whoever saves it sees to what there is already. */
  fail(sentence: string, code = 'FILE_FAILED'): void {
    this.#work = undefined
    this.#settle.reject(new ParleyError(code, sentence))
  }
}
