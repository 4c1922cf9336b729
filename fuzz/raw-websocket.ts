import { connect, type Socket } from 'node:net'
import { clientFrame } from '../server/test/raw-connection.ts'

/** How a connection ended; without a code if the other end sent no close frame. */
export interface Ending {
  readonly code: number | undefined
}

/** A WebSocket client that sends any bytes, as no library would. Pings are answered. */
export class RawWebSocket {
  /** Resolves when the TCP connection has ended. */
  readonly ended: Promise<Ending>
  /** What has come and was not taken yet. */
  texts: string[] = []
  #received: Buffer = Buffer.alloc(0)
  #code: number | undefined
  #arrived = () => {}

  private constructor(private readonly socket: Socket) {
    this.ended = new Promise(resolve =>
      socket.once('close', () => {
        resolve({ code: this.#code })
        this.#arrived()
      }),
    )
    // What matters is that it ends.
    socket.on('error', () => {})
  }

  /** @throws Error if the server does not take the connection */
  static async connect(ws: string, headers: Readonly<Record<string, string>>): Promise<RawWebSocket> {
    const { hostname, port } = new URL(ws)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    const connection = new RawWebSocket(socket)
    const lines = Object.entries({
      Host: `${hostname}:${port}`,
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version': '13',
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`GET / HTTP/1.1\r\n${lines.join('')}\r\n`)
    await new Promise<void>((resolve, reject) => {
      let head = Buffer.alloc(0)
      const read = (chunk: Buffer) => {
        head = Buffer.concat([head, chunk])
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        socket.off('data', read)
        if (!head.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101'))) reject(new Error(`not taken: ${head}`))
        socket.on('data', (more: Buffer) => connection.#take(more))
        connection.#take(head.subarray(end + 4))
        resolve()
      }
      socket.on('data', read)
      socket.once('close', () => reject(new Error('closed before the upgrade')))
    })
    return connection
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  sendText(text: string): void {
    this.write(clientFrame(1, Buffer.from(text)))
  }

  /** Resolves once `holds` is true of what has come. @throws Error if the connection ends before */
  async until(holds: (texts: readonly string[]) => boolean): Promise<void> {
    while (!holds(this.texts)) {
      if (this.socket.destroyed) throw new Error(`the connection has ended with ${this.#code}`)
      await new Promise<void>(resolve => (this.#arrived = resolve))
    }
  }

  /** Closes as a page does that goes away, and resolves when the connection has ended. */
  async close(): Promise<void> {
    if (this.socket.destroyed) return
    this.write(clientFrame(8, Buffer.from([0x03, 0xe8])))
    await this.ended
  }

  /** Ends the TCP connection without a word. */
  cut(): void {
    this.socket.destroy()
  }

  /** Reads frames of the server: whole ones, as it never sends others. */
  #take(chunk: Buffer): void {
    const bytes = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    let at = 0
    while (at + 2 <= bytes.length) {
      const short = (bytes[at + 1] ?? 0) & 127
      const head = short === 126 ? 4 : short === 127 ? 10 : 2
      if (at + head > bytes.length) break
      const length =
        short < 126 ? short : head === 4 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
      const end = at + head + length
      if (end > bytes.length) break
      this.#frame((bytes[at] ?? 0) & 15, bytes.subarray(at + head, end))
      at = end
    }
    this.#received = bytes.subarray(at)
    if (at > 0) this.#arrived()
  }

  #frame(opcode: number, payload: Buffer): void {
    if (opcode === 1) this.texts.push(payload.toString())
    if (opcode === 8) {
      this.#code = payload.length >= 2 ? payload.readUInt16BE(0) : undefined
      this.socket.end(clientFrame(8, payload.subarray(0, 2)))
    }
    if (opcode === 9) this.write(clientFrame(10, payload))
  }
}
