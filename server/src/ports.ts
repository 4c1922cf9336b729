import { exactPath, unknownPath } from './api/exact-path.ts'
import { type Clock, nothingPlanned } from './clock.ts'
import type { Config } from './config.ts'
import type { Shortage } from './descriptors.ts'
import type { Attachment, Gateway } from './gateway/gateway.ts'
import type { ReceiveBuffers } from './gateway/receive-buffers.ts'
import { openLibc } from './libc.ts'
import { Listener } from './listener.ts'
import type { Log } from './log.ts'
import type { Certificate } from './tls/certificate.ts'

/** The sockets of the runtime behind one port. */
export type PortServer = Bun.Server<Attachment>

export interface PortsParts {
  readonly clock: Clock
  readonly log: Log
  readonly gateway: Gateway
  readonly buffers: ReceiveBuffers
  /** The paths of the HTTP API, as its table of routes has them. */
  readonly paths: readonly string[]
  /** Answers a request over HTTP; `path` is as the client wrote it. */
  answer(request: Request, server: PortServer, path: string): Promise<Response>
  /** What is answered where something has thrown. */
  failed(error: unknown): Response
  /** Both ports speak TLS with it. Undefined: neither does. */
  readonly certificate: Certificate | undefined
}

type Answer = Response | undefined | Promise<Response | undefined>

interface PortOptions {
  readonly port: number
  readonly maxRequestBodySize: number
  readonly routes: Record<string, (request: Bun.BunRequest, server: PortServer) => Answer>
  fetch(request: Request, server: PortServer): Answer
}

/** Milliseconds in which a connection that is being opened is open: the way there and back, twice. */
const openedWithin = 2_000
/** Milliseconds between two looks for connections that nothing uses, while the server stops. */
const unusedFor = 250

/** What the server listens on: a port for HTTP and one for WebSockets, or one for both. */
export class Ports {
  readonly #isOnePort: boolean
  readonly #libc = openLibc()
  #certificate: Certificate | undefined
  #http: Listener<Attachment> | undefined
  #webSocket: Listener<Attachment> | undefined

  constructor(
    private readonly config: Pick<Config, 'host' | 'httpPort' | 'wsPort'>,
    private readonly parts: PortsParts,
  ) {
    this.#isOnePort = config.httpPort === config.wsPort && config.httpPort !== 0
    this.#certificate = parts.certificate
  }

  /** Whether both are there. */
  get areOpen(): boolean {
    return this.#webSocket !== undefined
  }

  /** When the certificate ends, in milliseconds since the epoch; undefined without TLS. */
  get certificateExpiresAt(): number | undefined {
    return this.#certificate?.expiresAt
  }

  /** @throws Error with code EADDRINUSE and the like */
  listenHttp(): number {
    const { paths, answer } = this.parts
    const upgrade = (request: Request, server: PortServer) => this.#upgrade(request, server)
    const isUpgrade = (request: Request) => this.#isUpgrade(request)
    const serve = (port: number) =>
      this.#serving({
        port,
        // The API says better what is wrong with a body beyond its own limit; this is for those who send far more.
        maxRequestBodySize: 1024 * 1024,
        routes: {
          ...Object.fromEntries(
            paths.map(path => [
              path,
              (request: Bun.BunRequest, server: PortServer) =>
                isUpgrade(request)
                  ? upgrade(request, server)
                  : answer(request, server, exactPath(path, request.params, request.url)),
            ]),
          ),
          '/ws': upgrade,
        },
        fetch: (request, server) =>
          isUpgrade(request) ? upgrade(request, server) : answer(request, server, unknownPath),
      })
    this.#http = new Listener(serve, this.config.httpPort)
    return this.#http.port
  }

  /** After `listenHttp`, whose port it may be. @throws Error with code EADDRINUSE and the like */
  listenWebSocket(): number {
    const { gateway } = this.parts
    // Nothing reads a body here.
    const serve = (port: number) =>
      this.#serving({ port, maxRequestBodySize: 1024, routes: {}, fetch: gateway.upgrade })
    this.#webSocket = this.#isOnePort && this.#http ? this.#http : new Listener(serve, this.config.wsPort)
    return this.#webSocket.port
  }

  /** Accepts only as much as the shortage lets it. */
  spare(shortage: Shortage): void {
    const [http, webSocket] = [this.#http, this.#webSocket]
    if (shortage !== 'none') http?.closeIdle()
    if (webSocket !== http) {
      if (shortage === 'none') webSocket?.resume()
      else webSocket?.pause()
    }
    if (shortage === 'all') http?.pause()
    else http?.resume()
  }

  /** Has new connections served with another certificate. @throws Error; then the one before stays in force */
  useCertificate(certificate: Certificate): void {
    const { clock } = this.parts
    const before = this.#certificate
    this.#certificate = certificate
    try {
      for (const listener of new Set([this.#http, this.#webSocket])) {
        listener?.renew(act => void clock.after(openedWithin, act))
      }
    } catch (error) {
      this.#certificate = before
      throw error
    }
  }

  /** Accepts no more, and resolves when all connections have ended. */
  async stop(): Promise<void> {
    const { clock } = this.parts
    const listeners = [...new Set([this.#http, this.#webSocket])]
    const stopped = Promise.all(listeners.map(listener => listener?.stop()))
    // To the runtime a connection counts as busy on which nothing was asked since its TLS handshake.
    let cancel = nothingPlanned
    const closeUnused = () => {
      for (const listener of listeners) listener?.closeUnused()
      cancel = clock.after(unusedFor, closeUnused)
    }
    if (this.#certificate) cancel = clock.after(unusedFor, closeUnused)
    await stopped
    cancel()
  }

  /** On one port for both, deployed clients ask for a WebSocket on any path. */
  #isUpgrade(request: Request): boolean {
    return this.#isOnePort && /(?:^|,)\s*websocket\s*(?:,|$)/i.test(request.headers.get('upgrade') ?? '')
  }

  async #upgrade(request: Request, server: PortServer): Promise<Response | undefined> {
    const refusal = await this.parts.gateway.upgrade(request, server)
    if (refusal) await request.body?.cancel()
    return refusal
  }

  /** A port on which WebSockets may be opened. */
  #serving(options: PortOptions): PortServer {
    const { gateway, buffers, failed, log } = this.parts
    const certificate = this.#certificate
    const server = Bun.serve<Attachment>({
      ...options,
      hostname: this.config.host,
      development: false,
      error: failed,
      websocket: gateway.websocket,
      // The runtime cannot change a certificate (oven-sh/bun, issue 43815): the next one gets a socket beside this one.
      ...(certificate && { tls: { cert: certificate.cert, key: certificate.key }, reusePort: true }),
    })
    const port = server.port ?? options.port
    if (!buffers.bound(port)) log.info({}, 'receive buffers not bounded')
    if (certificate && !this.#preferNewest(port)) {
      log.info({}, 'connections that are being opened while the certificate is changed may be lost')
    }
    return server
  }

  /** Whether of two sockets on the port the newer gets all new connections, so that the older loses none when it is closed. */
  #preferNewest(port: number): boolean {
    const libc = this.#libc
    // That of one holds for the other.
    const [socket] = libc?.listening(port) ?? []
    return libc !== undefined && socket !== undefined && libc.preferSecond(socket)
  }
}
