import type { Socket } from 'bun'

/** A WebSocket as bytes on TCP: the handshake is done, framing is up to its user. */
export class Wire {
  /** Called with whatever arrives. */
  onBytes: (chunk: Buffer) => void = () => {}
  /** Called once when the connection has ended. */
  onClose: () => void = () => {}
  /** Called when the kernel has taken all that was sent. */
  onDrain: () => void = () => {}
  open = true
  /** Bytes that the kernel has not taken yet. */
  private rest: Buffer | undefined

  constructor(private readonly socket: Socket<Opening>) {}

  /** Whether something still waits for the kernel. */
  get isFull(): boolean {
    return this.rest !== undefined
  }

  /** Sends `bytes` as soon as the kernel takes them; it must not change until then. */
  send(bytes: Uint8Array): void {
    if (this.rest) {
      this.rest = Buffer.concat([this.rest, bytes])
      return
    }
    const written = Math.max(0, this.socket.write(bytes))
    if (written < bytes.length) this.rest = Buffer.from(bytes.subarray(written))
  }

  /** The kernel has room again. */
  drain(): void {
    const { rest } = this
    this.rest = undefined
    if (rest) this.send(rest)
    if (!this.rest) this.onDrain()
  }

  /** Takes nothing more from the kernel, so that what the server sends piles up. */
  stopReading(): void {
    this.socket.pause()
  }

  /** Ends the TCP connection without ceremony. */
  close(): void {
    this.open = false
    this.socket.end()
  }

  /** Ends the TCP connection with a reset, whatever waits; its port is free at once. */
  reset(): void {
    this.open = false
    this.socket.terminate()
  }
}

interface Opening {
  readonly path: string
  readonly host: string
  reply: string
  wire: Wire | undefined
  readonly done: (wire: Wire) => void
  readonly failed: (reason: Error) => void
}

const handlers = {
  open(socket: Socket<Opening>) {
    const { path, host } = socket.data
    socket.setNoDelay(true)
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
  },
  data(socket: Socket<Opening>, chunk: Buffer) {
    const { wire } = socket.data
    if (wire) wire.onBytes(chunk)
    else handshake(socket, chunk)
  },
  drain(socket: Socket<Opening>) {
    socket.data.wire?.drain()
  },
  close(socket: Socket<Opening>) {
    const { wire, failed } = socket.data
    if (!wire) return failed(new Error('the server closed the connection during the handshake'))
    wire.open = false
    wire.onClose()
  },
  connectError(socket: Socket<Opening>, error: Error) {
    socket.data.failed(error)
  },
  error() {}, // `close` follows
}

function handshake(socket: Socket<Opening>, chunk: Buffer): void {
  const opening = socket.data
  opening.reply += chunk.toString('latin1')
  if (!opening.reply.endsWith('\r\n\r\n')) return
  if (opening.reply.startsWith('HTTP/1.1 101')) {
    opening.wire = new Wire(socket)
    opening.done(opening.wire)
  } else {
    opening.failed(new Error(`no WebSocket: ${opening.reply.split('\r\n')[0]}`))
    socket.end()
  }
}

/**
 * Opens a WebSocket.
 * @param from the address of this machine to connect from; otherwise as the kernel has it
 * @throws Error if the server cannot be reached or refuses.
 */
export function openWire(url: string, path = '/', from?: string): Promise<Wire> {
  const { hostname, port, host } = new URL(url)
  return new Promise((done, failed) => {
    const data: Opening = { path, host, reply: '', wire: undefined, done, failed }
    const options = { hostname, port: Number(port), data, socket: handlers, ...(from && { localAddress: from }) }
    Bun.connect<Opening>(options).catch(failed)
  })
}
