import type { Clock } from './clock.ts'

// Who answers an offer could reach the other side before that has the answer. libdatachannel (0.24.5) does not bear it: it may
// refuse the right certificate, or lose the beginning of the DTLS handshake, which costs a second. So who answers does not look
// for a way to the other side before that says `answered`. See docs/upstream/ and docs/decisions/0019-candidates-after-the-answer.md.

/** Milliseconds in which the first checks arrive and are answered where nothing is in their way, on a busy machine, too. */
const firstChecks = 250

/** Resolves when ICE has found a way, or is not likely to before the other side sends something, too, as behind a NAT. */
export function reaches(pc: RTCPeerConnection, clock: Clock): Promise<void> {
  return new Promise(resolve => {
    const cancel = clock.after(firstChecks, resolve)
    const look = () => {
      if (pc.iceConnectionState !== 'connected' && pc.iceConnectionState !== 'completed') return
      cancel()
      resolve()
    }
    pc.addEventListener('iceconnectionstatechange', look)
    look()
  })
}

/** A description whose candidates have to wait. Each of them is sent by itself, too. */
export const withoutCandidates = ({ type, sdp = '' }: RTCSessionDescriptionInit): RTCSessionDescriptionInit => ({
  type,
  sdp: sdp.replace(/^a=(?:candidate:.*|end-of-candidates)\r?\n/gm, ''),
})
