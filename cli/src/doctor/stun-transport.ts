import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect } from './connect.ts'
import type { IceUrl } from './ice-url.ts'
import { type Endpoint, headerBytes, magicCookie } from './stun.ts'
import { Trouble } from './trouble.ts'

/** What STUN messages travel on. */
export interface StunTransport {
  /** The server, as its name was resolved. */
  readonly remote: Endpoint
  /** Whether what is sent arrives without being sent again. */
  readonly isReliable: boolean
  send(message: Buffer): void
  close(): void
}

export interface Receiver {
  /** Is called with each whole message, or with what may be one. */
  message(bytes: Buffer): void
  /** The transport is of no more use. */
  failed(error: unknown): void
}

/**
 * Opens what the URL asks for. It is closed when `signal` aborts, then or later.
 * @throws Trouble, if it is DTLS; Error with a code of Node, or the reason of `signal`
 */
export function openTransport(url: IceUrl, receiver: Receiver, signal: AbortSignal): Promise<StunTransport> {
  switch (url.transport) {
    case 'udp':
      return openUdp(url, receiver, signal)
    case 'tcp':
    case 'tls':
      return openStream(url, receiver, signal)
    case 'dtls':
      throw new Trouble('TURN over DTLS cannot be tried from here.')
    default:
      return url.transport satisfies never
  }
}

/** A connected socket, since only that is told when the port is closed. */
async function openUdp({ host, port }: IceUrl, receiver: Receiver, signal: AbortSignal): Promise<StunTransport> {
  // IPv4 first: it is that way that there are NATs, and IPv6 often leads nowhere.
  const { address, family } = await lookup(host, 4).catch(() => lookup(host))
  signal.throwIfAborted()
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
  let isClosed = false
  const close = () => {
    signal.removeEventListener('abort', close)
    if (!isClosed) socket.close()
    isClosed = true
  }
  signal.addEventListener('abort', close)
  socket.on('message', bytes => receiver.message(bytes))
  socket.on('error', error => receiver.failed(error))
  socket.connect(port, address)
  await once(socket, 'connect', { signal })
  return {
    remote: { ip: address, port },
    isReliable: false,
    // Errors are told by the event.
    send: message => void (isClosed || socket.send(message, () => {})),
    close,
  }
}

async function openStream(url: IceUrl, receiver: Receiver, signal: AbortSignal): Promise<StunTransport> {
  const { host, port } = url
  const socket = await connect({ host, port, isTls: url.transport === 'tls' }, signal)
  const take = framing(receiver)
  socket.on('data', take)
  socket.on('error', error => receiver.failed(error))
  socket.on('close', () => receiver.failed(Object.assign(new Error('closed'), { code: 'ECONNRESET' })))
  return {
    remote: { ip: socket.remoteAddress ?? host, port },
    isReliable: true,
    send: message => void socket.write(message),
    close: () => void socket.destroy(),
  }
}

/** Cuts a stream into messages by the length that each one tells, RFC 8489 section 6.2.2. */
function framing(receiver: Receiver): (chunk: Buffer) => void {
  let bytes: Buffer = Buffer.alloc(0)
  return chunk => {
    bytes = Buffer.concat([bytes, chunk])
    while (bytes.length >= headerBytes) {
      const isStun = bytes.readUInt32BE(4) === magicCookie
      // Of something else nobody knows how long it is.
      const length = isStun ? headerBytes + bytes.readUInt16BE(2) : bytes.length
      if (bytes.length < length) return
      receiver.message(bytes.subarray(0, length))
      bytes = bytes.subarray(length)
    }
  }
}
