import { ParleyError } from '../errors.ts'
import { type Compared, compared } from './compared.ts'
import { blobSink, discard, type FileSink, sinkOf } from './file-sink.ts'
import type { IncomingFile } from './incoming-file.ts'
import type { Incoming, IncomingParts } from './incoming-types.ts'
import { type Intake, take } from './intake.ts'
import { offered } from './offered.ts'
import { ackBytes, ackEvery, type Frame, type Offer, violation, windowBytes } from './protocol.ts'
import type { FileReceipt, TransferOptions, TransferStatus } from './transfer.ts'
import { cannotKeep, couldNot, errorFrame, errorOf, isLost, lost, notify, onCancel } from './trouble.ts'
import type { Wire } from './wire.ts'

const nothing = () => {}

export function incoming(peerId: string, offer: Offer, parts: IncomingParts): Incoming {
  const about = offered(peerId, offer, parts.folders)
  const { name, size, type } = about
  const { clock } = parts
  const gone = new AbortController()
  let settle: { resolve(receipt: FileReceipt): void; reject(error: ParleyError): void }
  const result = new Promise<FileReceipt>((resolve, reject) => {
    settle = { resolve, reject }
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
  const content: Intake = { received: 0, hash: parts.sha256(), queue: [] }
  /** Bytes that are in the sink. */
  let written = 0
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
    if (content.queue.length > 0) void write(sink)
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
      written = content.received = size
      content.hash = running
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
      for (let bytes = content.queue.shift(); bytes; bytes = content.queue.shift()) {
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
      if (content.hash.hex() !== sha256) throw new ParleyError('CORRUPTED', 'What has arrived is not what was sent.')
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
    settle.resolve(receipt)
  }

  /** @param isKnown whether the sender has said so itself */
  const fail = async (error: ParleyError, isKnown = false) => {
    isFinal = true
    cancelDecision()
    // Whoever comes back after too long a time may begin again.
    parts.settled(isLost(error) ? undefined : errorFrame(error))
    const parted = detach(isKnown || isLost(error) ? undefined : error)
    gone.abort(error)
    content.queue.length = 0
    await discard(sink, error)
    // Not before, as the program may end then.
    await parted
    settle.reject(error)
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
    onProgress = options.onProgress
    const unlisten = onCancel(options.signal, end)
    try {
      const made = sinkOf(await to, name)
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
      unlisten()
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
          if (told === undefined || digest || content.received < size) throw violation('done')
          digest = frame.sha256
          proceed()
        },
        bytes(bytes) {
          if (told === undefined || digest) throw violation('content')
          take(content, bytes, size, told + windowBytes)
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
