import { pauseBefore } from '../backoff.ts'
import { type Clock, systemClock } from '../clock.ts'
import { ParleyError } from '../errors.ts'
import { randomId } from '../random-id.ts'
import { type FileSource, fileSource } from './file-source.ts'
import { chunkBytes, fileProtocol, mostCharacters, type Offer, violation, windowBytes } from './protocol.ts'
import { type Sha256, sha256 } from './sha256.ts'
import type { FileReceipt, TransferOptions, TransferStatus } from './transfer.ts'
import { couldNot, errorOf, lost, notify } from './trouble.ts'
import { type FileChannel, wire } from './wire.ts'

/** What a data channel for a file is opened with. */
export interface ChannelRequest {
  readonly label: string
  readonly protocol: typeof fileProtocol
  /** Aborted when nobody waits for the channel any more. */
  readonly signal: AbortSignal
}

/** A data channel that has opened, for one file. */
export interface OpenedChannel {
  readonly channel: FileChannel
  /** Bytes, as `RTCSctpTransport.maxMessageSize`. */
  readonly maxMessageSize?: number | undefined
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
  /** Milliseconds without a connection after which there is no further attempt. Default: a minute. */
  readonly giveUpAfter?: number
  /** Default: that of the room. */
  readonly sha256?: () => Sha256
  /** Default: that of the room. */
  readonly clock?: Clock
  /** From 0 to 1. Default: that of the room. */
  readonly random?: () => number
}

/** Bytes that are read at once. While they are sent, as many are read ahead. */
const blockBytes = 1024 * 1024

/** Milliseconds that the first word of the other side may take. It has nothing to decide before. */
const answerWithin = 15_000

/** What passes while a peer whose connection has dropped comes back. */
const passing: readonly string[] = ['CHANNEL_CLOSED', 'PEER_NOT_FOUND']

const nothing = () => {}

/**
 * Sends a file. Resolves when the other peer has all of it, has found it to be what was sent, and keeps it. If the
 * connection drops, it goes on from there when there is one again.
 * @throws ParleyError DECLINED, ABORTED (by either side), FILE_FAILED if either side cannot read or write it, CORRUPTED,
 *   TIMEOUT if nobody there decides; CHANNEL_CLOSED if the connection does not come back; what `open` throws
 */
export async function sendOver(
  open: OpenChannel,
  file: Blob | FileSource,
  options: SendFileOptions = {},
): Promise<FileReceipt> {
  const { signal, clock = systemClock, random = Math.random, giveUpAfter = 60_000, onProgress } = options
  const source = 'read' in file ? file : fileSource(file)
  const { size, type, modified } = source
  const offer: Offer = {
    type: 'offer',
    id: randomId(),
    // The end, which has the extension.
    name: (options.name ?? source.name).slice(-mostCharacters),
    size,
    mime: type.slice(0, mostCharacters),
    modified: modified && Math.max(0, Math.floor(modified)),
  }
  const hash = (options.sha256 ?? sha256)()
  let digest: string | undefined
  /** Bytes that were sent, over whatever channel. The hash is that of these: each is counted once. */
  let reached = 0
  /** Bytes that the receiver is known to have. */
  let written = 0
  /** More than before whenever the other side has answered for the first time, or has written more. */
  let steps = 0
  /** Channels that were closed without an answer. */
  let unanswered = 0
  const report = (status: TransferStatus) => notify(onProgress, { status, bytes: written, size })

  /** Aborted when the transfer is over. */
  const over = new AbortController()
  /** Ends what is going on. */
  let interrupt: (error: ParleyError) => void = nothing
  const stop = (error: ParleyError) => {
    over.abort(error)
    interrupt(error)
  }

  /** A data channel, after a pause. */
  const opened = (pause: number) =>
    new Promise<OpenedChannel>((resolve, reject) => {
      interrupt = reject
      const act = async () => {
        const opened = await open({ label: offer.id, protocol: fileProtocol, signal: over.signal })
        if (over.signal.aborted) opened.channel.close()
        resolve(opened)
      }
      if (pause > 0)
        over.signal.addEventListener(
          'abort',
          clock.after(pause, () => act().catch(reject)),
        )
      else act().catch(reject)
    })

  /** Sends the file, or the rest of it, over a channel, and closes that. */
  const sendOver = ({ channel, maxMessageSize }: OpenedChannel) =>
    new Promise<FileReceipt>((resolve, reject) => {
      const chunk = Math.min(chunkBytes, maxMessageSize || chunkBytes)
      let isAccepted = false
      let isOver = false
      /** What is sent next. */
      let position = 0
      let wake = nothing

      const finish = (farewell?: ParleyError) => {
        isOver = true
        cancelTimer()
        line.end(farewell)
        wake()
      }
      /** The other side is told, if it can be. */
      const fail = (error: ParleyError) => {
        finish(error)
        reject(error)
      }
      interrupt = fail

      const hear = (offset: number) => {
        written = offset
        report('transferring')
        wake()
      }

      const line = wire(channel, {
        frame(frame) {
          cancelTimer()
          steps ||= 1
          if (frame.type === 'waiting') report('waiting')
          if (frame.type === 'accept') {
            if (isAccepted || frame.offset > reached) throw violation('accept')
            isAccepted = true
            position = frame.offset
            hear(position)
            send().catch(cause => isOver || fail(couldNot('The sender could not read the file', cause)))
          }
          if (frame.type === 'progress') {
            if (!isAccepted || frame.offset < written || frame.offset > position) throw violation('progress')
            steps++
            hear(frame.offset)
          }
          if (frame.type === 'kept') {
            if (!digest) throw violation('kept')
            finish()
            hear(size)
            resolve({ name: frame.name, size, sha256: digest })
          }
          if (frame.type === 'error') fail(errorOf(frame))
        },
        bytes() {
          throw violation('content')
        },
        drained: () => wake(),
        closed() {
          // A peer that takes no files closes the channel; that a connection drops just then does not happen twice.
          const isUnwanted = steps === 0 && ++unanswered > 1
          fail(isUnwanted ? new ParleyError('DECLINED', 'The other peer takes no files.') : lost())
        },
        broken: fail,
      })

      const readAt = async (offset: number): Promise<Uint8Array<ArrayBuffer> | undefined> => {
        if (offset === size) return undefined
        const block = await source.read(offset, Math.min(blockBytes, size - offset))
        if (block.length === 0) throw new ParleyError('FILE_FAILED', 'The file has become shorter.')
        return block
      }

      const send = async () => {
        let next = readAt(position)
        for (let block = await next; block; block = await next) {
          next = readAt(position + block.length)
          // If this is over before it is asked for, nobody wants to know.
          next.catch(nothing)
          for (let at = 0; at < block.length; at += chunk) {
            while (!isOver && (line.isFull() || position > written + windowBytes - chunk)) {
              await new Promise<void>(resolve => {
                wake = resolve
              })
            }
            if (isOver) return
            const bytes = block.subarray(at, at + chunk)
            line.send(bytes)
            position += bytes.length
            hash.update(bytes.subarray(Math.max(0, bytes.length - position + reached)))
            reached = Math.max(reached, position)
          }
        }
        digest ??= hash.hex()
        line.send({ type: 'done', sha256: digest })
      }

      const cancelTimer = clock.after(answerWithin, () => {
        // Nothing for the other side, as it may be only this channel that has failed.
        finish()
        // One that has answered before is away. One that never has, on a channel that is open, does not know how to.
        reject(new ParleyError('TIMEOUT', 'The other peer does not answer.', { retryable: steps > 0 }))
      })
      if (over.signal.aborted) fail(over.signal.reason)
      else line.send(offer)
    })

  const abort = () => stop(new ParleyError('ABORTED', 'The sender has cancelled the file.', { cause: signal?.reason }))
  signal?.addEventListener('abort', abort, { signal: over.signal })
  if (signal?.aborted) abort()

  let attempt = 1
  let giveUpAt = clock.now() + giveUpAfter
  let last: unknown
  try {
    for (;;) {
      over.signal.throwIfAborted()
      const before = steps
      report('connecting')
      const cancel = clock.after(giveUpAt - clock.now(), () =>
        stop(
          new ParleyError('CHANNEL_CLOSED', `There was no connection for the file for ${giveUpAfter / 1000} s.`, {
            retryable: true,
            cause: last,
          }),
        ),
      )
      try {
        const channel = await opened(pauseBefore(attempt++, random())).finally(cancel)
        return await sendOver(channel)
      } catch (error) {
        last = error
        const { code, retryable } = error as ParleyError
        if (over.signal.aborted || !(retryable || passing.includes(code))) throw error
        // What has brought it further was a good connection; what does not must come to an end some time.
        if (steps > before) {
          attempt = 1
          giveUpAt = clock.now() + giveUpAfter
        }
      }
    }
  } finally {
    over.abort()
  }
}
