import type { NativePeerConnection } from './library.ts'

/** Milliseconds after which the other side will have the answer, and have begun, as a rule. */
const headStart = 250

const form = /^(?:a=)?candidate:\S+ \d+ \S+ \d+ \S+ \d+ typ \S/i

/**
 * The candidates of the other side. Those of a first offer are held back until it has had the time to begin itself.
 * Otherwise this side would reach it before it has the answer, and if it runs on the same library, two faults of that show
 * (libdatachannel 0.24.5): the beginning of the DTLS handshake is lost, and repeated after a second only; and under load the
 * handshake may end before the library has taken note of the fingerprint in the answer, so that the connection fails.
 */
export class RemoteCandidates {
  #held: (readonly [line: string, mid: string])[] | undefined

  constructor(private readonly native: () => NativePeerConnection | undefined) {}

  /** Holds candidates back from now on, and those of the offer, which the library has been given without. */
  hold(offer: string): void {
    const mid = /^a=mid:(\S+)/m.exec(offer)?.[1] ?? ''
    this.#held = [...offer.matchAll(/^a=candidate:.*\S/gm)].map(([line]) => [line, mid])
  }

  /** The answer is about to be sent. */
  letGoSoon(): void {
    setTimeout(() => {
      const held = this.#held ?? []
      this.#held = undefined
      for (const [line, mid] of held) this.#hand(line, mid)
    }, headStart)
  }

  /** @throws DOMException, TypeError as `addIceCandidate` does */
  add(init: RTCIceCandidateInit, description: RTCSessionDescription | null): void {
    const { candidate, sdpMid, sdpMLineIndex, usernameFragment } = init
    // The end of the candidates.
    if (!candidate) return
    if (sdpMid == null && sdpMLineIndex == null) throw new TypeError('A candidate needs sdpMid or sdpMLineIndex.')
    if (!description) throw new DOMException('There is no remote description yet.', 'InvalidStateError')
    if (!form.test(candidate)) throw new DOMException(`${candidate} is no ICE candidate.`, 'OperationError')
    if (usernameFragment && !description.sdp.includes(`a=ice-ufrag:${usernameFragment}`)) {
      throw new DOMException('The candidate does not belong to the remote description.', 'OperationError')
    }
    if (this.#held) this.#held.push([candidate, sdpMid ?? ''])
    else this.#hand(candidate, sdpMid ?? '')
  }

  #hand(line: string, mid: string): void {
    try {
      this.native()?.addRemoteCandidate(line, mid)
    } catch {
      // It is of no use to the library, or the connection has ended meanwhile; others may do.
    }
  }
}

/** An offer without its candidates. */
export const withoutCandidates = (offer: string): string =>
  offer.replace(/^a=(?:candidate:.*|end-of-candidates)\r?\n/gm, '')
