import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { type Clock, type ManualClock, systemClock } from '../src/clock.ts'
import { alone } from '../src/cluster/alone.ts'
import { readConfig } from '../src/config.ts'
import type { Shortage } from '../src/descriptors.ts'
import { local } from '../src/identity/local.ts'
import { type Log, openLog } from '../src/log.ts'
import { sqlite } from '../src/room-store/sqlite.ts'
import { createServer, type ServerParts, type SignalingServer } from '../src/server.ts'
import type { Certificate } from '../src/tls/certificate.ts'
import { expectDocumented } from './documented.ts'

/** Calls `use` with a new, empty folder, which is removed afterwards. */
export async function inTemporaryFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-test-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export const silentLog: Log = openLog('silent')

/** A log that is kept, a line each. */
export function recordingLog(): Log & { readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  const log = pino({ base: null }, { write: line => void lines.push(JSON.parse(line)) })
  return Object.assign(log, { lines, droppedLines: () => 0, flush: async () => {} })
}

export interface TestServer extends AsyncDisposable {
  readonly http: string
  readonly ws: string
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>
  /** An ID token of a new anonymous identity. */
  signIn(): Promise<string>
  createRoom(idToken: string, options?: object): Promise<{ room_id: string; token: string; expires_at: number }>
  /** A connected peer that has not registered. */
  connect(): Promise<TestPeer>
  /** Stops it, as a signal does; resolves when all have gone. */
  drain(hurry?: AbortSignal): Promise<void>
  /** Tells it which descriptors are short. */
  spare(shortage: Shortage): void
  /** Has it hear what another node says. */
  receive: SignalingServer['receive']
  /** Has it serve new connections with another certificate. */
  useCertificate(certificate: Certificate): void
  /** A peer with an identity of its own, registered in `room`. */
  join(room: { room_id: string; token: string }, peerId: string, members?: object): Promise<TestPeer>
}

/**
 * The whole server on free ports, with the embedded adapters; `parts` replaces some, `settings` are PARLEY_* variables.
 * Plain peers are sent all errors, for tests to see, unless a setting says otherwise; an empty one has its default.
 */
export async function startServer(
  settings: Record<string, string> = {},
  parts: Partial<ServerParts> & { clock?: Clock } = {},
): Promise<TestServer> {
  const { config, faults } = readConfig({
    PARLEY_HTTP_PORT: '0',
    PARLEY_WS_PORT: '0',
    PARLEY_PLAIN_PEER_ERRORS: 'all',
    ...settings,
  })
  if (faults.length > 0) throw new Error(faults.map(({ sentence }) => sentence).join(' '))
  const clock = parts.clock ?? systemClock
  const folder = mkdtempSync(join(tmpdir(), 'parley-test-'))
  const server = createServer(config, {
    identity: await local({ folder, lifetime: config.idTokenTtl, refreshLifetime: config.refreshTokenTtl }, clock),
    store: sqlite(':memory:', clock),
    cluster: alone(),
    log: silentLog,
    version: '0.0.0-test',
    ...parts,
    clock,
  })
  const s = parts.certificate ? 's' : ''
  const http = `http${s}://127.0.0.1:${server.listenHttp()}`
  const ws = `ws${s}://127.0.0.1:${server.listenWebSocket()}`

  const post: TestServer['post'] = (path, body, headers = {}) =>
    fetch(http + path, { method: 'POST', headers, ...(body !== undefined && { body: JSON.stringify(body) }) })

  const self: TestServer = {
    http,
    ws,
    post,
    async signIn() {
      const { id_token } = (await (await post('/anonymous-signin')).json()) as { id_token: string }
      return id_token
    },
    async createRoom(idToken, options) {
      const response = await post('/create-room', options, { Authorization: `Bearer ${idToken}` })
      return (await response.json()) as { room_id: string; token: string; expires_at: number }
    },
    connect: () => TestPeer.connect(ws),
    drain: hurry => server.drain(hurry),
    spare: shortage => server.spare(shortage),
    receive: (...frame) => server.receive(...frame),
    useCertificate: certificate => server.useCertificate(certificate),
    async join({ room_id, token }, peerId, members = {}) {
      const peer = await TestPeer.connect(ws)
      const id_token = await self.signIn()
      peer.send({ type: 'register', peer_id: peerId, room_id, token, id_token, ...members })
      const reply = await peer.next()
      if (reply.type !== 'registered_auth') throw new Error(`not registered: ${JSON.stringify(reply)}`)
      return peer
    },
    async [Symbol.asyncDispose]() {
      // Some connections are ended by time alone. A clock that stands still must not turn a failed test into one that hangs.
      const hurry = setInterval(() => 'advance' in clock && (clock as ManualClock).advance(60_000), 1_000)
      await server.drain(AbortSignal.abort()).finally(() => clearInterval(hurry))
      rmSync(folder, { recursive: true })
    },
  }
  return self
}

type Message = { type?: string; code?: string; [key: string]: unknown }

/** A WebSocket that keeps what it was sent until it is asked for. */
export class TestPeer implements Disposable {
  /** Resolves when the WebSocket has ended. */
  readonly closed: Promise<{ code: number; reason: string }>
  readonly #texts: string[] = []
  #wanted: PromiseWithResolvers<string> | undefined
  #end: Error | undefined

  private constructor(readonly socket: WebSocket) {
    socket.onmessage = ({ data }) => {
      const wanted = this.#wanted
      this.#wanted = undefined
      if (wanted) wanted.resolve(String(data))
      else this.#texts.push(String(data))
    }
    this.closed = new Promise(resolve => {
      socket.onclose = ({ code, reason }) => {
        this.#end = new Error(`closed with ${code}: ${reason}`)
        this.#wanted?.reject(this.#end)
        resolve({ code, reason })
      }
    })
  }

  static async connect(url: string, headers: Record<string, string> = {}): Promise<TestPeer> {
    const socket = new WebSocket(url, { headers })
    const peer = new TestPeer(socket)
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve()
      socket.onerror = () => reject(new Error(`no connection to ${url}`))
    })
    return peer
  }

  /** Sends an object as JSON, and text or bytes as they are. */
  send(message: object | string | Uint8Array<ArrayBuffer>): void {
    const asIs = typeof message === 'string' || message instanceof Uint8Array
    this.socket.send(asIs ? message : JSON.stringify(message))
  }

  /** The next text that has not been asked for yet. @throws Error if the WebSocket ends before it comes */
  nextText(): Promise<string> {
    const text = this.#texts.shift()
    if (text !== undefined) return Promise.resolve(text)
    if (this.#end) return Promise.reject(this.#end)
    this.#wanted = Promise.withResolvers()
    return this.#wanted.promise
  }

  /** The next message, which must be one that the documentation has. */
  async next(): Promise<Message> {
    const message = JSON.parse(await this.nextText()) as Message
    expectDocumented(message)
    return message
  }

  /** What `message` is answered with. */
  ask(message: object | string | Uint8Array<ArrayBuffer>): Promise<Message> {
    this.send(message)
    return this.next()
  }

  /** What has come and was not asked for. All that the server sent before is in it, as the server answers in order. */
  async rest(): Promise<Message[]> {
    const marker = crypto.randomUUID()
    this.send({ type: 'unknown', request_id: marker })
    const rest: Message[] = []
    for (;;) {
      const message = await this.next()
      if (message.request_id === marker) return rest
      rest.push(message)
    }
  }

  [Symbol.dispose](): void {
    this.socket.close()
  }
}

/** What `/metrics` says of a metric: the sum of all its labels. */
export async function metricOf({ http }: TestServer, name: string): Promise<number> {
  const lines = (await (await fetch(`${http}/metrics`)).text()).split('\n')
  const samples = lines.filter(line => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  return samples.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}
