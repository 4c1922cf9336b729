import { SignalingError } from '@parley/protocol'
import { createApi } from './api/api.ts'
import { Renewals } from './api/renewals.ts'
import type { Backplane } from './backplane/backplane.ts'
import { clientOf, hiddenClients } from './client.ts'
import { type Clock, inTime } from './clock.ts'
import type { Config } from './config.ts'
import { type Gateway, openGateway } from './gateway/gateway.ts'
import { Guesses } from './gateway/guesses.ts'
import { Newcomers } from './gateway/newcomers.ts'
import { iceServers, turnUser } from './ice/ice-servers.ts'
import type { Identity } from './identity/identity.ts'
import type { Log } from './log.ts'
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
  /** Takes no more connections and requests, closes every peer with 1001, and resolves when all have gone. */
  drain(): Promise<void>
}

export function createServer(config: Config, parts: ServerParts): SignalingServer {
  const { clock, identity, store, backplane, log, version } = parts
  const metrics = createMetrics()
  const refusedOrigin = refusedOrigins(clock, log, metrics)
  const ice = {
    iceServers: (subject: string) => iceServers(config, subject, clock.now()),
    turnUser: (subject: string) => turnUser(config, subject),
  }
  const rooms = new Rooms({ ...parts, ...ice, metrics, limits: config })
  const newcomers = new Newcomers({
    ...{ clock, log, metrics },
    limits: { ...config, registerWithin: config.registerWithin * 1000 },
  })
  let gateway: Gateway | undefined
  let http: ReturnType<typeof Bun.serve> | undefined
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
      version,
      ...ice,
      signIns: rateLimit(config.signInsPerMinute, clock),
      renewals: new Renewals(identity, config.failedRegistrationsPerMinute, clock),
      refusedOrigin,
      gauges: () => ({
        ...rooms.census(),
        connections: gateway?.connectionCount() ?? 0,
        unregistered: newcomers.count,
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
      http = Bun.serve({
        hostname: config.host,
        port: config.httpPort,
        // The API says better what is wrong with a body beyond its own limit; this is for those who send far more.
        maxRequestBodySize: 1024 * 1024,
        fetch(request, server) {
          const socketAddress = server.requestIP(request)?.address ?? ''
          const client = clientOf(socketAddress, request.headers, config.proxies)
          // A load balancer asks in its own name how the server is.
          if (request.method !== 'GET') hiddenClient(client)
          return api.fetch(request, { client })
        },
      })
      return http.port ?? config.httpPort
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
          hiddenClient,
          guesses: new Guesses(config.failedRegistrationsPerMinute, clock),
          refusedOrigin,
        },
      )
      return gateway.port
    },

    async drain() {
      draining = true
      rooms.hush()
      await Promise.all([gateway?.close(), http?.stop()])
      rooms.close()
    },
  }
}
