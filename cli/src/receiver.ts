import { ParleyError } from '@parley/client'
import type { KeptFile } from './exec-hook.ts'
import { type DiskSink, diskSink } from './files/disk-sink.ts'
import type { Parts } from './files/parts.ts'
import { emptyFolderSink, treeSink } from './files/same-file.ts'
import { folderType } from './files/tree.ts'
import type { TakenFile } from './means.ts'
import type { Transfers } from './transfers.ts'

export interface ReceiverOptions {
  /** Those of the folder where the files go. */
  readonly parts: Parts
  readonly transfers: Transfers
  /** Ends what is under way; it may go on when this program is started again. */
  readonly signal: AbortSignal
  /** A file is complete and in its place. */
  readonly kept?: (file: KeptFile) => void
}

/** Keeps the files that come in a folder. */
export class Receiver {
  readonly #running = new Set<Promise<void>>()
  /** What ends those whose connection was lost, and resolves then, by what they are: a sender may have begun again. */
  readonly #waiting = new Map<string, () => Promise<void>>()
  #failures = 0
  #ended = 0
  #onEnded = () => {}

  /** Aborted with what the files end with when this program does: their senders may come again. */
  readonly #stopped = new AbortController()

  constructor(private readonly options: ReceiverOptions) {
    const stop = () => this.#stopped.abort(lost('This program has ended before all of the file was there.'))
    options.signal.addEventListener('abort', stop)
    if (options.signal.aborted) stop()
  }

  /** How many files have failed. */
  get failures(): number {
    return this.#failures
  }

  /** Resolves when so many have come, and are kept or have failed. */
  async taken(count: number): Promise<void> {
    while (this.#ended < count) {
      await new Promise<void>(resolve => {
        this.#onEnded = resolve
      })
    }
  }

  /** Takes it. */
  readonly take = (file: TakenFile): void => {
    const running = this.#receive(file).finally(() => {
      this.#running.delete(running)
      this.#ended++
      this.#onEnded()
    })
    this.#running.add(running)
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  async #receive(file: TakenFile): Promise<void> {
    const { transfers, kept } = this.options
    const { peerId: peer, name, folders, size } = file
    const isFolder = file.type === folderType && size === 0
    const shown = transfers.begin({ direction: 'receiving', peer, name, folder: folders.join('/'), size })
    const key = `${size} ${[...folders, name].join('/')}`
    const waiting = this.#waiting.get(key)
    /** Of this file alone. */
    const ending = new AbortController()
    const { signal } = ending
    const stop = () => ending.abort(this.#stopped.signal.reason)
    this.#stopped.signal.addEventListener('abort', stop)
    if (this.#stopped.signal.aborted) stop()
    let hasYielded = false
    let hasEnded = () => {}
    const ended = new Promise<void>(resolve => {
      hasEnded = resolve
    })
    const giveWay = () => {
      hasYielded = true
      ending.abort(lost('The sender has begun again.'))
      return ended
    }
    const opening = this.#open(file, isFolder, waiting)
    try {
      const receipt = await file.save(opening, {
        signal,
        onProgress: progress => {
          shown.onProgress(progress)
          if (progress.status === 'connecting') this.#waiting.set(key, giveWay)
          else if (this.#waiting.get(key) === giveWay) this.#waiting.delete(key)
        },
      })
      const { path = '', wasThere } = await opening
      shown.kept(receipt, path, wasThere)
      if (!isFolder && !wasThere) kept?.({ path, peer, sha256: receipt.sha256 })
    } catch (error) {
      if (!hasYielded) this.#failures++
      // If it failed before there was somewhere to write to, that is left.
      const sink = await opening.catch(() => undefined)
      await sink?.abort(error)
      shown.failed(error, sink?.left)
    } finally {
      if (this.#waiting.get(key) === giveWay) this.#waiting.delete(key)
      this.#stopped.signal.removeEventListener('abort', stop)
      hasEnded()
    }
  }

  /** @param giveWay ends a transfer of the same file that waits for its sender, so that this one may go on with its part */
  async #open(file: TakenFile, isFolder: boolean, giveWay: (() => Promise<void>) | undefined): Promise<DiskSink> {
    const { parts } = this.options
    await giveWay?.()
    if (isFolder) return emptyFolderSink(parts, file)
    return file.folders.length > 0 ? treeSink(parts, file) : diskSink(parts, file)
  }
}

/** Only the connection has failed: the file may go on. */
const lost = (sentence: string): ParleyError => new ParleyError('CHANNEL_CLOSED', sentence, { retryable: true })
