import { decode, type PeerMessage, SignalingError } from '@parley/protocol'
import type { Outcome, PeerRequest } from '../rooms/requests.ts'
import type { Peer } from '../rooms/room.ts'
import type { Payer } from '../work-budget.ts'
import { type Frame, isRequest, textOf } from './frames.ts'
import { isLarge, LargeFrames } from './large-frames.ts'
import { refuse } from './refusals.ts'
import type { SessionConnection } from './session-connection.ts'
import type { SessionParts } from './session-parts.ts'
import type { Voice } from './voice.ts'

/** The session that it belongs to. */
interface Owner {
  readonly peer: Peer
  readonly payer: Payer
  readonly voice: Voice
  readonly connection: SessionConnection | undefined
  /** A frame was taken up. */
  count(): void
}

/** What a registered peer sends: its requests are done in order, and each is answered once. */
export class Inbound {
  /** Whether a request is being done that takes a while. */
  isBusy = false
  /** Undefined as long as no frame was large, as with most peers. */
  #largeFrames: LargeFrames | undefined

  constructor(
    private readonly session: Owner,
    private readonly parts: SessionParts,
  ) {}

  /** Does what a frame asks for. Never throws. */
  receive(frame: Frame): void {
    const large = isLarge(frame) ? this.#large : undefined
    const excess = large?.excess(this.session.payer.identity)
    if (excess) {
      this.session.connection?.floods(excess)
      return
    }
    let message: PeerMessage | undefined
    try {
      const text = textOf(frame)
      const { peerIdLength } = this.parts.limits
      message = large
        ? large.read(this.session.payer, frame, () => decode(text, peerIdLength))
        : decode(text, peerIdLength)
      if (message.type === 'register') {
        // It counts as received once it is answered: one whose connection breaks before is to be sent again.
        this.session.connection?.register(message, frame)
        return
      }
      this.session.count()
      if (this.session.voice.hasAcks) isRequest(message)
      if (message.type === 'resume') throw new SignalingError('RESUME_FAILED', 'This connection has a peer already.')
      large?.check(this.session.payer)
      this.#act(message, text)
    } catch (error) {
      if (!message) this.session.count()
      this.refuse(error, message)
    }
  }

  /** Tells the other end what was wrong with what it sent. */
  refuse(error: unknown, message: PeerMessage | undefined): void {
    if (message?.type === 'register') this.session.count()
    refuse(error, message, this.session.voice, this.session.connection, this.parts)
  }

  get #large(): LargeFrames {
    this.#largeFrames ??= new LargeFrames(this.parts.budget, this.parts.clock)
    return this.#largeFrames
  }

  /** Does what a message asks for, and says so. @throws SignalingError */
  #act(message: PeerRequest, text: string): void {
    const outcome = this.parts.rooms.handle(this.session.peer, message, text)
    if (outcome instanceof Promise) void this.#answerWhenDone(outcome, message)
    else this.session.voice.settle(message, outcome)
  }

  /** Never rejects. Some requests take a while, as a broadcast to many does; what is sent meanwhile waits. */
  async #answerWhenDone(done: Promise<Outcome>, message: PeerRequest): Promise<void> {
    const connection = this.session.connection
    this.isBusy = true
    connection?.hold()
    try {
      this.session.voice.settle(message, await done)
    } catch (error) {
      refuse(error, message, this.session.voice, this.session.connection ?? connection, this.parts)
    }
    this.isBusy = false
    connection?.proceed()
    // It may have changed meanwhile.
    if (this.session.connection !== connection) this.session.connection?.proceed()
  }
}
