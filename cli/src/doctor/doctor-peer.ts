import { noConnection, printable, Trouble } from './trouble.ts'
import { whyNoWebSocket } from './upgrade.ts'

/** As much of a WebSocket as is needed here: the platform's and that of the package `ws` have it. */
export interface PlainSocket {
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  send(text: string): void
  close(code?: number): void
}

export type PlainSocketConstructor = new (url: string) => PlainSocket

export interface Message {
  readonly type: string
  readonly [member: string]: unknown
}

interface Waiter {
  readonly matches: (message: Message) => boolean
  readonly resolve: (message: Message) => void
  readonly reject: (reason: unknown) => void
}

/** One peer of the diagnosis: a connection that asks, and waits for what comes. */
export class DoctorPeer {
  readonly #waiters = new Set<Waiter>()
  #end: Trouble | undefined
  #lastId = 0

  private constructor(
    private readonly socket: PlainSocket,
    private readonly where: string,
  ) {}

  /**
   * @param signal ends the attempt; a connection that is there stays
   * @throws Trouble that says what came instead
   */
  static async connect(WebSocket: PlainSocketConstructor, wsUrl: string, signal: AbortSignal): Promise<DoctorPeer> {
    let socket: PlainSocket
    try {
      socket = new WebSocket(wsUrl)
    } catch (error) {
      throw noConnection(error, wsUrl)
    }
    const peer = new DoctorPeer(socket, new URL(wsUrl).host)
    const isOpen = await new Promise<boolean>(resolve => {
      signal.addEventListener('abort', () => resolve(false), { once: true })
      socket.onopen = () => resolve(true)
      socket.onerror = () => resolve(false)
      socket.onclose = () => resolve(false)
    })
    if (!isOpen || signal.aborted) {
      socket.onopen = null
      // Closing a socket that is connecting is an error of its own.
      socket.onerror = () => {}
      socket.close()
      throw await whyNoWebSocket(wsUrl, signal)
    }
    socket.onmessage = ({ data }: { data: unknown }) => peer.#receive(String(data))
    socket.onclose = ({ code }: { code: number }) => peer.#closed(code)
    return peer
  }

  /**
   * Sends it with a `request_id`, and resolves with the answer.
   * @throws Trouble, if that is an error; the reason of `signal`
   */
  async request(message: Message, signal: AbortSignal): Promise<Message> {
    const id = String(++this.#lastId)
    const answered = this.next(({ request_id }) => request_id === id, signal)
    this.send({ ...message, request_id: id })
    const answer = await answered
    if (answer.type !== 'error') return answer
    throw new Trouble(`“${message.type}” is refused: ${printable(`${answer.code}, ${answer.message}`)}`)
  }

  send(message: Message): void {
    this.socket.send(JSON.stringify(message))
  }

  /** The next message that matches; of those that do not, nothing is kept. */
  next(matches: (message: Message) => boolean, signal: AbortSignal): Promise<Message> {
    return new Promise((resolve, reject) => {
      if (this.#end) throw this.#end
      signal.throwIfAborted()
      const waiter = { matches, resolve, reject }
      this.#waiters.add(waiter)
      signal.addEventListener('abort', () => {
        this.#waiters.delete(waiter)
        reject(signal.reason)
      })
    })
  }

  close(): void {
    this.#end ??= new Trouble('This connection was closed.')
    this.socket.close(1000)
  }

  #receive(text: string): void {
    const message = parse(text)
    if (!message) this.#fail(new Trouble(`What is at ${this.where} does not speak Parley's protocol.`))
    for (const waiter of [...this.#waiters]) {
      if (!message || !waiter.matches(message)) continue
      this.#waiters.delete(waiter)
      waiter.resolve(message)
    }
  }

  #closed(code: number): void {
    const advice = code === 1006 ? 'If there is a proxy, it must let connections last.' : undefined
    this.#fail(new Trouble(`${this.where} has closed the WebSocket with the code ${code}.`, advice))
  }

  #fail(trouble: Trouble): void {
    this.#end ??= trouble
    for (const waiter of this.#waiters) waiter.reject(this.#end)
    this.#waiters.clear()
  }
}

function parse(text: string): Message | undefined {
  try {
    const message: unknown = JSON.parse(text)
    const isMessage = typeof message === 'object' && message !== null && 'type' in message
    return isMessage && typeof message.type === 'string' ? { ...message, type: message.type } : undefined
  } catch {
    return undefined
  }
}
