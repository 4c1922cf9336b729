import { SignalingError, toSignalingError } from '@parley/protocol'
import { createApi } from './api/api.ts'
import { exactPath, unknownPath } from './api/exact-path.ts'
import { Renewals } from './api/renewals.ts'
import type { Backplane } from './backplane/backplane.ts'
import { clientOf, hiddenClients } from './client.ts'
import { type Clock, inTime } from './clock.ts'
import type { Config } from './config.ts'
import type { Shortage } from './descriptors.ts'
import { type Gateway, openGateway } from './gateway/gateway.ts'
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
  /** Starts the HTTP API and returns its port. @throws Error with code EADDRINUSE and the like */
  listenHttp(): number
  /** Starts the gateway and returns its port. @throws Error with code EADDRINUSE and the like */
  listenWebSocket(): number
  /** Accepts no connections where descriptors are short, and has some make way that do nothing; to be told often. */
  spare(shortage: Shortage): void
  /** Takes no more connections and requests, closes every peer with 1001, and resolves when all have gone. */
  drain(): Promise<void>
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
  let gateway: Gateway | undefined
  let http: Listener<undefined> | undefined
  let shortage: Shortage = 'none'
  let draining = false
  const hiddenClient = hiddenClients(log)

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
        connections: gateway?.connectionCount() ?? 0,
        unregistered: newcomers.count,
        logLinesDropped: log.droppedLines(),
        queued: queues.bytes,
        queueBudget: queues.budget,
        residentMemory: process.memoryUsage.rss(),
      }),
      async ready() {
        if (draining || !gateway) throw new SignalingError('SHUTTING_DOWN')
        await Promise.all([
          inTime(clock, identity.ready(), 'The identity provider does not answer.'),
          inTime(clock, store.ready(), 'The room store does not answer.'),
          inTime(clock, backplane.ready(), 'The other nodes cannot be reached.'),
        ])
      },
    },
  )

  async function answer(request: Request, server: Bun.Server<undefined>, path: string): Promise<Response> {
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

  return {
    listenHttp() {
      const serve = (port: number) =>
        Bun.serve({
          hostname: config.host,
          port,
          // The API says better what is wrong with a body beyond its own limit; this is for those who send far more.
          maxRequestBodySize: 1024 * 1024,
          development: false,
          routes: Object.fromEntries(
            [...new Set(api.routes.filter(({ method }) => method !== 'ALL').map(({ path }) => path))].map(path => [
              path,
              (request: Bun.BunRequest, server: Bun.Server<undefined>) =>
                answer(request, server, exactPath(path, request.params, request.url)),
            ]),
          ),
          fetch: (request, server) => answer(request, server, unknownPath),
          error: failed,
        })
      http = new Listener(serve, config.httpPort)
      return http.port
    },

    listenWebSocket() {
      gateway = openGateway(
        { ...config, port: config.wsPort, deadAfter: config.deadAfter * 1000 },
        {
          rooms,
          clock,
          log,
          metrics,
          limits: {
            ...config,
            waitingBytes: 4 * config.unregisteredMessageBytes,
          },
          newcomers,
          budget,
          slices,
          buffers: new ReceiveBuffers(clock, slices),
          queues,
          hiddenClient,
          guesses: new Guesses(config.failedRegistrationsPerMinute, clock, slices),
          refusedOrigin,
          refusedAttempt,
        },
      )
      return gateway.port
    },

    spare(now) {
      if (draining) return
      if (now !== 'none') http?.closeIdle()
      gateway?.accept(now === 'none')
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
      await Promise.all([gateway?.close(), http?.stop()])
      rooms.close()
      slices.close()
    },
  }
}
