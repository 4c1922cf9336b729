import { onTestFinished } from 'bun:test'
import {
  type CreatedRoom,
  type Identity,
  type JoinOptions,
  Parley,
  type ParleyOptions,
  type Room,
} from '@parley/client'
import { nodeDataChannel } from '@parley/client/node-datachannel'
import type { ParleyProcess } from './parley-process.ts'

type Urls = Pick<ParleyProcess, 'httpUrl' | 'wsUrl'>

/** A WebRTC that stays on loopback. */
export const loopbackRtc = async () => nodeDataChannel(await import('node-datachannel'), { bindAddress: '127.0.0.1' })

/** The server as a program with the SDK knows it, as an identity of its own. */
export async function parleyAt({ httpUrl, wsUrl }: Urls, options: ParleyOptions = {}): Promise<Parley> {
  return new Parley(httpUrl, { wsUrl, RTCPeerConnection: await loopbackRtc(), ...options })
}

/** Who the peers of a test are to the server. */
export const identities = new WeakMap<Room, Identity>()

/** Enters the room as a new identity, until the end of the test. */
export async function enter(
  urls: Urls,
  { roomId, token }: Pick<CreatedRoom, 'roomId' | 'token'>,
  peerId: string,
  options: Partial<JoinOptions> & { parley?: ParleyOptions } = {},
): Promise<Room> {
  const parley = await parleyAt(urls, options.parley)
  const room = await parley.join({ roomId, token, peerId, ...options })
  identities.set(room, await parley.signIn())
  onTestFinished(() => room.leave())
  return room
}

/** What arrives on a data channel from now on, as an endless sequence. */
export function messagesOn(channel: RTCDataChannel): { next(): Promise<string | ArrayBuffer> } {
  const arrived: (string | ArrayBuffer)[] = []
  let wanted: ((data: string | ArrayBuffer) => void) | undefined
  channel.addEventListener('message', ({ data }) => {
    const take = wanted
    wanted = undefined
    if (take) take(data)
    else arrived.push(data)
  })
  return {
    next() {
      const data = arrived.shift()
      return data !== undefined ? Promise.resolve(data) : new Promise(resolve => (wanted = resolve))
    },
  }
}
