import { type Clock, systemClock } from '../clock.ts'
import { ParleyError } from '../errors.ts'
import { incoming } from './incoming.ts'
import type { FileHandler } from './incoming-file.ts'
import type { Incoming } from './incoming-types.ts'
import { type Frame, type Offer, violation } from './protocol.ts'
import { type Sha256, sha256 } from './sha256.ts'
import { cannotKeep, couldNot, report } from './trouble.ts'
import { type TakeTurn, turns } from './turns.ts'
import { type FileChannel, type Wire, type WireEvents, wire } from './wire.ts'

/** What `onFile` may be told. */
export interface FileReceiverOptions {
  /** Default: one in JavaScript. That of `node:crypto` is several times as fast. */
  readonly sha256?: () => Sha256
  /** Default: that of the platform. */
  readonly clock?: Clock
  /**
   * Whether folders may be sent: the handler minds `folders` of a file. Default: false, so that the sender of a folder is told
   * that this peer takes none.
   */
  readonly folders?: boolean
  /** Milliseconds that a sender whose connection was lost is waited for. Default: two minutes. */
  readonly resumeWithin?: number
  /** Milliseconds that a file may wait for a decision. Default: ten minutes. */
  readonly decideWithin?: number
}

/** Files of one peer that may be under way or wait, channels without an offer included. */
const mostFiles = 256

/** Files of one peer that are transferred at the same time; each may have `windowBytes` in memory. */
const mostAtOnce = 8

/** Files of which it is remembered how they have ended. */
const mostOutcomes = 1024

/** Milliseconds from the opening of a channel to its offer. */
const offerWithin = 15_000

/** What one other peer has begun and not ended. */
interface Sender {
  readonly takeTurn: TakeTurn
  /** Channels on which there was no offer yet, and files, by the ids of their transfers. */
  readonly open: Map<Wire | string, Wire | Incoming>
}

/** Takes the files that other peers send. */
export class FileReceiver {
  /**
   * Decides about each file; without one they are declined. If it fails with a ParleyError, as the methods of the file do,
   * the transfer has; any other error is reported as that of an event listener.
   */
  handler: FileHandler | undefined
  readonly #senders = new Map<string, Sender>()
  /** By peer and id. */
  readonly #outcomes = new Map<string, Frame>()
  readonly #options: Required<FileReceiverOptions>

  constructor(options: FileReceiverOptions = {}) {
    this.#options = {
      clock: systemClock,
      sha256,
      folders: false,
      resumeWithin: 120_000,
      decideWithin: 600_000,
      ...options,
    }
  }

  /**
   * Takes over a data channel that another peer has opened, whose `protocol` is `fileProtocol`. Nobody else may listen to
   * it or send on it.
   */
  receive(peerId: string, channel: FileChannel): void {
    const sender = this.#senders.get(peerId) ?? { takeTurn: turns(mostAtOnce), open: new Map() }
    this.#senders.set(peerId, sender)
    const leave = () => {
      cancel()
      this.#close(peerId, line)
    }
    const unexpected = () => {
      throw violation('offer')
    }
    const events: WireEvents = {
      frame: frame => {
        if (frame.type !== 'offer') return unexpected()
        this.#offered(peerId, sender, line, frame)
        leave()
      },
      bytes: unexpected,
      drained() {},
      closed: leave,
      broken: error => {
        leave()
        void line.end(error)
      },
    }
    const line = wire(channel, this.#options.clock, events)
    sender.open.set(line, line)
    const cancel = this.#options.clock.after(offerWithin, () => events.broken(violation('offer')))
    if (sender.open.size > mostFiles) {
      events.broken(new ParleyError('DECLINED', `More than ${mostFiles} files at once are too many.`))
    }
  }

  /** Ends all transfers. Nothing is left of files that are not complete. */
  close(): void {
    for (const { open } of this.#senders.values()) {
      for (const one of open.values()) one.end(new ParleyError('ABORTED', 'The receiver has left.'))
    }
  }

  #close(peerId: string, key: Wire | string): void {
    const open = this.#senders.get(peerId)?.open
    open?.delete(key)
    if (open?.size === 0) this.#senders.delete(peerId)
  }

  #offered(peerId: string, { open, takeTurn }: Sender, wire: Wire, offer: Offer): void {
    const { id } = offer
    const key = `${id} ${peerId}`
    const outcome = this.#outcomes.get(key)
    const known = open.get(id) as Incoming | undefined
    if (outcome) void wire.end(outcome)
    else if (known) known.attach(wire, offer)
    else {
      const file = incoming(peerId, offer, {
        ...this.#options,
        takeTurn,
        settled: outcome => {
          this.#close(peerId, id)
          if (!outcome) return
          this.#outcomes.set(key, outcome)
          const [oldest = key] = this.#outcomes.keys()
          if (this.#outcomes.size > mostOutcomes) this.#outcomes.delete(oldest)
        },
      })
      open.set(id, file)
      file.attach(wire, offer)
      this.#ask(file)
    }
  }

  #ask(file: Incoming): void {
    const { handler } = this
    const failed = (error: unknown) => {
      file.decline(couldNot(cannotKeep, error))
      if (!(error instanceof ParleyError)) report(error)
    }
    try {
      const answer = handler ? handler(file) : file.decline('The other peer takes no files.')
      if (answer instanceof Promise) answer.then(() => file.decline(), failed)
    } catch (error) {
      failed(error)
    }
  }
}
