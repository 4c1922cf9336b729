// A worker on Node: waits for others, answers what they say, and keeps the files that they send. README.md tells how to run it.
import { createHash } from 'node:crypto'
import { mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Parley, serverAddress } from '@parley/client'
import { onFile } from '@parley/client/files'
import { nodeDataChannel } from '@parley/client/node-datachannel'
import * as library from 'node-datachannel'
import { WebSocket } from 'ws'

const { PARLEY_SERVER: server = 'http://127.0.0.1:8001', PARLEY_WS: ws, BIND_ADDRESS: bindAddress } = process.env
const folder = process.argv[2] ?? 'received'

const parley = new Parley(server, {
  ...(ws && { wsUrl: ws }),
  // Node has no WebRTC of its own, and a WebSocket only from version 22 on. The address is for machines with several.
  RTCPeerConnection: nodeDataChannel(library, bindAddress ? { bindAddress } : {}),
  WebSocket,
  // Not needed, but faster than the one that also runs in browsers.
  sha256() {
    const hash = createHash('sha256')
    return { update: bytes => void hash.update(bytes), hex: () => hash.digest('hex') }
  },
})

const { roomId, token } = await parley.createRoom()
const room = await parley.join({ roomId, token, peerId: 'worker', role: 'worker' })

// All listeners before the first await from here on: nothing that happens meanwhile is missed.
room.on('state', ({ status, error }) => console.log(`server: ${status}${error ? ` (${error.message})` : ''}`))

room.on('connection', connection => {
  const { peerId } = connection
  connection.on('status', status => console.log(`${peerId}: ${status}`))
  connection.on('channel', channel => {
    channel.addEventListener('message', ({ data }) => {
      console.log(`${peerId} says: ${data}`)
      channel.send(`You said: ${data}`)
    })
  })
})

onFile(room, async file => {
  try {
    const { name, sha256 } = await file.save(sinkFor(file.name))
    console.log(`${file.peerId} sent: ${name} (${file.size} bytes, SHA-256 ${sha256})`)
  } catch (error) {
    // The sender has been told, too.
    console.log(`${file.name} was not kept: ${error.message}`)
  }
})

/** Where a file goes. Its name is a safe one, without a folder in it. */
async function sinkFor(name) {
  await mkdir(folder, { recursive: true })
  const path = join(folder, name)
  // "x": another file of that name stays as it is, and the transfer fails.
  const file = await open(path, 'wx')
  return {
    write: bytes => file.appendFile(bytes),
    async finish() {
      await file.close()
      return name
    },
    async abort() {
      await file.close()
      await unlink(path)
    },
  }
}

// Who leaves is missed at once; who just ends is missed when the server finds out. Without a room and its connections
// there is nothing left to keep the program running.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => room.leave())

// What `parley connect` and bun.ts take, and browser/ as a link of a room.
const { httpUrl, wsUrl } = parley.address
const isUsual = serverAddress(httpUrl).wsUrl === wsUrl
console.log(`${httpUrl}#${[roomId, token, room.peerId, ...(isUsual ? [] : [wsUrl])].map(encodeURIComponent).join('/')}`)
