// A client on Bun: connects to a worker, says something, sends a file, and leaves. README.md tells how to run it.
import { basename } from 'node:path'
import { Parley, ParleyError } from '@parley/client'
import { sendFile } from '@parley/client/files'
import { nodeDataChannel } from '@parley/client/node-datachannel'
import * as library from 'node-datachannel'

const [session = '', path] = process.argv.slice(2)
const { BIND_ADDRESS: bindAddress } = process.env

// http://HOST:8001#ROOM/TOKEN/PEER, and the address of the WebSocket behind it if it is an unusual one.
const [server = '', rest = ''] = session.split('#')
const [roomId, token, worker, wsUrl] = rest.split('/').map(decodeURIComponent)
if (!roomId || !token || !worker) {
  console.error('Give me the line that the worker has printed, and perhaps a file.')
  process.exit(2)
}

// Bun has a WebSocket, but no WebRTC of its own.
const parley = new Parley(server, {
  ...(wsUrl && { wsUrl }),
  RTCPeerConnection: nodeDataChannel(library, bindAddress ? { bindAddress } : {}),
})

try {
  const room = await parley.join({ roomId, token, role: 'client' })
  try {
    const connection = await room.connect(worker)
    const chat = await connection.open('chat')
    const answer = new Promise((resolve, reject) => {
      chat.onmessage = ({ data }) => resolve(data)
      chat.onclose = () => reject(new ParleyError('CHANNEL_CLOSED', 'The worker has gone without an answer.'))
    })
    chat.send('Hello from Bun')
    console.log(await answer)

    if (path) {
      const { name, sha256 } = await sendFile(room, worker, Bun.file(path), {
        // Else it would be the whole path.
        name: basename(path),
        onProgress: ({ status, bytes, size }) => console.log(`${status}: ${bytes} of ${size} bytes`),
      })
      console.log(`kept as ${name}, SHA-256 ${sha256}`)
    }
  } finally {
    // It also ends the connections, which would keep the program running.
    room.leave()
  }
} catch (error) {
  if (!(error instanceof ParleyError)) throw error
  // `code` is for programs and does not change; `message` is a sentence for people.
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = 1
}
