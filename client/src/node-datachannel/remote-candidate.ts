import type { NativePeerConnection } from './library.ts'

const form = /^(?:a=)?candidate:\S+ \d+ \S+ \d+ \S+ \d+ typ \S/i

/** @throws DOMException, TypeError as `addIceCandidate` does */
export function addRemoteCandidate(
  native: NativePeerConnection | undefined,
  { candidate, sdpMid, sdpMLineIndex, usernameFragment }: RTCIceCandidateInit,
  description: RTCSessionDescription | null,
): void {
  // The end of the candidates.
  if (!candidate) return
  if (sdpMid == null && sdpMLineIndex == null) throw new TypeError('A candidate needs sdpMid or sdpMLineIndex.')
  if (!description) throw new DOMException('There is no remote description yet.', 'InvalidStateError')
  if (!form.test(candidate)) throw new DOMException(`${candidate} is no ICE candidate.`, 'OperationError')
  if (usernameFragment && !description.sdp.includes(`a=ice-ufrag:${usernameFragment}`)) {
    throw new DOMException('The candidate does not belong to the remote description.', 'OperationError')
  }
  try {
    native?.addRemoteCandidate(candidate, sdpMid ?? '')
  } catch {
    // It is of no use to the library, or the connection has ended meanwhile; others may do.
  }
}
