import type { LeaveReason } from '@parley/protocol'
import { Connection } from './connection.ts'
import type { ConnectionParts, ConnectOptions } from './connection-types.ts'
import { ParleyError } from './errors.ts'
import type { IncomingSignal } from './messages.ts'
import { type NegotiationWord, noteIn, payloadOf, wordIn } from './negotiation-note.ts'

export interface ConnectionsParts extends ConnectionParts {
  /** Whether another peer may connect to this one. */
  accept(peerId: string): boolean
  /** Another peer has begun a connection. */
  announce(connection: Connection): void
}

/** The connections of one peer in one room: one for each other peer at the most, whoever begins. */
export class Connections {
  readonly #connections = new Map<string, Connection>()

  constructor(private readonly parts: ConnectionsParts) {}

  get(peerId: string): Connection | undefined {
    return this.#connections.get(peerId)
  }

  /** See `Room.connect`. */
  async connect(peerId: string, { signal }: ConnectOptions): Promise<Connection> {
    if (peerId === this.parts.peerId) throw new ParleyError('INVALID_ARGUMENT', 'A peer cannot connect to itself.')
    if (signal?.aborted) throw aborted(signal)
    const doubt = this.#connections.get(peerId)?.otherSide.doubt
    if (doubt) await orAborted(doubt, signal)
    const connection = this.#connections.get(peerId) ?? this.#keep(new Connection(peerId, this.parts))
    await orAborted(connection.ready, signal)
    return connection
  }

  /** Handles a signal of another peer. False if it belongs to no connection. */
  receive(signal: IncomingSignal): boolean {
    const current = this.#connections.get(signal.sender)
    if (current?.negotiation.isAbout(signal)) {
      current.negotiation.receive(signal)
      return true
    }
    // What belongs to a connection that has ended is of no use to anybody.
    const note = noteIn(signal)
    if (signal.type !== 'offer') return note !== undefined
    if (note?.begins === false) {
      this.#say(signal.sender, { link: note.link, word: 'unknown' })
      return true
    }
    if (!this.parts.RTCPeerConnection || typeof signal.sdp !== 'string') return false
    if (current?.status === 'connecting') {
      this.#meet(current, signal)
      return true
    }
    current?.end(new ParleyError('CHANNEL_CLOSED', `${signal.sender} has begun afresh.`, { retryable: true }))
    this.#admit(signal)
    return true
  }

  /** Handles what another peer has sent by `peer_message`. False if it is not for this library. */
  hear(from: string, payload: unknown): boolean {
    const word = wordIn(payload)
    if (!word) return false
    const { link } = word
    const connection = this.#connections.get(from)
    const isKnown = connection?.negotiation.id === link
    if (word.word === 'ask') this.#say(from, { link, word: isKnown ? 'known' : 'unknown' })
    else if (isKnown) connection.hear(word)
    // An answer to an answer would not end.
    else if (word.word !== 'known' && word.word !== 'unknown') this.#say(from, { link, word: 'unknown' })
    return true
  }

  /** The server says that a peer has gone. */
  departed(peerId: string, reason: LeaveReason): void {
    this.#connections.get(peerId)?.otherSide.departed(reason)
  }

  /** The server says that a peer has registered, for the first time or again. */
  returned(peerId: string): void {
    this.#connections.get(peerId)?.otherSide.returned()
  }

  /** This peer has registered again. What has happened while it was away is not known. */
  verify(): void {
    for (const connection of [...this.#connections.values()]) connection.otherSide.verify()
  }

  /** @param error why; undefined if this peer wants it */
  close(error: ParleyError | undefined): void {
    for (const connection of [...this.#connections.values()]) connection.end(error)
  }

  /**
   * Both have begun, or the other begins again. Of two offers that cross, that of the impolite side counts; but a peer
   * without this library does not know how to give way.
   */
  #meet(mine: Connection, offer: IncomingSignal): void {
    const { isUnanswered, isPolite } = mine.negotiation
    if (!isUnanswered || isPolite || !noteIn(offer)) mine.giveWay(offer)
  }

  #admit(offer: IncomingSignal): void {
    if (this.parts.accept(offer.sender)) {
      this.parts.announce(this.#keep(new Connection(offer.sender, this.parts, offer)))
      return
    }
    const link = noteIn(offer)?.link
    // Without it the other side would wait in vain; one without this library has to.
    if (link !== undefined) this.#say(offer.sender, { link, word: 'declined' })
  }

  /** Only to a peer that has this library, as is known of one that has written a note or a word. */
  #say(peerId: string, word: NegotiationWord): void {
    // If it does not arrive, the other side finds out by itself, only later.
    this.parts.tell(peerId, payloadOf(word)).catch(() => {})
  }

  #keep(connection: Connection): Connection {
    const { peerId } = connection
    this.#connections.set(peerId, connection)
    connection.on('status', status => {
      if (status === 'closed' && this.#connections.get(peerId) === connection) this.#connections.delete(peerId)
    })
    return connection
  }
}

/** @throws ParleyError ABORTED when `signal` is aborted before */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  const abortion = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(aborted(signal)), { once: true })
  })
  return Promise.race([promise, abortion])
}

const aborted = ({ reason }: AbortSignal) => new ParleyError('ABORTED', 'The caller has aborted it.', { cause: reason })
