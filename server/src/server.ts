import { SignalingError, toSignalingError } from '@parley/protocol'
import { createApi } from './api/api.ts'
import { exactPath, unknownPath } from './api/exact-path.ts'
import { Renewals } from './api/renewals.ts'
import type { Backplane } from './backplane/backplane.ts'
import { clientOf, hiddenClients } from './client.ts'
import { type Clock, inTime } from './clock.ts'
import type { Config } from './config.ts'
import type { Shortage } from './descriptors.ts'
import { type Attachment, openGateway } from './gateway/gateway.ts'
import { Guesses } from './gateway/guesses.ts'
import { Newcomers } from './gateway/newcomers.ts'
import { Queues } from './gateway/queues.ts'
import { ReceiveBuffers } from './gateway/receive-buffers.ts'
import { iceServers, turnUser } from './ice/ice-servers.ts'
import { type Identity, signInWithin } from './identity/identity.ts'
import { Listener } from './listener.ts'
import { type Log, logFailure } from './log.ts'
import { queueBudget, usableMemory } from './memory.ts'
import { countError, createMetrics } from './metrics.ts'
import { problem } from './problem.ts'
import { rateLimit } from './rate-limit.ts'
import { refusedAttempts } from './refused-attempts.ts'
import { refusedOrigins } from './refused-origins.ts'
import type { RoomStore } from './room-store/room-store.ts'
import { Rooms } from './rooms/rooms.ts'
import { TimeSlices } from './time-slices.ts'
import { WorkBudget, workOfRequest } from './work-budget.ts'

export interface ServerParts {
  readonly identity: Identity
  readonly store: RoomStore
  readonly backplane: Backplane
  readonly clock: Clock
  readonly log: Log
  readonly version: string
}

/** A signaling server: an HTTP API and a WebSocket gateway over the same rooms. */
export interface SignalingServer {
  /** Starts the HTTP API, and the gateway at `/ws` beside it, and returns their port. @throws Error with code EADDRINUSE and the like */
  listenHttp(): number
  /** Starts the gateway on its own port and returns it; after the HTTP API, whose port it may be. @throws Error with code EADDRINUSE and the like */
  listenWebSocket(): number
  /** Accepts no connections where descriptors are short, and has some make way that do nothing; to be told often. */
  spare(shortage: Shortage): void
  /** Takes no more connections and requests, closes every peer with 1001, and resolves when all have gone. */
  drain(): Promise<void>
}

type Answer = Response | undefined | Promise<Response | undefined>

interface PortOptions {
  readonly port: number
  readonly maxRequestBodySize: number
  readonly routes: Record<string, (request: Bun.BunRequest, server: Bun.Server<Attachment>) => Answer>
  fetch(request: Request, server: Bun.Server<Attachment>): Answer
}

export function createServer(config: Config, parts: ServerParts): SignalingServer {
  const { clock, identity, store, backplane, log, version } = parts
  const metrics = createMetrics()
  const refusedOrigin = refusedOrigins(clock, log, metrics)
  const refusedAttempt = refusedAttempts(clock, log)
  const budget = new WorkBudget(config.workAtOnce, clock)
  const slices = new TimeSlices(clock)
  const ice = {
    iceServers: (subject: string) => iceServers(config, subject, clock.now()),
    turnUser: (subject: string) => turnUser(config, subject),
  }
  const rooms = new Rooms({ ...parts, ...ice, metrics, limits: config, budget, slices })
  const newcomers = new Newcomers({
    ...{ clock, log, metrics },
    limits: { ...config, registerWithin: config.registerWithin * 1000 },
  })
  const queues = new Queues({ clock, log, metrics, budget: config.queueMemory || queueBudget(usableMemory()) })
  const buffers = new ReceiveBuffers(clock, slices)
  const isOnePort = config.httpPort === config.wsPort && config.httpPort !== 0
  let http: Listener<Attachment> | undefined
  let webSocket: Listener<Attachment> | undefined
  let shortage: Shortage = 'none'
  let draining = false
  const hiddenClient = hiddenClients(log)
  const gateway = openGateway(
    { ...config, deadAfter: config.deadAfter * 1000 },
    {
      ...{ rooms, clock, log, metrics, newcomers, budget, slices, buffers, queues },
      ...{ hiddenClient, refusedOrigin, refusedAttempt },
      limits: { ...config, waitingBytes: 4 * config.unregisteredMessageBytes },
      guesses: new Guesses(config.failedRegistrationsPerMinute, clock, slices),
    },
  )

  const api = createApi(
    {
      ...config,
      deleteByAddress: config.deleteByAddress === 'on',
      isLocal: /^(?:localhost|127(?:\.\d+){3}|::1)$/i.test(config.host),
    },
    {
      rooms,
      identity,
      clock,
      log,
      metrics,
      budget,
      slices,
      version,
      ...ice,
      signIns: rateLimit(config.signInsPerMinute, clock),
      renewals: new Renewals(identity, config.failedRegistrationsPerMinute, clock),
      refusedOrigin,
      refusedAttempt,
      gauges: () => ({
        ...rooms.census(),
        connections: gateway.connectionCount(),
        unregistered: newcomers.count,
        logLinesDropped: log.droppedLines(),
        queued: queues.bytes,
        queueBudget: queues.budget,
        residentMemory: process.memoryUsage.rss(),
      }),
      async ready() {
        if (draining || !webSocket) throw new SignalingError('SHUTTING_DOWN')
        await Promise.all([
          inTime(clock, identity.ready(), 'The identity provider does not answer.'),
          inTime(clock, store.ready(), 'The room store does not answer.'),
          inTime(clock, backplane.ready(), 'The other nodes cannot be reached.'),
        ])
      },
    },
  )

  async function answer(request: Request, server: Bun.Server<Attachment>, path: string): Promise<Response> {
    const socketAddress = server.requestIP(request)?.address ?? ''
    const client = clientOf(socketAddress, request.headers, config.proxies)
    // A load balancer asks in its own name how the server is.
    if (request.method !== 'GET') hiddenClient(client)
    // Without a usable Host (HTTP/1.0 needs none) there is no URL, and nothing can be made of such a request.
    const whole = request.url.startsWith('/') ? new Request('http://localhost/', request) : request
    // The runtime would close a connection on which nothing comes for ten seconds.
    if (path === '/anonymous-signin') server.timeout(request, signInWithin / 1000 + 5)
    // A few in each turn of the event loop: relayed messages need not wait for all that is asked at once.
    await slices.turn(workOfRequest)
    const response = await api.fetch(whole, { client, path })
    // The runtime would keep a body that nobody reads until it collects garbage: a gigabyte of them in seconds.
    if (!whole.bodyUsed) await whole.body?.cancel()
    return response
  }

  /** What the runtime would print, and show to the client with its source. */
  function failed(error: unknown): Response {
    const reason = toSignalingError(error)
    logFailure(log, reason, {})
    countError(metrics, reason.code)
    return problem(reason)
  }

  /** On one port for both, deployed clients ask for a WebSocket on any path. */
  const isUpgrade = (request: Request): boolean =>
    isOnePort && /(?:^|,)\s*websocket\s*(?:,|$)/i.test(request.headers.get('upgrade') ?? '')

  async function upgrade(request: Request, server: Bun.Server<Attachment>): Promise<Response | undefined> {
    const refusal = await gateway.upgrade(request, server)
    if (refusal) await request.body?.cancel()
    return refusal
  }

  /** A port on which WebSockets may be opened. */
  function serving(options: PortOptions): Bun.Server<Attachment> {
    const server = Bun.serve<Attachment>({
      ...options,
      hostname: config.host,
      development: false,
      error: failed,
      websocket: gateway.websocket,
    })
    if (!buffers.bound(server.port ?? options.port)) log.info({}, 'receive buffers not bounded')
    return server
  }

  return {
    listenHttp() {
      const routes = api.routes.filter(({ method }) => method !== 'ALL').map(({ path }) => path)
      const serve = (port: number) =>
        serving({
          port,
          // The API says better what is wrong with a body beyond its own limit; this is for those who send far more.
          maxRequestBodySize: 1024 * 1024,
          routes: {
            ...Object.fromEntries(
              [...new Set(routes)].map(path => [
                path,
                (request: Bun.BunRequest, server: Bun.Server<Attachment>) =>
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
      http = new Listener(serve, config.httpPort)
      return http.port
    },

    listenWebSocket() {
      // Nothing reads a body here.
      const serve = (port: number) => serving({ port, maxRequestBodySize: 1024, routes: {}, fetch: gateway.upgrade })
      webSocket = isOnePort && http ? http : new Listener(serve, config.wsPort)
      return webSocket.port
    },

    spare(now) {
      if (draining) return
      if (now !== 'none') http?.closeIdle()
      gateway.accept(now === 'none')
      if (webSocket !== http) {
        if (now === 'none') webSocket?.resume()
        else webSocket?.pause()
      }
      if (now === 'all') http?.pause()
      else http?.resume()
      if (shortage === 'none' && now !== 'none') {
        metrics.descriptorShortages++
        log.warn({}, 'file descriptors are short: no new connections for now; raise the limit (ulimit -n)')
      }
      shortage = now
    },

    async drain() {
      draining = true
      rooms.hush()
      // This leaves open connections alone, and resolves when the last of them has gone.
      const stopped = Promise.all([http?.stop(), webSocket?.stop()])
      await gateway.close(stopped)
      rooms.close()
      slices.close()
    },
  }
}
