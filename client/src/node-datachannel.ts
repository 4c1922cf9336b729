import type { NodeDataChannelModule, NodeDataChannelOptions } from './node-datachannel/library.ts'
import { NodePeerConnection } from './node-datachannel/peer-connection.ts'

export type { NodeDataChannelModule, NodeDataChannelOptions }

/**
 * The `RTCPeerConnection` of browsers for Node (20 and later) and Bun, with what data channels need of it, made of the npm
 * package `node-datachannel`: `import * as library from 'node-datachannel'`, then `nodeDataChannel(library)`. It behaves as
 * W3C WebRTC 1.0 says, as far as it goes:
 *
 * - There are the constructor with `iceServers` and `iceTransportPolicy`, `createDataChannel`, `setLocalDescription`
 *   (offer, answer or rollback; it makes the description itself), `setRemoteDescription`, `addIceCandidate`, `close`,
 *   `getConfiguration`, `setConfiguration`, `getStats` (the transport and its candidate pair), `sctp.maxMessageSize`, the
 *   two descriptions, the four states, and their events, with listeners and `on…` properties.
 * - There is no `restartIce`, since the library has no ICE restart; the offer of one is refused with OperationError. There
 *   are no `createOffer` and `createAnswer`, no pranswer, no remote rollback, no media, no certificates.
 * - A way to the other peer that is lost does not come back: `connectionState` goes to `failed` at once and never to
 *   `disconnected`, also after the other peer has closed the connection, in which case the channels end first. Afterwards
 *   there is nothing to do but `close()`.
 * - `setConfiguration` holds for what is made later: the ICE servers are those when the first channel is created or the
 *   first description set. Of ICE servers, the library uses one for STUN, and TURN only over UDP.
 * - Data channels give an ArrayBuffer for bytes (`binaryType` "arraybuffer"), and send no Blob. What the other peer sends is
 *   lost if this side is so busy that it does not hear of a new channel before the other peer has closed it again; and on
 *   Node what comes after the first 1000 messages that wait for this side when the other peer closes the channel.
 * - The id 1023 is taken: a negotiated channel cannot have it.
 * - Who answers should not use the candidates of the one who offers before that has the answer; otherwise the connection may
 *   take a second longer, or fail. `Room.connect` sees to it.
 *
 * A connection that is not closed keeps the program alive. So may a channel that the other peer closed before this side heard
 * of it, a fault of the library: a program that must end calls `exit` of its runtime.
 */
export function nodeDataChannel(
  library: NodeDataChannelModule,
  options: NodeDataChannelOptions = {},
): typeof RTCPeerConnection {
  class Connection extends NodePeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(library, options, configuration)
    }
  }
  return Connection as unknown as typeof RTCPeerConnection
}
