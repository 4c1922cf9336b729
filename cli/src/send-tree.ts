import { ParleyError } from '@parley/client'
import type { FileReceipt, FileSource } from '@parley/client/files'
import type { Turn } from './at-most.ts'
import { Failure } from './failure.ts'
import { diskSource } from './files/disk-source.ts'
import { folderSource, type Tree, type TreeEntry } from './files/tree.ts'
import type { SendOptions } from './means.ts'
import type { Transfers } from './transfers.ts'
import { shownTree } from './tree-transfer.ts'

/** What fails a file and says nothing of the others. */
const ofOneFile: readonly string[] = ['FILE_FAILED', 'CORRUPTED', 'DECLINED']

export interface TreeSending {
  readonly peer: string
  readonly transfers: Transfers
  readonly signal: AbortSignal
  /** Bounds how many files are open and on their way. */
  readonly turn: Turn
  /** @throws ParleyError */
  send(source: FileSource, options: SendOptions): Promise<FileReceipt>
}

/** Sends a folder. Whether the other peer keeps all of it that can be sent. */
export async function sendTree(tree: Tree, { peer, transfers, signal, turn, send }: TreeSending): Promise<boolean> {
  const shown = shownTree(tree, peer, transfers)
  /** Aborted when the rest makes no sense any more. */
  const stop = new AbortController()
  const abort = () => stop.abort()
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()

  const sendOne = async (entry: TreeEntry): Promise<void> => {
    if (stop.signal.aborted) return
    const { name, folder, size } = entry
    const one = transfers.begin({ direction: 'sending', peer, name, folder, size, isOneOfMany: true })
    let source: (FileSource & { close?(): Promise<void> }) | undefined
    try {
      source = entry.isFolder ? folderSource(name) : await diskSource(entry.path)
      const onProgress: SendOptions['onProgress'] = progress => {
        one.onProgress(progress)
        shown.onProgress(entry, progress)
      }
      one.kept(await send(source, { folder, signal: stop.signal, onProgress }))
      shown.sent(entry)
    } catch (error) {
      const isOfAll = error instanceof ParleyError && !ofOneFile.includes(error.code)
      // What has stopped all of them is told once.
      const isTold = isOfAll && stop.signal.aborted
      if (isOfAll) stop.abort()
      one.failed(withAdvice(error, tree), undefined, isTold)
      shown.failed(entry)
    } finally {
      await source?.close?.()
    }
  }

  await Promise.all(tree.entries.map(entry => turn(() => sendOne(entry))))
  signal.removeEventListener('abort', abort)
  return shown.end()
}

function withAdvice(error: unknown, { name }: Tree): unknown {
  if (!(error instanceof ParleyError) || error.code !== 'UNSUPPORTED') return error
  const advice = `Send an archive: tar c '${name}' | parley connect SESSION --send -`
  return new Failure(error.code, error.message, advice, { cause: error })
}
