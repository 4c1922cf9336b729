import type { SignalType } from '@parley/protocol'
import type { ConnectionParts } from './connection-types.ts'
import { ParleyError } from './errors.ts'
import { reaches, withoutCandidates } from './first-checks.ts'
import { type LinkNote, noteIn, payloadOf } from './link.ts'
import type { IncomingSignal } from './messages.ts'

export interface NegotiationOptions {
  /** Names the connection; undefined with a peer that gives them no names. */
  readonly link: string | undefined
  /** Whether this side makes the first offer. */
  readonly isFirst: boolean
  /** A description of the other side has been taken. */
  heard(): void
  /** It cannot be brought to an end. */
  failed(error: ParleyError): void
}

/** Milliseconds before something is sent again that the other peer's full queue has refused. */
const retryAfter = 1_000

/**
 * Perfect negotiation (W3C WebRTC 1.0, section 10.7): either side may offer at any time, and when both do the polite one
 * gives way. Polite is the one whose peer id is smaller, so both agree on it without a word.
 */
export class Negotiation {
  /** What the other side has said of itself: null if it has not this library, undefined before it has said anything. */
  #other: LinkNote | null | undefined
  #isOffering = false
  /** Whether ICE is to be restarted by an offer that is not answered yet. */
  #isRestarting = false
  /** The last description of this side: one before it need not arrive any more. */
  #said: RTCSessionDescription | undefined
  /** Candidates that came before the description that they belong to, or that wait until that is answered. */
  #early: RTCIceCandidateInit[] = []
  /** Whether the other side has not taken the answer to its first offer yet, as far as this side knows, and that matters. */
  #isEarly = false
  /** What arrives is handled in order, also while what came before is awaited. */
  #queue = Promise.resolve()
  readonly #ended = new AbortController()
  /** Registrations of this peer before the start. */
  readonly #registrations: number

  constructor(
    readonly pc: RTCPeerConnection,
    private readonly peerId: string,
    private readonly parts: ConnectionParts,
    private readonly options: NegotiationOptions,
  ) {
    this.#registrations = parts.registrations()
    pc.onnegotiationneeded = () => void this.#offer()
    pc.onicecandidate = ({ candidate }) => {
      // The end of the candidates is not sent: deployed peers do not know it.
      if (candidate?.candidate) void this.#post('candidate', { candidate: candidate.toJSON() })
    }
  }

  get link(): string | undefined {
    return this.options.link
  }

  /** Whether this side gives way. A peer without this library does not know how to. */
  get isPolite(): boolean {
    return this.#other === null || this.parts.peerId < this.peerId
  }

  /** Whether this side has begun, and not heard of the other yet. */
  get isUnanswered(): boolean {
    return this.options.isFirst && this.#other === undefined
  }

  /** Whether the other side has not this library; undefined before it has said anything. */
  get isPlain(): boolean | undefined {
    return this.#other === undefined ? undefined : this.#other === null
  }

  /** Whether both sides can restart ICE. libdatachannel cannot, nor can aiortc. */
  get canRestart(): boolean {
    return this.#other?.restart === true && canRestartIce(this.pc)
  }

  /** Whether a signal of the other peer is about this connection. */
  isAbout(signal: IncomingSignal): boolean {
    const note = noteIn(signal)
    if (note) return note.link === this.link
    if (this.#other) return false
    // An offer from another RTCPeerConnection than before is a fresh start.
    return signal.type !== 'offer' || fingerprint(signal.sdp) === fingerprint(this.pc.remoteDescription?.sdp)
  }

  /** Handles a signal that is about this connection. */
  receive(signal: IncomingSignal): void {
    this.#queue = this.#queue.then(() => this.#handle(signal)).catch(cause => this.#failed(cause))
  }

  /** Restarts ICE with fresh TURN credentials, or asks the other side to: one of the two does it. */
  restart(): void {
    const { link } = this
    if (!this.canRestart || link === undefined) return
    if (this.isPolite) this.parts.tell(this.peerId, payloadOf({ link, word: 'restart' })).catch(() => {})
    else void this.#restartIce()
  }

  stop(): void {
    this.#ended.abort()
    this.pc.onnegotiationneeded = this.pc.onicecandidate = null
  }

  async #offer(): Promise<void> {
    this.#isOffering = true
    try {
      await this.pc.setLocalDescription()
      // Otherwise this side has given way meanwhile.
      if (this.pc.signalingState === 'have-local-offer') this.#say()
    } catch (cause) {
      this.#failed(cause)
    } finally {
      this.#isOffering = false
    }
  }

  async #handle(signal: IncomingSignal): Promise<void> {
    if (this.#ended.signal.aborted) return
    if (noteIn(signal)?.answered) await this.#useEarly()
    else if (signal.type === 'candidate') await this.#add(signal.candidate)
    else if (typeof signal.sdp === 'string') await this.#describe(signal, { type: signal.type, sdp: signal.sdp })
  }

  async #describe(signal: IncomingSignal, description: RTCSessionDescriptionInit): Promise<void> {
    const { pc } = this
    const isOffer = description.type === 'offer'
    if (isOffer) {
      // The answer to an ICE restart gathers candidates, too.
      if (pc.remoteDescription && ufrag(pc.remoteDescription) !== ufrag(description)) await this.#refresh()
      const collides = this.#isOffering || pc.signalingState !== 'stable'
      if (collides && !this.isPolite) return
    } else if (pc.signalingState !== 'have-local-offer') return
    else this.#isRestarting = false
    const note = noteIn(signal)
    // Browsers, which can restart ICE, take what comes before the answer.
    const isEarly = note?.confirms === true && !pc.remoteDescription && !(note.restart && canRestartIce(pc))
    await pc.setRemoteDescription(isEarly ? withoutCandidates(description) : description)
    const isAnswered = !isOffer && this.isUnanswered
    this.#other = note ?? null
    if (isEarly) this.#isEarly = true
    else await this.#useEarly()
    this.options.heard()
    if (isAnswered && note) void reaches(pc, this.parts.clock).then(() => this.#post('candidate', {}, undefined, true))
    if (!isOffer) return
    await pc.setLocalDescription()
    this.#say()
  }

  async #useEarly(): Promise<void> {
    this.#isEarly = false
    for (const candidate of this.#early.splice(0)) await this.#add(candidate)
  }

  /** A candidate that is of no use, as one of a description that was given up, is no fault: others may be. */
  async #add(candidate: unknown): Promise<void> {
    if (typeof candidate !== 'object' || candidate === null) return
    if (!this.pc.remoteDescription || this.#isEarly) this.#early.push(candidate)
    else await this.pc.addIceCandidate(candidate).catch(() => {})
  }

  async #restartIce(): Promise<void> {
    if (this.#isRestarting) return
    this.#isRestarting = true
    await this.#refresh()
    // If this side is offering already, there is another offer after that.
    if (!this.#ended.signal.aborted) this.pc.restartIce()
  }

  /** For the candidates that are gathered from now on. */
  async #refresh(): Promise<void> {
    const { refresh, configuration } = this.parts
    try {
      // By the first try it may only be found that the connection to the server is dead.
      await refresh().catch(refresh)
      this.pc.setConfiguration(configuration())
    } catch {
      // What it has may do.
    }
  }

  #say(): void {
    const description = this.pc.localDescription
    if (!description) return
    this.#said = description
    void this.#post(description.type === 'offer' ? 'offer' : 'answer', { sdp: description.sdp }, description)
  }

  /** Sends a signal, and again whenever the connection to the server has broken, until it is out of date. Never rejects. */
  async #post(type: SignalType, content: object, description?: RTCSessionDescription, answered = false): Promise<void> {
    const { link } = this
    const begins = type === 'offer' && this.isUnanswered
    const parley = { link, restart: canRestartIce(this.pc), begins, confirms: begins, answered }
    const isOutdated = () => this.#ended.signal.aborted || (description && description !== this.#said)
    while (!isOutdated()) {
      try {
        await this.parts.signal({ type, target: this.peerId, ...content, ...(link !== undefined && { parley }) })
        return
      } catch (error) {
        if (!(await this.#isWorthAnother(error as ParleyError))) {
          if (!isOutdated()) this.options.failed(error as ParleyError)
          return
        }
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
        // A server that has restarted does not know yet who is about to come back.
        if (this.isUnanswered && this.#registrations === this.parts.registrations()) return false
        await this.parts.arrival(this.peerId, this.#ended.signal)
        return true
      case 'DELIVERY_FAILED':
        await new Promise<void>(resolve => this.parts.clock.after(retryAfter, resolve))
        return true
      default:
        return false
    }
  }

  #failed(cause: unknown): void {
    if (this.#ended.signal.aborted) return
    const sentence = `The connection to ${this.peerId} cannot be negotiated: ${cause instanceof Error ? cause.message : cause}`
    this.options.failed(new ParleyError('UNREACHABLE', sentence, { cause }))
  }
}

const canRestartIce = (pc: RTCPeerConnection): boolean => typeof pc.restartIce === 'function'

/** What ICE calls itself in a description, something else after each restart (RFC 8839 section 5.4). */
const ufrag = ({ sdp = '' }: RTCSessionDescriptionInit): string | undefined => /^a=ice-ufrag:(.*)$/m.exec(sdp)?.[1]

/** That of the certificate in an SDP, which every `RTCPeerConnection` makes anew (RFC 8122 section 5). */
const fingerprint = (sdp: unknown): string | undefined =>
  typeof sdp === 'string' ? /^a=fingerprint:(.*)$/m.exec(sdp)?.[1] : undefined
