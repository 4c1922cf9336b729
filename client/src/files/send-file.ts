import { pauseBefore } from '../backoff.ts'
import { type Clock, systemClock } from '../clock.ts'
import { ParleyError } from '../errors.ts'
import { type FileSource, fileSource } from './file-source.ts'
import { type OpenedChannel, outgoing } from './outgoing.ts'
import { fileProtocol } from './protocol.ts'
import { type Sha256, sha256 } from './sha256.ts'
import type { FileReceipt, TransferOptions, TransferStatus } from './transfer.ts'
import { notify } from './trouble.ts'

/** What a data channel for a file is opened with. */
export interface ChannelRequest {
  readonly label: string
  readonly protocol: typeof fileProtocol
  /** Aborted when nobody waits for the channel any more. */
  readonly signal: AbortSignal
}

/**
 * Opens a reliable, ordered data channel to the other peer, connecting anew if the connection has gone. Resolves when it
 * is open; its `close` event must come when its connection ends.
 * @throws ParleyError; one that is retryable, or that says that the peer is away, leads to another attempt
 */
export type OpenChannel = (request: ChannelRequest) => Promise<OpenedChannel>

/** What `sendFile` may be told. */
export interface SendFileOptions extends TransferOptions {
  /** Instead of that of the file; a Blob has none. */
  readonly name?: string
  /**
   * Of a file of a folder that is sent: the names of the folders above it, from that folder on, with `/` between; '' for a
   * folder without files, which is a source of 0 bytes and the type `inode/directory`.
   */
  readonly folder?: string
  /** Milliseconds without a connection after which there is no further attempt. Default: a minute. */
  readonly giveUpAfter?: number
  /** Default: one in JavaScript. That of `node:crypto` is several times as fast. */
  readonly sha256?: () => Sha256
  /** Default: that of the platform. */
  readonly clock?: Clock
  /** From 0 to 1. Default: `Math.random`. */
  readonly random?: () => number
}

/** What passes while a peer whose connection has dropped comes back. */
const passing: readonly string[] = ['CHANNEL_CLOSED', 'PEER_NOT_FOUND']

/**
 * Sends a file. Resolves when the other peer has all of it, has found it to be what was sent, and keeps it. If the
 * connection drops, it goes on from there when there is one again.
 * @throws ParleyError DECLINED, ABORTED (by either side), FILE_FAILED if either side cannot read or write it, CORRUPTED,
 *   TIMEOUT if nobody there decides; UNSUPPORTED if the receiver takes no files of folders; CHANNEL_CLOSED if the connection
 *   does not come back; what `open` throws
 */
export async function sendOver(
  open: OpenChannel,
  file: Blob | FileSource,
  options: SendFileOptions = {},
): Promise<FileReceipt> {
  const { signal, clock = systemClock, random = Math.random, giveUpAfter = 60_000, onProgress, folder } = options
  const source = 'read' in file ? file : fileSource(file)
  const report = (status: TransferStatus) =>
    notify(onProgress, { status, bytes: transfer.written(), size: source.size })
  const name = options.name ?? source.name
  const transfer = outgoing(source, { name, folder, sha256: options.sha256 ?? sha256, clock, report })

  /** Aborted when the transfer is over. */
  const over = new AbortController()
  const stopped = new Promise<never>((_, reject) => {
    over.signal.addEventListener('abort', () => reject(over.signal.reason))
  })
  // It is waited for only now and then.
  stopped.catch(() => {})
  const abort = () =>
    over.abort(new ParleyError('ABORTED', 'The sender has cancelled the file.', { cause: signal?.reason }))
  signal?.addEventListener('abort', abort, { signal: over.signal })
  if (signal?.aborted) abort()

  /** A data channel, after a pause. */
  const openAfter = async (pause: number): Promise<OpenedChannel> => {
    if (pause > 0)
      await new Promise<void>(resolve => over.signal.addEventListener('abort', clock.after(pause, resolve)))
    const opened = await open({ label: transfer.id, protocol: fileProtocol, signal: over.signal })
    if (over.signal.aborted) opened.channel.close()
    return opened
  }

  let attempt = 0
  let giveUpAt = clock.now() + giveUpAfter
  let last: unknown
  const giveUp = () =>
    over.abort(
      new ParleyError('CHANNEL_CLOSED', `There was no connection for the file for ${giveUpAfter / 1000} s.`, {
        retryable: true,
        cause: last,
      }),
    )
  try {
    for (;;) {
      over.signal.throwIfAborted()
      report('connecting')
      const steps = transfer.steps()
      const cancel = clock.after(giveUpAt - clock.now(), giveUp)
      let opened: OpenedChannel | undefined
      try {
        opened = await Promise.race([stopped, openAfter(pauseBefore(attempt++, random()))])
        cancel()
        return await transfer.over(opened, over.signal)
      } catch (error) {
        cancel()
        const { code, retryable } = error as ParleyError
        const mayGoOn = opened ? transfer.mayGoOn() : retryable || passing.includes(code)
        if (over.signal.aborted || !mayGoOn) throw error
        last = error
        // What has brought it further was a good connection; what does not must come to an end some time.
        if (transfer.steps() > steps) {
          attempt = 1
          giveUpAt = clock.now() + giveUpAfter
        }
      }
    }
  } finally {
    over.abort()
  }
}
