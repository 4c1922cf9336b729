import { connect, type Socket } from 'node:net'

export interface Answer {
  readonly status: number
  /** Names in small letters. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** One HTTP/1.1 connection that sends any bytes as a request, and reads what a server answers. One request at a time. */
export class HttpConnection {
  #socket: Socket | undefined
  #received: Buffer = Buffer.alloc(0)
  #arrived = () => {}

  constructor(private readonly origin: string) {}

  /** The answer; undefined if the server hung up instead. @param hasBody false for an answer to HEAD */
  async ask(request: Uint8Array, hasBody: boolean): Promise<Answer | undefined> {
    const socket = this.#open()
    socket.write(request)
    for (;;) {
      const read = readAnswer(this.#received, hasBody)
      if (read) {
        this.#received = this.#received.subarray(read.length)
        if (read.answer.headers.get('connection') === 'close') this.close()
        return read.answer
      }
      if (socket.destroyed) {
        this.close()
        return undefined
      }
      await new Promise<void>(resolve => (this.#arrived = resolve))
    }
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
    this.#received = Buffer.alloc(0)
  }

  #open(): Socket {
    if (this.#socket && !this.#socket.destroyed) return this.#socket
    this.close()
    const { hostname, port } = new URL(this.origin)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#arrived()
    })
    // That it hung up is an answer, too.
    socket.on('error', () => {})
    socket.on('close', () => this.#arrived())
    socket.on('end', () => socket.destroy())
    this.#socket = socket
    return socket
  }
}

/** The first answer in `bytes`, once it is whole, and how many bytes it has (RFC 9112). */
function readAnswer(bytes: Buffer, hasBody: boolean): { answer: Answer; length: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [line = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const headers = new Map(
    lines.map(header => [header.split(':', 1)[0]?.toLowerCase() ?? '', header.slice(header.indexOf(':') + 1).trim()]),
  )
  const status = Number(line.split(' ')[1])
  const start = end + 4
  if (!hasBody || status === 204 || status === 304) return { answer: { status, headers, body: '' }, length: start }
  if (headers.get('transfer-encoding') === 'chunked') {
    const read = readChunks(bytes, start)
    return read && { answer: { status, headers, body: read.body }, length: read.end }
  }
  const length = Number(headers.get('content-length') ?? 0)
  if (bytes.length < start + length) return undefined
  return { answer: { status, headers, body: bytes.subarray(start, start + length).toString() }, length: start + length }
}

function readChunks(bytes: Buffer, start: number): { body: string; end: number } | undefined {
  const chunks: Buffer[] = []
  for (let at = start; ; ) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(bytes.subarray(at, line).toString(), 16)
    const end = line + 2 + size + 2
    if (bytes.length < end) return undefined
    if (size === 0) return { body: Buffer.concat(chunks).toString(), end }
    chunks.push(bytes.subarray(line + 2, end - 2))
    at = end
  }
}
