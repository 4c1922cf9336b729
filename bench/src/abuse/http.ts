import type { Socket } from 'bun'

/** An answer to a request. */
export interface HttpAnswer {
  readonly status: number
  /** Seconds; 0 if it does not say. */
  readonly retryAfter: number
  readonly body: string
}

/** The bytes of a request. */
export function httpRequest(method: string, path: string, more: { bearer?: string; body?: string } = {}): Buffer {
  const { bearer, body = '' } = more
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    ...(bearer ? [`Authorization: Bearer ${bearer}`] : []),
    ...(method === 'GET' ? [] : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/**
 * One connection that is kept alive, and one request at a time on it. Bun's own `fetch` cannot say which address it comes
 * from, and spends more on a request than the server does.
 */
export class HttpConnection {
  open = true
  private rest: Buffer | undefined
  private chunks: Buffer[] = []
  private answered: PromiseWithResolvers<HttpAnswer> | undefined

  private constructor(private readonly socket: Socket<{ connection?: HttpConnection }>) {}

  /** @throws Error if the server cannot be reached */
  static async connect(url: string, from: string): Promise<HttpConnection> {
    const { hostname, port } = new URL(url)
    const data: { connection?: HttpConnection } = {}
    const options = { hostname, port: Number(port), data, socket: handlers, localAddress: from }
    const connection = new HttpConnection(await Bun.connect<{ connection?: HttpConnection }>(options))
    data.connection = connection
    return connection
  }

  /** @throws Error if the connection ends instead */
  request(bytes: Buffer): Promise<HttpAnswer> {
    this.answered = Promise.withResolvers()
    this.write(bytes)
    return this.answered.promise
  }

  write(bytes: Buffer): void {
    const written = Math.max(0, this.socket.write(bytes))
    this.rest = written < bytes.length ? bytes.subarray(written) : undefined
  }

  drain(): void {
    if (this.rest) this.write(this.rest)
  }

  take(chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk))
    // The head may come in pieces.
    if (this.chunks[0]?.indexOf('\r\n\r\n') === -1) this.chunks = [Buffer.concat(this.chunks)]
    const [first = chunk] = this.chunks
    const headEnd = first.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const head = first.toString('latin1', 0, headEnd)
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
    const have = this.chunks.reduce((sum, { length }) => sum + length, 0)
    if (have < headEnd + 4 + length) return
    const body = Buffer.concat(this.chunks).toString('utf8', headEnd + 4)
    this.chunks = []
    const { answered } = this
    this.answered = undefined
    answered?.resolve({
      status: Number(head.slice(9, 12)),
      retryAfter: Number(/^retry-after: *(\d+)/im.exec(head)?.[1] ?? 0),
      body,
    })
  }

  ended(): void {
    this.open = false
    this.answered?.reject(new Error('the server closed the connection instead of answering'))
  }

  close(): void {
    this.socket.end()
  }
}

const handlers = {
  data: ({ data }: Socket<{ connection?: HttpConnection }>, chunk: Buffer) => data.connection?.take(chunk),
  drain: ({ data }: Socket<{ connection?: HttpConnection }>) => data.connection?.drain(),
  close: ({ data }: Socket<{ connection?: HttpConnection }>) => data.connection?.ended(),
  error() {}, // `close` follows
}
