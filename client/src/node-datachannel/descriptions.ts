import type { NativePeerConnection } from './library.ts'

interface Side {
  /** What both have agreed on. */
  current: RTCSessionDescription | null
  /** What is not answered yet. */
  pending: RTCSessionDescription | null
}

/** Offers and answers: which is due, and what was said last (W3C WebRTC 1.0, section 4.4.1.5 "set a session description"). */
export class Descriptions {
  signalingState: RTCSignalingState = 'stable'
  readonly #local: Side = { current: null, pending: null }
  readonly #remote: Side = { current: null, pending: null }

  get local(): RTCSessionDescription | null {
    return this.#local.pending ?? this.#local.current
  }

  get remote(): RTCSessionDescription | null {
    return this.#remote.pending ?? this.#remote.current
  }

  /** Whether both have agreed on a section for data channels. */
  get isDataAgreed(): boolean {
    return /^m=application /m.test(this.#local.current?.sdp ?? '')
  }

  /**
   * Makes an offer or an answer, whichever is due, or what `type` says, and sets it.
   * @param canOffer whether there is something to offer
   * @throws DOMException InvalidStateError
   */
  setLocal(native: NativePeerConnection, canOffer: boolean, type = this.#due): void {
    // In another state, the library would end the program.
    if (!this.#mayBeLocal(type) || native.signalingState() !== this.signalingState) throw this.#notDue('local', type)
    if (type === 'offer' && !canOffer) throw new DOMException('There is no data channel to offer.', 'InvalidStateError')
    native.setLocalDescription(type)
    this.#local.pending = type === 'rollback' ? null : sessionDescription(type, native.localDescription()?.sdp ?? '')
    if (type === 'offer') this.signalingState = 'have-local-offer'
    else this.#agree()
  }

  /**
   * Sets an answer, or an offer, for which one of this side is rolled back, in `native` too if it was made there.
   * @throws DOMException InvalidStateError if it is not its turn, OperationError if it is of no use, which changes nothing
   */
  setRemote(native: NativePeerConnection, type: RTCSdpType, sdp: string): void {
    const isOffering = this.signalingState === 'have-local-offer'
    const isOffer = type === 'offer' && (isOffering || this.signalingState === 'stable')
    if (!isOffer && !(type === 'answer' && isOffering)) throw this.#notDue('remote', type)
    const rollsBack = isOffer && native.signalingState() === 'have-local-offer'
    if (rollsBack) native.setLocalDescription('rollback')
    try {
      native.setRemoteDescription(sdp, isOffer ? 'offer' : 'answer')
    } catch (cause) {
      if (rollsBack) native.setLocalDescription('offer')
      throw new DOMException(cause instanceof Error ? cause.message : `${cause}`, 'OperationError')
    }
    if (isOffer) this.#local.pending = null
    this.#remote.pending = sessionDescription(type, sdp)
    if (isOffer) this.signalingState = 'have-remote-offer'
    else this.#agree()
  }

  get #due(): RTCSdpType {
    return this.signalingState === 'have-remote-offer' ? 'answer' : 'offer'
  }

  #mayBeLocal(type: RTCSdpType): type is 'offer' | 'answer' | 'rollback' {
    const isOffering = this.signalingState === 'have-local-offer'
    if (type === 'offer') return isOffering || this.signalingState === 'stable'
    return type === 'answer' ? this.signalingState === 'have-remote-offer' : type === 'rollback' && isOffering
  }

  #agree(): void {
    for (const side of [this.#local, this.#remote]) {
      side.current = side.pending ?? side.current
      side.pending = null
    }
    this.signalingState = 'stable'
  }

  #notDue(side: string, type: RTCSdpType): DOMException {
    return new DOMException(`In the state ${this.signalingState} no ${side} ${type} can be set.`, 'InvalidStateError')
  }
}

export const sessionDescription = (type: RTCSdpType, sdp: string): RTCSessionDescription => ({
  type,
  sdp,
  toJSON: () => ({ type, sdp }),
})
