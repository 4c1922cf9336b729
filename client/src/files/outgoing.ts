import type { Clock } from '../clock.ts'
import { ParleyError } from '../errors.ts'
import { randomId } from '../random-id.ts'
import type { FileSource } from './file-source.ts'
import { chunkBytes, mostCharacters, type Offer, violation, windowBytes } from './protocol.ts'
import type { Sha256 } from './sha256.ts'
import type { FileReceipt, TransferStatus } from './transfer.ts'
import { couldNot, errorOf, lost } from './trouble.ts'
import { type FileChannel, wire } from './wire.ts'

/** A data channel that has opened, for one file. */
export interface OpenedChannel {
  readonly channel: FileChannel
  /** Bytes, as `RTCSctpTransport.maxMessageSize`. */
  readonly maxMessageSize?: number | undefined
}

/** One file on its way to another peer, over as many channels as it takes. */
export interface Outgoing {
  readonly id: string
  /** Bytes that the receiver is known to have. */
  written(): number
  /** More than before whenever the other side has answered for the first time, or has written more. */
  steps(): number
  /** Whether it was only the channel that has failed: the transfer may go on over another one. */
  mayGoOn(): boolean
  /**
   * Sends it, or the rest of it, over a channel, and closes that.
   * @param stop whose reason is a ParleyError, which the other side is told
   * @throws ParleyError
   */
  over(channel: OpenedChannel, stop: AbortSignal): Promise<FileReceipt>
}

export interface OutgoingParts {
  readonly name: string
  readonly folder: string | undefined
  readonly sha256: () => Sha256
  readonly clock: Clock
  report(status: TransferStatus): void
}

/** Bytes that are read at once. While they are sent, as many are read ahead. */
const blockBytes = 1024 * 1024

/** Milliseconds that the first word of the other side may take. It has nothing to decide before. */
const answerWithin = 15_000

const nothing = () => {}

const noFolders = () => new ParleyError('UNSUPPORTED', 'The receiver takes no files of folders.')

export function outgoing(source: FileSource, { name, folder, sha256, clock, report }: OutgoingParts): Outgoing {
  const { size, type, modified } = source
  const offer: Offer = {
    type: 'offer',
    id: randomId(),
    // The end, which has the extension.
    name: name.slice(-mostCharacters),
    size,
    mime: type.slice(0, mostCharacters),
    modified: modified && Math.max(0, Math.floor(modified)),
    resume: 1,
    folder,
  }
  const hash = sha256()
  /** Bytes that were sent, over whatever channel, or compared. The hash is that of these: each is counted once. */
  let reached = 0
  let written = 0
  let steps = 0
  let digest: string | undefined
  /** Channels that were closed without an answer. */
  let unanswered = 0
  let mayGoOn = false

  const readAt = async (offset: number, end = size): Promise<Uint8Array<ArrayBuffer> | undefined> => {
    if (offset === end) return undefined
    const block = await source.read(offset, Math.min(blockBytes, end - offset))
    if (block.length === 0) throw new ParleyError('FILE_FAILED', 'The file has become shorter.')
    return block
  }

  /** @param end of these bytes within the file */
  const count = (bytes: Uint8Array, end: number) => {
    if (end <= reached) return
    hash.update(bytes.subarray(Math.max(0, bytes.length - end + reached)))
    reached = end
  }

  const over = ({ channel, maxMessageSize }: OpenedChannel, stop: AbortSignal) =>
    new Promise<FileReceipt>((resolve, reject) => {
      const chunk = Math.min(chunkBytes, maxMessageSize || chunkBytes)
      let isAccepted = false
      let isCompared = false
      let isOver = false
      /** What is sent next. */
      let position = 0
      let wake = nothing
      mayGoOn = false

      const finish = (farewell?: ParleyError): Promise<void> => {
        isOver = true
        cancelTimer()
        stop.removeEventListener('abort', onStop)
        wake()
        return line.end(farewell)
      }
      /** The other side is told before anybody here is, as the program may end then. */
      const fail = (error: ParleyError) => void finish(error).then(() => reject(error))
      /** The other side knows, or cannot be told. */
      const give = (error: ParleyError) => {
        void finish()
        reject(error)
      }
      const onStop = () => fail(stop.reason)
      const unreadable = (cause: unknown) => isOver || fail(couldNot('The sender could not read the file', cause))

      const hear = (offset: number) => {
        written = offset
        report('transferring')
        wake()
      }

      const line = wire(channel, clock, {
        frame(frame) {
          cancelTimer()
          steps ||= 1
          if (frame.type === 'waiting') {
            if (folder !== undefined && !frame.folders) return fail(noFolders())
            report('waiting')
          }
          if (frame.type === 'have') {
            if (isAccepted || isCompared || frame.offset > size) throw violation('have')
            isCompared = true
            compare(frame.offset).catch(unreadable)
          }
          if (frame.type === 'accept') {
            if (isAccepted || frame.offset > reached) throw violation('accept')
            isAccepted = true
            position = frame.offset
            hear(position)
            send().catch(unreadable)
          }
          if (frame.type === 'progress') {
            if (!isAccepted || frame.offset < written || frame.offset > position) throw violation('progress')
            steps++
            hear(frame.offset)
          }
          if (frame.type === 'kept') {
            if (!digest) throw violation('kept')
            void finish()
            hear(size)
            resolve({ name: frame.name, size, sha256: digest })
          }
          if (frame.type === 'error') give(errorOf(frame))
        },
        bytes() {
          throw violation('content')
        },
        drained: () => wake(),
        closed() {
          // A peer that takes no files closes the channel. That a connection drops just then does not happen twice.
          mayGoOn = steps > 0 || ++unanswered < 2
          give(mayGoOn ? lost() : new ParleyError('DECLINED', 'The other peer takes no files.'))
        },
        broken: fail,
      })

      /** Says what the receiver would have, if it had the begin of this file up to there. */
      const compare = async (end: number) => {
        const begin = sha256()
        for (let at = 0; ; ) {
          const block = await readAt(at, end)
          if (isOver) return
          if (!block) break
          at += block.length
          begin.update(block)
          count(block, at)
        }
        line.send({ type: 'hash', sha256: begin.hex() })
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
            count(bytes, position)
          }
        }
        digest ??= hash.hex()
        line.send({ type: 'done', sha256: digest })
      }

      const cancelTimer = clock.after(answerWithin, () => {
        // One that has answered before is away. One that never has, on a channel that is open, does not know how to.
        mayGoOn = steps > 0
        give(new ParleyError('TIMEOUT', 'The other peer does not answer.', { retryable: false }))
      })
      stop.addEventListener('abort', onStop)
      if (stop.aborted) onStop()
      else line.send(offer)
    })

  return { id: offer.id, written: () => written, steps: () => steps, mayGoOn: () => mayGoOn, over }
}
