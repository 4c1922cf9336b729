import type { SignalType } from '@parley/protocol'
import type { ConnectionParts } from './connection-types.ts'
import type { ParleyError } from './errors.ts'
import { type NegotiationWord, payloadOf } from './negotiation-note.ts'

/** Milliseconds before something is sent again that the other peer's full queue has refused. */
const retryAfter = 1_000

/** What is sent: a signal, or a word beside the signals. */
export type Sent = SignalType | 'word'

export interface OutboxOptions {
  /** Names the attempt to connect, `link` on the wire; undefined with a peer that gives them no names. */
  readonly id: string | undefined
  /** Whether the WebRTC of this side can restart ICE. */
  readonly restart: boolean
  /** Nothing needs to arrive after that. */
  readonly ended: AbortSignal
  /** Whether this side has begun, and not heard of the other yet. */
  isUnanswered(): boolean
  /** The server has handed it on. */
  sent(what: Sent): void
  /** It never will. */
  unsent(what: Sent, error: ParleyError): void
}

/** Sends what a negotiation has to say to the other peer, by way of the server. Nothing here throws or rejects. */
export class Outbox {
  /** The last description of this side: one before it need not arrive any more. */
  #said: RTCSessionDescription | undefined
  /** Registrations of this peer before the start. */
  readonly #registrations: number

  constructor(
    private readonly peerId: string,
    private readonly parts: ConnectionParts,
    private readonly options: OutboxOptions,
  ) {
    this.#registrations = parts.registrations()
  }

  /** @param round see `NegotiationNote` */
  describe(description: RTCSessionDescription, round: number | undefined): void {
    this.#said = description
    const type = description.type === 'offer' ? 'offer' : 'answer'
    const isOutdated = () => description !== this.#said
    void this.#send(type, this.#signal(type, { sdp: description.sdp }, round), isOutdated)
  }

  candidate(candidate: RTCIceCandidate): void {
    void this.#send('candidate', this.#signal('candidate', { candidate: candidate.toJSON() }))
  }

  say(word: NegotiationWord['word']): void {
    const { id } = this.options
    if (id === undefined) return
    const payload = payloadOf({ link: id, word })
    void this.#send('word', () => this.parts.tell(this.peerId, payload))
  }

  #signal(type: SignalType, content: object, round?: number): () => Promise<void> {
    const { id, restart, isUnanswered } = this.options
    const begins = type === 'offer' && isUnanswered()
    const parley = { link: id, restart, begins, confirms: begins, turns: true, round }
    const message = { type, target: this.peerId, ...content, ...(id !== undefined && { parley }) }
    return () => this.parts.signal(message)
  }

  /** Sends it, and again whenever the connection to the server has broken, until it is out of date. */
  async #send(what: Sent, attempt: () => Promise<void>, isReplaced = () => false): Promise<void> {
    const { ended, sent, unsent } = this.options
    const isOutdated = () => ended.aborted || isReplaced()
    while (!isOutdated()) {
      try {
        await attempt()
        if (!isOutdated()) sent(what)
        return
      } catch (error) {
        if (await this.#isWorthAnother(error as ParleyError)) continue
        if (!isOutdated()) unsent(what, error as ParleyError)
        return
      }
    }
  }

  /** Waits until it makes sense to send again. False: it never will. */
  async #isWorthAnother({ code }: ParleyError): Promise<boolean> {
    switch (code) {
      case 'DISCONNECTED':
        // What is sent waits for the connection.
        return true
      case 'PEER_NOT_FOUND':
      case 'PEER_NOT_IN_ROOM':
        // A server that has restarted does not know yet who is about to come back.
        if (this.options.isUnanswered() && this.#registrations === this.parts.registrations()) return false
        await this.parts.arrival(this.peerId, this.options.ended)
        return true
      case 'DELIVERY_FAILED':
      case 'PEER_AWAY':
        await new Promise<void>(resolve => this.parts.clock.after(retryAfter, resolve))
        return true
      default:
        return false
    }
  }
}
