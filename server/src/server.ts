import { SignalingError } from '@parley/protocol'
import { clientOf } from './address.ts'
import { createApi } from './api/api.ts'
import type { Backplane } from './backplane/backplane.ts'
import { type Clock, inTime } from './clock.ts'
import type { Config } from './config.ts'
import type { Shortage } from './descriptors.ts'
import { type Gateway, openGateway } from './gateway/gateway.ts'
import { Newcomers } from './gateway/newcomers.ts'
import { Queues } from './gateway/queues.ts'
import { iceServers } from './ice/ice-servers.ts'
import type { Identity } from './identity/identity.ts'
import { Listener } from './listener.ts'
import type { Log } from './log.ts'
import { queueBudget, usableMemory } from './memory.ts'
import { createMetrics } from './metrics.ts'
import { rateLimit } from './rate-limit.ts'
import { refusedOrigins } from './refused-origins.ts'
import type { RoomStore } from './room-store/room-store.ts'
import { Rooms } from './rooms/rooms.ts'

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
  const iceServersFor = (holder: string) => iceServers(config, holder, clock.now())
  const rooms = new Rooms({ ...parts, metrics, limits: config, iceServers: iceServersFor })
  const newcomers = new Newcomers({
    ...{ clock, log, metrics, proxies: config.proxies },
    limits: { ...config, registerWithin: config.registerWithin * 1000 },
  })
  const queues = new Queues({ clock, log, metrics, budget: config.queueMemory || queueBudget(usableMemory()) })
  let gateway: Gateway | undefined
  let http: Listener<undefined> | undefined
  let shortage: Shortage = 'none'
  let draining = false
  let warned = false

  const api = createApi(
    { ...config, deleteByAddress: config.deleteByAddress === 'on' },
    {
      rooms,
      identity,
      clock,
      log,
      metrics,
      version,
      iceServers: iceServersFor,
      signIns: rateLimit(config.signInsPerMinute, clock),
      refusedOrigin,
      gauges: () => ({
        ...rooms.census(),
        connections: gateway?.connectionCount() ?? 0,
        unregistered: newcomers.count,
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

  return {
    listenHttp() {
      const serve = (port: number) =>
        Bun.serve({
          hostname: config.host,
          port,
          // The API says better what is wrong with a body beyond its own limit; this is for those who send far more.
          maxRequestBodySize: 1024 * 1024,
          fetch(request, server) {
            const socketAddress = server.requestIP(request)?.address ?? ''
            const client = clientOf(socketAddress, request.headers.get('x-forwarded-for'), config.proxies)
            if (client.isHidden && !warned) {
              warned = true
              log.warn({ proxy: client.address }, 'a proxy that is not in PARLEY_TRUSTED_PROXIES forwards requests')
            }
            return api.fetch(request, { client })
          },
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
          queues,
          failedRegistrations: rateLimit(config.failedRegistrationsPerMinute, clock),
          refusedOrigin,
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
    },
  }
}
