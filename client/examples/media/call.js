/** Audio and video over connections of Parley. Nothing here knows of the page. */

/**
 * Has a connection that is ready send what is in `own`: at most one track of each kind. Call it again after each change.
 * A track that takes the place of another one is not negotiated, so the other side sees the new picture at once. A track
 * more or less is, and the SDK sees to that.
 */
export async function send({ pc }, own) {
  for (const kind of ['audio', 'video']) {
    const track = own.getTracks().find(track => track.kind === kind) ?? null
    const transceiver = pc.getTransceivers().find(({ receiver }) => receiver.track.kind === kind)
    if (transceiver) await put(transceiver, track, own)
    else if (track) pc.addTrack(track, own)
  }
}

/** The other side may have made the transceiver: then nothing is sent on it yet. */
async function put(transceiver, track, own) {
  const { sender } = transceiver
  if (sender.track === track) return
  // Browsers play in step what belongs to one stream: lips and voice.
  if (track) sender.setStreams(own)
  transceiver.direction = track ? 'sendrecv' : 'recvonly'
  await sender.replaceTrack(track)
}

/**
 * Calls `show` with the tracks that arrive over a connection that is ready, and again whenever they are others. It does
 * not wait for the event `track`, which may have come before the connection was ready.
 */
export function receive({ pc }, show) {
  const look = () => {
    if (pc.signalingState !== 'stable') return
    const arriving = pc.getTransceivers().filter(({ currentDirection }) => /recv/.test(currentDirection ?? ''))
    show(arriving.map(({ receiver }) => receiver.track))
  }
  pc.addEventListener('signalingstatechange', look)
  look()
}
