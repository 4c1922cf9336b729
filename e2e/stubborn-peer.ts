import { onTestFinished } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Room } from './api.ts'

/**
 * A registered peer without a WebSocket library: it never answers a close frame and never closes its connection.
 * One that reads `nothing` takes nothing more from the network once it is registered.
 */
export async function stubbornPeer(
  reads: 'everything' | 'nothing',
  wsUrl: string,
  peerId: string,
  idToken: string,
  room: Room,
): Promise<{ readOn(): Promise<{ bytes: number; end: Buffer }> }> {
  const { hostname, port } = new URL(wsUrl)
  // The server cuts the connection off in the end, which is what the tests want to see.
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true }).on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  const key = randomBytes(16).toString('base64')
  const upgrade = [
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
  ]
  socket.write(['GET / HTTP/1.1', `Host: ${hostname}:${port}`, ...upgrade, '', ''].join('\r\n'))
  await seen(socket, '101 Switching Protocols')
  socket.write(textFrame(JSON.stringify({ type: 'register', peer_id: peerId, ...room, id_token: idToken })))
  await seen(socket, '"registered_auth"')
  if (reads === 'nothing') socket.pause()
  return {
    /** Reads to the end; gives the number of bytes that came and the last of them. */
    async readOn() {
      let bytes = 0
      let end = Buffer.alloc(0)
      socket.on('data', chunk => {
        bytes += chunk.length
        end = Buffer.concat([end, Buffer.from(chunk)]).subarray(-64)
      })
      socket.resume()
      await once(socket, 'end')
      return { bytes, end }
    },
  }
}

/** Resolves when `text` has been received. */
function seen(socket: Socket, text: string): Promise<void> {
  let received = ''
  return new Promise(resolve => {
    socket.on('data', chunk => {
      received += chunk.toString('latin1')
      if (received.includes(text)) resolve()
    })
  })
}

/** A text frame of 126 to 65,535 bytes, masked with zeros (RFC 6455 section 5.2). */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  const header = Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 0xff, 0, 0, 0, 0])
  return Buffer.concat([header, payload])
}
