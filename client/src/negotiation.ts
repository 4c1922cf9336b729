import type { SignalType } from '@parley/protocol'
import { notAgreed } from './connection-errors.ts'
import type { ConnectionParts } from './connection-types.ts'
import { countdown } from './countdown.ts'
import { Delivery } from './delivery.ts'
import { ParleyError } from './errors.ts'
import { type LinkNote, type LinkWord, noteIn, payloadOf } from './link.ts'
import type { IncomingSignal } from './messages.ts'
import { Turns } from './turns.ts'

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

/** Milliseconds that the other side may take to answer, while the server can be reached. */
const answerWithin = 10_000

/**
 * Perfect negotiation (W3C WebRTC 1.0, section 10.7): when both sides offer, the polite one gives way. Polite is the one
 * whose peer id is smaller, so both agree on it without a word. Once the first offer has been answered, two sides with this
 * library take turns. What cannot be agreed upon is offered once more, and then reported.
 */
export class Negotiation {
  /** What the other side has said of itself: null if it has not this library, undefined before it has said anything. */
  #other: LinkNote | null | undefined
  #isOffering = false
  /** Whether an offer of the other side is being answered. */
  #isAnswering = false
  /** Whether an offer has been answered: then there is something to go back to. */
  #hasAgreed = false
  /** Counts the offers of this side. */
  #round = 0
  /** Offers of this side, one after the other, that were not agreed upon. */
  #failures = 0
  /** Why this side could not take the last offer of the other. */
  #refusal: unknown
  readonly #turns: Turns
  #cancelCountdown = () => {}
  /** Whether ICE is to be restarted by an offer that is not answered yet. */
  #isRestarting = false
  /** The last description of this side: one before it need not arrive any more. */
  #said: RTCSessionDescription | undefined
  /** Candidates that came before the description that they belong to. */
  #early: RTCIceCandidateInit[] = []
  /** What arrives is handled in order, also while what came before is awaited. */
  #queue = Promise.resolve()
  readonly #ended = new AbortController()
  readonly #delivery: Delivery

  constructor(
    readonly pc: RTCPeerConnection,
    private readonly peerId: string,
    private readonly parts: ConnectionParts,
    private readonly options: NegotiationOptions,
  ) {
    this.#delivery = new Delivery(peerId, parts, this.#ended.signal)
    this.#turns = new Turns({
      leads: options.isFirst,
      othersTake: () => this.#other?.turns === true,
      isIdle: () => pc.signalingState === 'stable' && !this.#isOffering && !this.#isAnswering,
      offer: () => void this.#offer(),
      say: word => void this.#tell(word),
    })
    pc.onnegotiationneeded = () => this.#turns.need()
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
    this.#queue = this.#queue.then(() => this.#handle(signal))
  }

  /** Handles what the other side says beside its signals. */
  hear(word: LinkWord['word']): void {
    if (word === 'restart') void this.#restartIce()
    else if (word === 'turn' || word === 'go') this.#turns.hear(word)
    else if (word === 'failed') this.#report(this.#refusal ?? 'the other side says that it cannot take the answer.')
    else if (word === 'refused') void this.#miss('the other side cannot take the offer.')
  }

  /**
   * Restarts ICE with fresh TURN credentials, or asks the other side to: the one that made the first offer does it. By that
   * the DTLS roles stay as they are: to the offer of the other side Firefox answers with another role than it has, which
   * Chromium refuses.
   */
  restart(): void {
    if (!this.canRestart) return
    if (this.options.isFirst) void this.#restartIce()
    else void this.#tell('restart')
  }

  stop(): void {
    this.#ended.abort()
    this.#cancelCountdown()
    this.pc.onnegotiationneeded = this.pc.onicecandidate = null
  }

  async #offer(): Promise<void> {
    this.#isOffering = true
    try {
      await this.pc.setLocalDescription()
      // Otherwise this side has given way meanwhile.
      if (this.pc.signalingState === 'have-local-offer') {
        this.#round++
        this.#say(this.#round)
      }
    } catch (cause) {
      await this.#miss(cause)
    } finally {
      this.#isOffering = false
    }
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
    if (this.pc.signalingState !== 'have-local-offer' || round !== this.#round) return
    try {
      await this.#describe(signal, { type: 'answer', sdp })
      this.#isRestarting = false
      this.#agreed()
    } catch (cause) {
      await this.#miss(cause)
    }
  }

  async #answer(signal: IncomingSignal, sdp: string): Promise<void> {
    const { pc } = this
    const description = { type: 'offer', sdp } as const
    this.#isAnswering = true
    try {
      // The answer to an ICE restart gathers candidates, too.
      if (pc.remoteDescription && ufrag(pc.remoteDescription) !== ufrag(description)) await this.#refresh()
      const collides = this.#isOffering || pc.signalingState !== 'stable'
      if (collides && !this.isPolite) return
      this.#turns.taken()
      await this.#describe(signal, description)
      await pc.setLocalDescription()
      this.#say(noteIn(signal)?.round)
      this.#isAnswering = false
      this.#agreed()
    } catch (cause) {
      await this.#refuse(cause)
    } finally {
      this.#isAnswering = false
    }
  }

  async #describe(signal: IncomingSignal, description: RTCSessionDescriptionInit): Promise<void> {
    await this.pc.setRemoteDescription(description)
    this.#other = noteIn(signal) ?? null
    for (const candidate of this.#early.splice(0)) await this.#add(candidate)
    this.options.heard()
  }

  #agreed(): void {
    this.#cancelCountdown()
    this.#hasAgreed = true
    this.#failures = 0
    this.#refusal = undefined
    this.#turns.resume()
  }

  /** A candidate that is of no use, as one of a description that was given up, is no fault: others may be. */
  async #add(candidate: unknown): Promise<void> {
    if (typeof candidate !== 'object' || candidate === null) return
    if (!this.pc.remoteDescription) this.#early.push(candidate)
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

  /** Tells the other side the description that this side has now. */
  #say(round: number | undefined): void {
    const description = this.pc.localDescription
    if (!description) return
    this.#said = description
    const type = description.type === 'offer' ? 'offer' : 'answer'
    void this.#post(type, { sdp: description.sdp }, description, round)
  }

  /** Sends a signal until it is out of date. Never rejects. */
  async #post(type: SignalType, content: object, description?: RTCSessionDescription, round?: number): Promise<void> {
    const { link, isUnanswered } = this
    const begins = type === 'offer' && isUnanswered
    const parley = { link, restart: canRestartIce(this.pc), begins, turns: true, round }
    const message = { type, target: this.peerId, ...content, ...(link !== undefined && { parley }) }
    const isOutdated = () => this.#ended.signal.aborted || (description && description !== this.#said) === true
    const isCall = () => this.isUnanswered
    try {
      const isSent = await this.#delivery.send(() => this.parts.signal(message), { isOutdated, isCall })
      if (isSent && type === 'offer' && this.#hasAgreed && !isOutdated()) this.#wait()
    } catch (error) {
      if (!this.#hasAgreed) this.options.failed(error as ParleyError)
      else if (type === 'offer') await this.#miss(error)
      else if (type === 'answer') this.#report(error)
    }
  }

  /** Says that to the other side. Never rejects. */
  async #tell(word: LinkWord['word']): Promise<void> {
    const { link } = this
    if (link === undefined) return
    const isOutdated = () => this.#ended.signal.aborted
    const attempt = () => this.parts.tell(this.peerId, payloadOf({ link, word }))
    try {
      const isSent = await this.#delivery.send(attempt, { isOutdated, isCall: () => false })
      if (isSent && this.#turns.isWaiting) this.#wait()
    } catch (error) {
      this.#report(error)
    }
  }

  /** Gives the other side its time for what it is to do. */
  #wait(): void {
    const { clock, isOnline } = this.parts
    this.#cancelCountdown()
    this.#cancelCountdown = countdown(clock, answerWithin, isOnline, () => {
      const silence = `the other side has not answered within ${answerWithin / 1_000} s.`
      if (this.pc.signalingState === 'have-local-offer') void this.#miss(silence)
      else if (this.#turns.isWaiting) {
        if (!this.options.isFirst) this.#report(silence)
        this.#turns.takeBack()
      }
    })
  }

  /** What this side has offered is not agreed upon: it is taken back, and offered once more. */
  async #miss(cause: unknown): Promise<void> {
    this.#cancelCountdown()
    if (!this.#hasAgreed) {
      this.#report(cause)
      return
    }
    this.#failures++
    await rollBack(this.pc)
    if (this.#failures < 2) {
      this.#isOffering = false
      this.#turns.need()
      return
    }
    this.#isRestarting = false
    this.#turns.stop()
    this.#report(cause)
    if (this.#other?.turns) await this.#tell('failed')
  }

  /** What the other side has offered cannot be taken. It will offer once more, and say if that has failed. */
  async #refuse(cause: unknown): Promise<void> {
    this.#refusal = cause
    if (!this.#hasAgreed || !this.#other?.turns) {
      this.#report(cause)
      return
    }
    await rollBack(this.pc)
    await this.#tell('refused')
  }

  #report(cause: unknown): void {
    if (this.#ended.signal.aborted) return
    const error = notAgreed(this.peerId, cause)
    this.options.failed(this.#hasAgreed ? error : new ParleyError('UNREACHABLE', error.message, { cause }))
  }
}

/** Goes back to what was agreed upon before, if it can. */
async function rollBack(pc: RTCPeerConnection): Promise<void> {
  try {
    if (pc.signalingState === 'have-local-offer') await pc.setLocalDescription({ type: 'rollback' })
    else if (pc.signalingState === 'have-remote-offer') await pc.setRemoteDescription({ type: 'rollback' })
  } catch {
    // As in Chromium, when it has refused a description. The next attempt fails as well, and that is reported.
  }
}

const canRestartIce = (pc: RTCPeerConnection): boolean => typeof pc.restartIce === 'function'

/** What ICE calls itself in a description, something else after each restart (RFC 8839 section 5.4). */
const ufrag = ({ sdp = '' }: RTCSessionDescriptionInit): string | undefined => /^a=ice-ufrag:(.*)$/m.exec(sdp)?.[1]

/** That of the certificate in an SDP, which every `RTCPeerConnection` makes anew (RFC 8122 section 5). */
const fingerprint = (sdp: unknown): string | undefined =>
  typeof sdp === 'string' ? /^a=fingerprint:(.*)$/m.exec(sdp)?.[1] : undefined
