import { Parley, signIn } from '@parley/client'
import { nodeDataChannel } from '@parley/client/node-datachannel'
import * as library from 'node-datachannel'

// A peer with the SDK in a process of its own, which a test can stop or kill. It sends back what it hears on channels,
// and tells what happens in JSON lines.

/** What it is told, as JSON, by its one argument. */
export interface ProgramOptions {
  readonly httpUrl: string
  readonly wsUrl: string
  readonly roomId: string
  readonly token: string
  readonly peerId: string
  /** That of the program before it, to be the same identity. */
  readonly refreshToken?: string
  /** Has no WebRTC, so it does not answer offers. */
  readonly isDeaf?: boolean
}

const { httpUrl, wsUrl, roomId, token, peerId, refreshToken, isDeaf }: ProgramOptions = JSON.parse(
  process.argv[2] ?? '',
)

const tell = (event: string, members = {}) => console.log(JSON.stringify({ event, ...members }))

const identity = await signIn(httpUrl, { refreshToken })
const rtc = isDeaf ? {} : { RTCPeerConnection: nodeDataChannel(library, { bindAddress: '127.0.0.1' }) }
const parley = new Parley(httpUrl, { wsUrl, identity, ...rtc })
const room = await parley.join({ roomId, token, peerId })
room.on('connection', connection => {
  connection.on('channel', channel => channel.addEventListener('message', ({ data }) => channel.send(data)))
})
// Of a deaf one: it has been called.
room.on('signal', ({ type }) => tell('signal', { type }))
tell('joined', { refreshToken: identity.refreshToken })
