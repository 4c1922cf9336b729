import type { Clock } from '../clock.ts'
import { ParleyError } from '../errors.ts'
import { type Compared, compared } from './compared.ts'
import { blobSink, type FileSink, streamSink } from './file-sink.ts'
import type { IncomingFile } from './incoming-file.ts'
import { offered } from './offered.ts'
import { ackBytes, ackEvery, type Frame, type Offer, violation, windowBytes } from './protocol.ts'
import type { Sha256 } from './sha256.ts'
import type { FileReceipt, TransferOptions, TransferStatus } from './transfer.ts'
import { cannotKeep, couldNot, errorFrame, errorOf, isLost, lost, notify } from './trouble.ts'
import type { TakeTurn } from './turns.ts'
import type { Wire } from './wire.ts'

export interface IncomingParts {
  readonly sha256: () => Sha256
  readonly clock: Clock
  /** So many files of the peer at a time. */
  readonly takeTurn: TakeTurn
  /** Milliseconds without a connection after which the sender is not waited for any more. */
  readonly resumeWithin: number
  /** Milliseconds that the decision may take. */
  readonly decideWithin: number
  /** Whether files of folders are welcome. */
  readonly folders: boolean
  /** It is over. `outcome` is for the sender if it asks again; without one it may begin again. */
  settled(outcome: Frame | undefined): void
}

/** A file on its way from another peer, over as many channels as it takes. */
export interface Incoming extends IncomingFile {
  /** An error is how the transfer ends. */
  decline(reason?: string | ParleyError): void
  /** Goes on over this wire, on which the sender has just made this offer. */
  attach(wire: Wire, offer: Offer): void
  /** Ends it for both sides, unless it is too late. */
  end(error: ParleyError): void
}

const nothing = () => {}

export function incoming(peerId: string, offer: Offer, parts: IncomingParts): Incoming {
  const about = offered(peerId, offer, parts.folders)
  const { name, size, type } = about
  const { clock } = parts
  const gone = new AbortController()
  let resolve: (receipt: FileReceipt) => void
  let reject: (error: ParleyError) => void
  const result = new Promise<FileReceipt>((...settle) => {
    ;[resolve, reject] = settle
  })
  // Whoever takes the file is told; nobody has to.
  result.catch(nothing)

  let isDecided = false
  let onProgress: TransferOptions['onProgress']
  /** Where the content goes, once the file was taken. */
  let sink: FileSink | undefined
  /** The sink is being opened, or what it has already read or discarded. */
  let isPreparing = true
  /** What the sink has already and the sender has not been asked about. */
  let earlier: Compared | undefined
  /** Where the sender was asked. */
  let asked: Wire | undefined
  let hash = parts.sha256()
  /** Bytes that have arrived; the hash is that of these. */
  let received = 0
  /** Bytes that are in the sink. */
  let written = 0
  /** What has arrived and is not in the sink. */
  let queue: Uint8Array<ArrayBuffer>[] = []
  let isWriting = false
  /** To the sender, while there is a connection. */
  let line: Wire | undefined
  /** Bytes that the sender knows to be written, and when it was told; undefined until it may send, on this wire. */
  let told: number | undefined
  let toldAt = 0
  /** Ends the turn on this wire, or the waiting for it. */
  let leave: (() => void) | undefined
  /** What the hash must be. All content has come before it. */
  let digest: string | undefined
  /** It cannot be cancelled any more. */
  let isFinal = false
  let cancelTimer = nothing
  const cancelDecision = clock.after(parts.decideWithin, () =>
    end(new ParleyError('TIMEOUT', 'Nobody has decided about the file.')),
  )

  const report = (status: TransferStatus) => notify(onProgress, { status, bytes: written, size })

  const tell = () => {
    told = written
    toldAt = clock.now()
    report('transferring')
  }

  /** Goes on with what can be done now: that is writing, the end, or asking for more. */
  const proceed = () => {
    if (!sink || isPreparing || isWriting || isFinal) return
    if (queue.length > 0) void write(sink)
    else if (digest) void finish(sink, digest)
    else if (line && !leave) ask(line)
  }

  /** Tells the sender to send, when it is its turn. All that has arrived is written: so no more than a window ever waits. */
  const ask = (current: Wire) => {
    const turn = parts.takeTurn(() => {
      if (!earlier) return accept(current)
      asked = current
      current.send({ type: 'have', offset: earlier.size })
      report('waiting')
    })
    if (line === current) leave = turn
    else turn()
  }

  const accept = (current: Wire) => {
    current.send({ type: 'accept', offset: written })
    tell()
  }

  /** The sender has said what its file has where the sink has something already. */
  const match = async (current: Wire, { part, size, sha256, hash: running }: Compared, theirs: string) => {
    earlier = undefined
    if (sha256 === theirs) {
      hash = running
      received = written = size
    } else {
      isPreparing = true
      await part.discard()
      isPreparing = false
    }
    if (line === current && !isFinal) accept(current)
    else proceed()
  }

  const write = async (sink: FileSink) => {
    isWriting = true
    try {
      for (let bytes = queue.shift(); bytes; bytes = queue.shift()) {
        await sink.write(bytes)
        written += bytes.length
        if (told !== undefined && (written >= told + ackBytes || clock.now() >= toldAt + ackEvery)) {
          line?.send({ type: 'progress', offset: written })
          tell()
        }
      }
    } catch (cause) {
      failed(cause)
    }
    isWriting = false
    proceed()
  }

  const finish = async (sink: FileSink, sha256: string) => {
    isFinal = true
    try {
      if (hash.hex() !== sha256) throw new ParleyError('CORRUPTED', 'What has arrived is not what was sent.')
      await keep({ name: await sink.finish(), size, sha256 })
    } catch (cause) {
      void fail(couldNot(cannotKeep, cause))
    }
  }

  const keep = async (receipt: FileReceipt) => {
    const kept: Frame = { type: 'kept', name: receipt.name }
    parts.settled(kept)
    report('transferring')
    // A program that ends when this resolves would take the word with it.
    await detach(kept)
    resolve(receipt)
  }

  /** @param isKnown whether the sender has said so itself */
  const fail = async (error: ParleyError, isKnown = false) => {
    isFinal = true
    cancelDecision()
    // Whoever comes back after too long a time may begin again.
    parts.settled(isLost(error) ? undefined : errorFrame(error))
    const parted = detach(isKnown || isLost(error) ? undefined : error)
    gone.abort(error)
    queue = []
    try {
      await sink?.abort(error)
    } catch {
      // What could not be written can often not be removed either, and the first failure is the one to tell.
    }
    // Not before, as the program may end then.
    await parted
    reject(error)
  }

  const end = (error: ParleyError) => {
    if (!isFinal) void fail(error)
  }

  const failed = (cause: unknown) => end(couldNot(cannotKeep, cause))

  /** Nothing comes over this wire any more. */
  const detach = (farewell?: Frame | ParleyError): Promise<void> | undefined => {
    cancelTimer()
    const ended = line?.end(farewell)
    leave?.()
    line = leave = told = undefined
    return ended
  }

  const decide = () => {
    if (isDecided) return false
    cancelDecision()
    isDecided = true
    return true
  }

  const save: IncomingFile['save'] = async (to, options = {}) => {
    if (!decide()) throw new ParleyError('INVALID_ARGUMENT', 'The file was taken or declined before.')
    const { signal } = options
    onProgress = options.onProgress
    const cancel = () => {
      const { reason } = signal ?? {}
      end(
        isLost(reason) ? reason : new ParleyError('ABORTED', 'The receiver has cancelled the file.', { cause: reason }),
      )
    }
    signal?.addEventListener('abort', cancel)
    if (signal?.aborted) cancel()
    try {
      const opened = await to
      const made = 'getWriter' in opened ? streamSink(opened, name) : opened
      if (isFinal) await made.abort(gone.signal.reason)
      else {
        sink = made
        if (made.earlier && offer.resume) earlier = await compared(made.earlier, parts.sha256, gone.signal)
        else await made.earlier?.discard()
        isPreparing = false
        proceed()
      }
    } catch (cause) {
      failed(cause)
    }
    try {
      return await result
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  }

  return {
    ...about,
    signal: gone.signal,
    save,
    async blob(options) {
      const sink = blobSink(name, type)
      await save(sink, options)
      return sink.blob()
    },
    decline(reason = 'The other peer does not want the file.') {
      if (decide()) end(typeof reason === 'string' ? new ParleyError('DECLINED', reason) : reason)
    },
    end,
    attach(next, again) {
      if (again.name !== offer.name || again.size !== size || again.folder !== offer.folder) throw violation('offer')
      void detach()
      line = next
      line.hand({
        frame(frame) {
          if (frame.type === 'error' && !isFinal) void fail(errorOf(frame), true)
          if (frame.type === 'hash') {
            if (!earlier || asked !== next) throw violation('hash')
            match(next, earlier, frame.sha256).catch(failed)
          }
          if (frame.type !== 'done') return
          if (told === undefined || digest || received < size) throw violation('done')
          digest = frame.sha256
          proceed()
        },
        bytes(bytes) {
          if (told === undefined || digest) throw violation('content')
          received += bytes.length
          if (received > size) throw violation('size')
          if (received > told + windowBytes) throw violation('window')
          hash.update(bytes)
          queue.push(bytes)
          proceed()
        },
        drained: nothing,
        closed() {
          void detach()
          report('connecting')
          cancelTimer = clock.after(parts.resumeWithin, () => end(lost()))
        },
        broken: end,
      })
      line.send({ type: 'waiting', folders: parts.folders ? 1 : undefined })
      proceed()
    },
  }
}
