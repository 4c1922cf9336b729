import type { Clock } from './clock.ts'
import { notAgreed } from './connection-errors.ts'
import { countdown } from './countdown.ts'
import { ParleyError } from './errors.ts'
import type { Turns } from './turns.ts'

/** Milliseconds that the other side may take to answer, while the server can be reached. */
const answerWithin = 10_000

/** Offers of one side, one after the other, that may come to nothing. */
const mostMisses = 2

export interface AgreementParts {
  readonly peerId: string
  readonly pc: RTCPeerConnection
  readonly turns: Turns
  readonly clock: Clock
  isOnline(): boolean
  /** Whether the other side can be told what was not agreed upon. */
  canTell(): boolean
  tell(word: 'refused' | 'failed'): void
  /** It is not agreed upon. */
  failed(error: ParleyError): void
}

/**
 * Whether the two sides agree on what the connection is. An offer that comes to nothing, because a side cannot take what the
 * other has said or says nothing for too long, is taken back and made once more. If that comes to nothing, too, both sides
 * are told, and this side offers no more until an offer of the other side or a late answer shows that it makes sense.
 */
export class Agreement {
  /** Whether there has been one: then there is something to go back to. */
  #isReached = false
  /** Offers of this side that have come to nothing since the last agreement. */
  #misses = 0
  /** Why this side could not take the last offer of the other. */
  #refusal: unknown
  #cancelCountdown = () => {}

  constructor(private readonly parts: AgreementParts) {}

  get isReached(): boolean {
    return this.#isReached
  }

  /** An offer has been answered. */
  reached(): void {
    this.end()
    this.#isReached = true
    this.#misses = 0
    this.#refusal = undefined
    this.parts.turns.resume()
    this.wait()
  }

  /** Gives the other side its time, if it is to do something. */
  wait(): void {
    const { pc, turns, clock, isOnline } = this.parts
    const isOffering = () => pc.signalingState === 'have-local-offer'
    if (!this.#isReached || !(isOffering() || turns.isWaiting)) return
    this.end()
    this.#cancelCountdown = countdown(clock, answerWithin, isOnline, () => {
      const silence = `the other side has said nothing for ${answerWithin / 1_000} s.`
      if (isOffering()) void this.missed(silence)
      else if (turns.takeBack()) this.report(silence)
    })
  }

  /** An offer of this side has come to nothing. */
  async missed(cause: unknown): Promise<void> {
    const { pc, turns, canTell, tell } = this.parts
    this.end()
    if (!this.#isReached) {
      this.report(cause)
      return
    }
    // Not before there is nothing left of it.
    turns.stop()
    await rollBack(pc)
    turns.need()
    if (++this.#misses < mostMisses) {
      turns.resume()
      return
    }
    this.report(cause)
    if (canTell()) tell('failed')
  }

  /** An answer has come after its offer was taken back, so there is somebody there after all. */
  answeredLate(): void {
    this.#misses = 0
    this.parts.turns.resume()
  }

  /** This side cannot take an offer of the other, which will make it once more, and say so if that has failed. */
  async refused(cause: unknown): Promise<void> {
    const { pc, canTell, tell } = this.parts
    if (!this.#isReached || !canTell()) {
      this.report(cause)
      return
    }
    this.#refusal = cause
    await rollBack(pc)
    tell('refused')
  }

  hear(word: 'refused' | 'failed'): void {
    if (word === 'failed') this.report(this.#refusal ?? 'the other side has not taken the answer.')
    else if (this.parts.pc.signalingState === 'have-local-offer')
      void this.missed('the other side cannot take the offer.')
  }

  report(cause: unknown): void {
    const error = notAgreed(this.parts.peerId, cause)
    this.parts.failed(this.#isReached ? error : new ParleyError('UNREACHABLE', error.message, { cause }))
  }

  /** Waits for nothing any more. */
  end(): void {
    this.#cancelCountdown()
  }
}

/** Goes back to what was agreed upon before, if it can. */
async function rollBack(pc: RTCPeerConnection): Promise<void> {
  try {
    if (pc.signalingState === 'have-local-offer') await pc.setLocalDescription({ type: 'rollback' })
    else if (pc.signalingState === 'have-remote-offer') await pc.setRemoteDescription({ type: 'rollback' })
  } catch {
    // As in Chromium once it has refused a description: the next attempt fails as well, and that is reported.
  }
}
