import { Parley } from '@parley/client'
import { nodeDataChannel } from '@parley/client/node-datachannel'
import * as library from 'node-datachannel'
import { lateSocket } from '../../../e2e/late-socket.ts'

/** Enters a room under each of the names given, and sends back what arrives on any data channel. */
const [http = '', wsUrl = '', roomId = '', token = '', delay = '0', ...names] = process.argv.slice(2)
const RTCPeerConnection = nodeDataChannel(library, { bindAddress: '127.0.0.1' })
for (const peerId of names) {
  const parley = new Parley(http, { wsUrl, WebSocket: lateSocket(Number(delay)), RTCPeerConnection })
  const room = await parley.join({ roomId, token, peerId })
  room.on('connection', connection =>
    connection.on('channel', channel => channel.addEventListener('message', ({ data }) => channel.send(data))),
  )
}
console.log('ready')
