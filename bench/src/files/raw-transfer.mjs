/**
 * What the WebRTC library itself moves: bytes from one process to another over one data channel, without reading or
 * writing a file and without a check. Runs on Node and on Bun.
 *
 *     raw-transfer.mjs BYTES CHUNK        prints {"seconds":…}
 */
import { fork } from 'node:child_process'
import { PeerConnection } from 'node-datachannel'

const [first, chunkText] = process.argv.slice(2)
const highWater = 1024 * 1024

if (first === 'receive') receive()
else send(Number(first), Number(chunkText))

/** Says who it is to the process at the other end of `tell`, and hears who that is. */
function introduce(tell, onMessage) {
  const connection = new PeerConnection('raw', { iceServers: [], bindAddress: '127.0.0.1' })
  connection.onLocalDescription((sdp, type) => tell({ sdp, type }))
  connection.onLocalCandidate((candidate, mid) => tell({ candidate, mid }))
  onMessage(({ sdp, type, candidate, mid }) => {
    if (sdp) connection.setRemoteDescription(sdp, type)
    else connection.addRemoteCandidate(candidate, mid)
  })
  return connection
}

function receive() {
  const connection = introduce(
    message => process.send(message),
    hear => process.on('message', hear),
  )
  connection.onDataChannel(channel => {
    const expected = Number(channel.getLabel())
    let count = 0
    channel.onMessage(data => {
      count += data.byteLength
      if (count >= expected) channel.sendMessage('done')
    })
  })
}

function send(bytes, chunkBytes) {
  const child = fork(process.argv[1], ['receive'])
  const connection = introduce(
    message => child.send(message),
    hear => child.on('message', hear),
  )
  const channel = connection.createDataChannel(String(bytes))
  const chunk = Buffer.alloc(chunkBytes, 7)
  let drained = () => {}
  channel.setBufferedAmountLowThreshold(highWater / 4)
  channel.onBufferedAmountLow(() => drained())
  channel.onOpen(async () => {
    const start = performance.now()
    channel.onMessage(() => {
      console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000 }))
      child.kill('SIGKILL')
      // Its threads would keep the process alive.
      process.exit(0)
    })
    for (let sent = 0; sent < bytes; sent += chunkBytes) {
      channel.sendMessageBinary(chunk)
      while (channel.bufferedAmount() > highWater) {
        await new Promise(resolve => {
          drained = resolve
        })
      }
    }
  })
}
