import { setTimeout } from 'node:timers/promises'
import { ParleyError } from '@parley/client'
import { type NodeDataChannelModule, nodeDataChannel } from '@parley/client/node-datachannel'
import { isExecutable } from './executable.ts'

export interface WebRtc {
  readonly RTCPeerConnection: typeof RTCPeerConnection
  /**
   * Resolves when the other sides have been told of all connections that were closed, which is done in threads of the
   * library: a process that ends before leaves them waiting.
   */
  told(): Promise<void>
}

const notInstalled = 'the package node-datachannel is not installed for this platform'

/** Milliseconds that the library may take to end a connection. */
const toldWithin = 1_000

/** Milliseconds from then until it has sent what ends it, of which it does not tell. Usually it is one. */
const lastWords = 100

/**
 * The WebRTC of Node and Bun, which is loaded by those who need it only.
 * @param bindAddress the only network address that is used; undefined: all
 * @throws ParleyError UNSUPPORTED, if it is not installed for this platform
 */
export async function webRtc({ bindAddress }: { readonly bindAddress: string | undefined }): Promise<WebRtc> {
  let library: NodeDataChannelModule
  try {
    library = await import('node-datachannel')
  } catch (cause) {
    const why = isExecutable && cause instanceof Error ? cause.message : notInstalled
    throw new ParleyError('UNSUPPORTED', `WebRTC is not there: ${why}.`, { cause })
  }
  const ends = new Set<Promise<void>>()
  let isUsed = false
  class PeerConnection extends library.PeerConnection {
    // The library takes one listener, which is somebody else's.
    override onStateChange(listener: (state: string) => void): void {
      const end = new Promise<void>(resolve => {
        super.onStateChange(state => {
          if (state === 'closed') resolve()
          listener(state)
        })
      }).then(() => void ends.delete(end))
      ends.add(end)
      isUsed = true
    }
  }
  return {
    RTCPeerConnection: nodeDataChannel({ PeerConnection }, { ...(bindAddress !== undefined && { bindAddress }) }),
    async told() {
      if (!isUsed) return
      await Promise.race([Promise.all(ends), setTimeout(toldWithin, undefined, { ref: false })])
      await setTimeout(lastWords)
    },
  }
}
