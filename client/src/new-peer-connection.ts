import type { ConnectionParts } from './connection-types.ts'
import { ParleyError } from './errors.ts'

/** @throws ParleyError UNSUPPORTED */
export function newPeerConnection({ RTCPeerConnection, configuration }: ConnectionParts): RTCPeerConnection {
  if (!RTCPeerConnection) {
    throw new ParleyError('UNSUPPORTED', 'No WebRTC here; hand one in, as that of "node-datachannel".')
  }
  try {
    return new RTCPeerConnection(configuration())
  } catch (cause) {
    // As when a page has hundreds of them.
    throw new ParleyError('UNSUPPORTED', `WebRTC makes no connection: ${cause}`, { cause })
  }
}
