import { randomBytes } from 'node:crypto'
import type { IceUrl } from './ice-url.ts'
import {
  type Attribute,
  decode,
  type Endpoint,
  encode,
  type IncomingMessage,
  MalformedStun,
  type Method,
} from './stun.ts'
import { openTransport, type StunTransport } from './stun-transport.ts'
import { Trouble } from './trouble.ts'

/** The server has understood the request, and refused it. */
export class StunRefusal extends Error {
  override readonly name = 'StunRefusal'

  constructor(
    /** RFC 8489 section 14.8, RFC 8656 section 19. */
    readonly code: number,
    readonly reason: string,
  ) {
    super(`${code} ${reason}`)
  }
}

/** Milliseconds until a request is sent again; then twice as many, and so on (RFC 8489 section 6.2.1). */
const firstPause = 250

interface Pending {
  readonly method: Method
  readonly id: Buffer
  readonly resolve: (answer: IncomingMessage) => void
  readonly reject: (error: unknown) => void
}

/** Asks one STUN or TURN server, one thing after the other, from one port. */
export class StunClient {
  #pending: Pending | undefined
  #failure: { readonly error: unknown } | undefined
  #transport: StunTransport | undefined

  private constructor(signal: AbortSignal) {
    signal.addEventListener('abort', () => this.#fail(signal.reason), { once: true })
  }

  /**
   * Everything on it ends when `signal` aborts.
   * @throws what `openTransport` throws
   */
  static async open(url: IceUrl, signal: AbortSignal): Promise<StunClient> {
    const client = new StunClient(signal)
    const receiver = {
      message: (bytes: Buffer) => client.#receive(bytes),
      failed: (error: unknown) => client.#fail(error),
    }
    client.#transport = await openTransport(url, receiver, signal)
    return client
  }

  /** The server. */
  get remote(): Endpoint {
    return this.#open.remote
  }

  /**
   * What the server answers, be it a success or a refusal. On UDP the request is repeated until then.
   * @throws Error with a code of Node, Trouble, or the reason of the signal
   */
  async request(method: Method, attributes: readonly Attribute[], key?: Uint8Array): Promise<IncomingMessage> {
    if (this.#failure) throw this.#failure.error
    const transport = this.#open
    const id = randomBytes(12)
    const bytes = encode({ method, kind: 'request', transactionId: id, attributes }, key)
    let pause = firstPause
    let timer: ReturnType<typeof setTimeout> | undefined
    const send = () => {
      transport.send(bytes)
      if (transport.isReliable) return
      timer = setTimeout(send, pause)
      pause *= 2
    }
    try {
      return await new Promise((resolve, reject) => {
        this.#pending = { method, id, resolve, reject }
        send()
      })
    } finally {
      this.#pending = undefined
      clearTimeout(timer)
    }
  }

  close(): void {
    this.#transport?.close()
  }

  get #open(): StunTransport {
    if (!this.#transport) throw new Error('This client is not open yet.')
    return this.#transport
  }

  #receive(bytes: Buffer): void {
    const pending = this.#pending
    try {
      const answer = decode(bytes)
      const isAnswer = answer.kind === 'success' || answer.kind === 'error'
      if (isAnswer && answer.method === pending?.method && answer.transactionId.equals(pending.id))
        pending.resolve(answer)
    } catch (error) {
      if (!(error instanceof MalformedStun)) throw error
      // Anybody can send a datagram here; on a stream it is the server that speaks.
      if (this.#transport?.isReliable) this.#fail(new Trouble('What answers there does not speak STUN.'))
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#pending?.reject(error)
  }
}

/**
 * Where the server sees requests come from.
 * @throws StunRefusal, Trouble, Error with a code of Node, or the reason of the client's signal
 */
export async function bind(client: StunClient): Promise<Endpoint> {
  const { error, mapped } = await client.request('binding', [])
  if (error) throw new StunRefusal(error.code, error.reason)
  if (!mapped) throw new Trouble('It answers without an address.', 'Use a server that speaks RFC 5389 or newer.')
  return mapped
}
