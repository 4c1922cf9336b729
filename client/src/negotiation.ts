import { Agreement } from './agreement.ts'
import type { ConnectionParts } from './connection-types.ts'
import type { ParleyError } from './errors.ts'
import { reaches, withoutCandidates } from './first-checks.ts'
import { canRestartIce, IceRestart, restartsIce } from './ice-restart.ts'
import type { IncomingSignal } from './messages.ts'
import { type NegotiationNote, type NegotiationWord, noteIn } from './negotiation-note.ts'
import type { NegotiationOptions } from './negotiation-types.ts'
import { Outbox, type Sent } from './outbox.ts'
import { fingerprint, ufrag } from './sdp.ts'
import { Turns } from './turns.ts'

/**
 * Perfect negotiation (W3C WebRTC 1.0, section 10.7): when both sides offer, the polite one gives way. Polite is the one
 * whose peer id is smaller, so both agree on it without a word. Once the first offer has been answered, two sides with this
 * library take turns.
 */
export class Negotiation {
  /** What the other side has said of itself: null if it has not this library, undefined before it has said anything. */
  #other: NegotiationNote | null | undefined
  /** The last description of the other side, as it came. */
  #theirs: RTCSessionDescriptionInit | null = null
  #isOffering = false
  /** Whether an offer of the other side is being answered. */
  #isAnswering = false
  /** Counts the offers of this side. */
  #round = 0
  /** Candidates that came before the description that they belong to, or that wait until that is answered. */
  #early: RTCIceCandidateInit[] = []
  /** Whether the other side has not taken the answer to its first offer yet, as far as this side knows, and that matters. */
  #isEarly = false
  /** What arrives is handled in order, also while what came before is awaited. */
  #queue = Promise.resolve()
  readonly #ended = new AbortController()
  readonly #outbox: Outbox
  readonly #iceRestart: IceRestart
  readonly #turns: Turns
  readonly #agreement: Agreement

  constructor(
    readonly pc: RTCPeerConnection,
    private readonly peerId: string,
    private readonly parts: ConnectionParts,
    private readonly options: NegotiationOptions,
  ) {
    this.#iceRestart = new IceRestart(pc, parts)
    this.#outbox = new Outbox(peerId, parts, {
      id: options.id,
      restart: canRestartIce(pc),
      ended: this.#ended.signal,
      isUnanswered: () => this.isUnanswered,
      sent: what => what !== 'candidate' && this.#agreement.wait(),
      unsent: (what, error) => this.#unsent(what, error),
    })
    const othersTake = () => this.#other?.turns === true
    this.#turns = new Turns({
      leads: options.isFirst,
      othersTake,
      isIdle: () => pc.signalingState === 'stable' && !this.#isOffering && !this.#isAnswering,
      offer: () => void this.#offer(),
      say: word => this.#outbox.say(word),
    })
    this.#agreement = new Agreement({
      peerId,
      pc,
      turns: this.#turns,
      clock: parts.clock,
      isOnline: parts.isOnline,
      canTell: othersTake,
      tell: word => this.#outbox.say(word),
      failed: error => {
        this.#iceRestart.end()
        if (!this.#ended.signal.aborted) options.failed(error)
      },
    })
    pc.onnegotiationneeded = () => this.#turns.need()
    pc.onicecandidate = ({ candidate }) => {
      // The end of the candidates is not sent: deployed peers do not know it.
      if (candidate?.candidate) this.#outbox.candidate(candidate)
    }
  }

  get id(): string | undefined {
    return this.options.id
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
    if (note) return note.link === this.id
    if (this.#other) return false
    // An offer from another RTCPeerConnection than before is a fresh start.
    return signal.type !== 'offer' || fingerprint(signal.sdp) === fingerprint(this.pc.remoteDescription?.sdp)
  }

  /** Handles a signal that is about this connection. */
  receive(signal: IncomingSignal): void {
    this.#queue = this.#queue.then(() => this.#handle(signal))
  }

  /** Handles what the other side says beside its signals. */
  hear(word: NegotiationWord['word']): void {
    if (word === 'restart') void this.#iceRestart.begin()
    else if (word === 'turn' || word === 'go') this.#turns.hear(word)
    else if (word === 'refused' || word === 'failed') this.#agreement.hear(word)
    else if (word === 'answered') this.#queue = this.#queue.then(() => this.#useEarly())
  }

  /** Restarts ICE with fresh TURN credentials, or asks the other side to: one of the two does it. */
  restart(): void {
    if (!this.canRestart) return
    if (restartsIce(this.pc.localDescription, this.#theirs, this.options.isFirst)) void this.#iceRestart.begin()
    else this.#outbox.say('restart')
  }

  stop(): void {
    this.#ended.abort()
    this.#agreement.end()
    this.pc.onnegotiationneeded = this.pc.onicecandidate = null
  }

  async #offer(): Promise<void> {
    this.#isOffering = true
    try {
      await this.pc.setLocalDescription()
      this.#isOffering = false
    } catch (cause) {
      this.#isOffering = false
      await this.#agreement.missed(cause)
      return
    }
    // Otherwise this side has given way meanwhile.
    if (this.pc.signalingState === 'have-local-offer') this.#say(++this.#round)
  }

  async #handle(signal: IncomingSignal): Promise<void> {
    if (this.#ended.signal.aborted) return
    if (signal.type === 'candidate') await this.#add(signal.candidate)
    else if (typeof signal.sdp !== 'string') return
    else if (signal.type === 'answer') await this.#take(signal, signal.sdp)
    else await this.#answer(signal, signal.sdp)
  }

  async #take(signal: IncomingSignal, sdp: string): Promise<void> {
    const round = noteIn(signal)?.round ?? this.#round
    // One that comes after its offer was taken back says nothing about the next one.
    if (this.pc.signalingState !== 'have-local-offer' || round !== this.#round) {
      this.#agreement.answeredLate()
      return
    }
    try {
      await this.#describe(signal, { type: 'answer', sdp })
      this.#iceRestart.end()
      this.#agreement.reached()
    } catch (cause) {
      await this.#agreement.missed(cause)
    }
  }

  async #answer(signal: IncomingSignal, sdp: string): Promise<void> {
    const { pc } = this
    const description = { type: 'offer', sdp } as const
    this.#isAnswering = true
    try {
      // The answer to an ICE restart gathers candidates, too.
      if (pc.remoteDescription && ufrag(pc.remoteDescription) !== ufrag(description)) await this.#iceRestart.refresh()
      const collides = this.#isOffering || pc.signalingState !== 'stable'
      if (collides && !this.isPolite) return
      this.#turns.taken()
      await this.#describe(signal, description)
      await this.#unlessStopped(pc.setLocalDescription())
      this.#say(noteIn(signal)?.round)
      this.#isAnswering = false
      this.#agreement.reached()
    } catch (cause) {
      await this.#agreement.refused(cause)
    } finally {
      this.#isAnswering = false
    }
  }

  async #describe(signal: IncomingSignal, description: RTCSessionDescriptionInit): Promise<void> {
    const { pc } = this
    const note = noteIn(signal)
    const isRestart = !!pc.remoteDescription && ufrag(pc.remoteDescription) !== ufrag(description)
    // Browsers, which can restart ICE, take what comes before the answer.
    this.#isEarly = note?.confirms === true && !pc.remoteDescription && !(note.restart && canRestartIce(pc))
    await this.#unlessStopped(pc.setRemoteDescription(this.#isEarly ? withoutCandidates(description) : description))
    const wasUnanswered = this.isUnanswered
    this.#other = note ?? null
    this.#theirs = description
    if (!this.#isEarly) await this.#unlessStopped(this.#useEarly())
    this.options.heard(isRestart)
    if (wasUnanswered && note) void reaches(pc, this.parts.clock).then(() => this.#outbox.say('answered'))
  }

  /**
   * Settles as `done` does, but never after `stop`. A closed `RTCPeerConnection` drops its operations in the same way (section
   * 4.4.1.2). But this one stays open until the other side has confirmed the goodbye, and a description taken meanwhile
   * would have the closed connection look connected.
   */
  #unlessStopped(done: Promise<void>): Promise<void> {
    return done.finally(() => this.#ended.signal.aborted && new Promise(() => {}))
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

  /** Tells the other side the description that this side has now. */
  #say(round: number | undefined): void {
    const { localDescription } = this.pc
    if (localDescription) this.#outbox.describe(localDescription, round)
  }

  #unsent(what: Sent, error: ParleyError): void {
    if (!this.#agreement.isReached) this.options.failed(error)
    else if (what === 'offer') void this.#agreement.missed(error)
    // Other candidates may do.
    else if (what !== 'candidate') this.#agreement.report(error)
  }
}
