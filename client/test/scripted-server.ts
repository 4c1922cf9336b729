import { onTestFinished } from 'bun:test'
import type { Server, ServerWebSocket } from 'bun'

type Message = Readonly<Record<string, unknown>>

/** One WebSocket that the SDK has opened, as the server sees it. */
export class ScriptedConnection {
  readonly #messages: Message[] = []
  #wanted: ((message: Message) => void) | undefined
  /** Resolves with the code when the other side has closed it. */
  readonly closed: Promise<number>
  tellClosed: (code: number) => void = () => {}

  constructor(private readonly socket: ServerWebSocket<unknown>) {
    this.closed = new Promise(resolve => {
      this.tellClosed = resolve
    })
  }

  push(message: Message): void {
    const wanted = this.#wanted
    this.#wanted = undefined
    if (wanted) wanted(message)
    else this.#messages.push(message)
  }

  /** The next message of the other side. */
  next(): Promise<Message> {
    const message = this.#messages.shift()
    if (message) return Promise.resolve(message)
    return new Promise(resolve => {
      this.#wanted = resolve
    })
  }

  send(message: object): void {
    this.socket.sendText(JSON.stringify(message))
  }

  /** Takes the `register` that comes next and lets the peer in, or refuses it. */
  async answerRegister(answer: object = {}): Promise<Message> {
    const register = await this.next()
    const { room_id, token, peer_id, request_id } = register
    this.send({ ...welcome, room_id, token, peer_id, request_id, ...answer })
    return register
  }

  /** Breaks the connection as a lost network does, without a close frame. */
  cut(): void {
    this.socket.terminate()
  }

  close(code: number, reason = ''): void {
    this.socket.close(code, reason)
  }
}

const welcome = {
  type: 'registered_auth',
  admin_peer_id: null,
  peer_list: [],
  peer_metadata: {},
  roster: [],
  ice_servers: [],
  mesh_ice_servers: [],
  expires_at: 2_000_000_000,
  features: ['acks', 'presence', 'token-refresh', 'channels'],
}

/** A WebSocket server that says what the test has it say: for what a real one does only when something breaks. */
export interface ScriptedServer {
  readonly wsUrl: string
  /** How many connections there have been. */
  readonly arrived: number
  /** Answers no handshake with a WebSocket, or does again. */
  refuse(refuses?: boolean): void
  /** Resolves when a handshake was refused. */
  readonly refused: Promise<void>
  /** The next connection. */
  accept(): Promise<ScriptedConnection>
}

/** Listens on a free port until the end of the test. */
export function startScriptedServer(): ScriptedServer {
  const unclaimed: ScriptedConnection[] = []
  let arrived = 0
  let refuses = false
  const { promise: refused, resolve: tellRefused } = Promise.withResolvers<void>()
  const waiting: ((connection: ScriptedConnection) => void)[] = []
  const server: Server<{ connection?: ScriptedConnection }> = Bun.serve<{ connection?: ScriptedConnection }>({
    hostname: '127.0.0.1',
    port: 0,
    fetch(request, server) {
      if (!refuses && server.upgrade(request, { data: {} })) return undefined
      tellRefused()
      return new Response('', { status: 503 })
    },
    websocket: {
      open(socket) {
        const connection = new ScriptedConnection(socket)
        socket.data.connection = connection
        arrived++
        const taker = waiting.shift()
        if (taker) taker(connection)
        else unclaimed.push(connection)
      },
      message: (socket, text) => socket.data.connection?.push(JSON.parse(String(text))),
      close: (socket, code) => socket.data.connection?.tellClosed(code),
    },
  })
  onTestFinished(() => server.stop(true))
  return {
    wsUrl: `ws://127.0.0.1:${server.port}`,
    refused,
    refuse(value = true) {
      refuses = value
    },
    get arrived() {
      return arrived
    },
    accept() {
      const connection = unclaimed.shift()
      return connection ? Promise.resolve(connection) : new Promise(resolve => waiting.push(resolve))
    },
  }
}
