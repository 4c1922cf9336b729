import { SignalingError, toSignalingError } from '@parley/protocol'
import { createApi } from './api/api.ts'
import { Renewals } from './api/renewals.ts'
import { clientOf, hiddenClients } from './client.ts'
import type { Clock } from './clock.ts'
import type { Cluster } from './cluster/cluster.ts'
import type { Config } from './config.ts'
import type { Shortage } from './descriptors.ts'
import { openGateway } from './gateway/gateway.ts'
import { Newcomers } from './gateway/newcomers.ts'
import { Queues } from './gateway/queues.ts'
import { ReceiveBuffers } from './gateway/receive-buffers.ts'
import { iceServers, turnUser } from './ice/ice-servers.ts'
import { type Identity, signInWithin } from './identity/identity.ts'
import { type Log, logFailure } from './log.ts'
import { queueBudget, usableMemory } from './memory.ts'
import { countError, createMetrics } from './metrics.ts'
import { forwardingTypes } from './nodes/forwarding.ts'
import type { ServerLink } from './nodes/link-types.ts'
import { NodeRequests } from './nodes/requests.ts'
import type { OpenRooms } from './nodes/restored-rooms.ts'
import { type PortServer, Ports } from './ports.ts'
import { problem } from './problem.ts'
import { rateLimit } from './rate-limit.ts'
import { refusedAttempts } from './refused-attempts.ts'
import { refusedOrigins } from './refused-origins.ts'
import { withDeadline } from './resilience/deadline.ts'
import type { RoomStore } from './room-store/room-store.ts'
import { countEvents } from './rooms/event-counts.ts'
import { logEvents } from './rooms/event-log.ts'
import { toEach } from './rooms/room-events.ts'
import { Rooms } from './rooms/rooms.ts'
import { Guesses } from './sessions/guesses.ts'
import { TimeSlices } from './time-slices.ts'
import type { Certificate } from './tls/certificate.ts'
import { WorkBudget, workOfRequest } from './work-budget.ts'

export interface ServerParts {
  readonly identity: Identity
  readonly store: RoomStore
  readonly cluster: Cluster
  /** The link to another node of the cluster. @throws SignalingError UNAVAILABLE */
  readonly link?: ((nodeId: string) => Promise<ServerLink>) | undefined
  readonly clock: Clock
  readonly log: Log
  readonly version: string
  /** Both ports speak TLS with it. Without it, neither does. */
  readonly certificate?: Certificate | undefined
}

/** A signaling server: an HTTP API and a WebSocket gateway over the same rooms. */
export interface SignalingServer {
  /** Starts the HTTP API, and the gateway at `/ws` beside it, and returns their port. @throws Error with code EADDRINUSE and the like */
  listenHttp(): number
  /** Starts the gateway on its own port and returns it; after the HTTP API, whose port it may be. @throws Error with code EADDRINUSE and the like */
  listenWebSocket(): number
  /** Accepts no connections where descriptors are short, and has some make way that do nothing; to be told often. */
  spare(shortage: Shortage): void
  /** Serves new connections with another certificate. @throws Error; then the one before stays in force */
  useCertificate(certificate: Certificate): void
  /** What is known of the rooms that are open here, beside the store. */
  readonly openRooms: OpenRooms
  /** A frame of `linkTypes` has come from another node. */
  receive(link: ServerLink, type: number, handle: number, body: string | Uint8Array): void
  /**
   * Is not ready any more, gives peers the configured time to move, then takes no more connections and requests, closes every
   * peer with 1001, and resolves when all have gone.
   * @param hurry ends the time to move
   */
  drain(hurry?: AbortSignal): Promise<void>
}

export function createServer(config: Config, parts: ServerParts): SignalingServer {
  const { clock, identity, store, cluster, log, version } = parts
  const { link = () => Promise.reject(new SignalingError('UNAVAILABLE')) } = parts
  const metrics = createMetrics()
  const emit = toEach(logEvents(log, clock), countEvents(metrics))
  const refusedOrigin = refusedOrigins(clock, log, metrics)
  const refusedAttempt = refusedAttempts(clock, log)
  const budget = new WorkBudget(config.workAtOnce, clock)
  const slices = new TimeSlices(clock)
  const ice = {
    iceServers: (subject: string) => iceServers(config, subject, clock.now()),
    turnUser: (subject: string) => turnUser(config, subject),
  }
  const rooms = new Rooms({ ...parts, ...ice, emit, metrics, limits: config, budget, slices })
  cluster.listen({
    lost: (roomId, to) => rooms.lost(roomId, to),
    died: node => log.warn({ node: node.name }, 'node gone'),
  })
  const newcomers = new Newcomers({
    ...{ clock, log, metrics },
    limits: { ...config, registerWithin: config.registerWithin * 1000 },
  })
  const queues = new Queues({ clock, log, metrics, budget: config.queueMemory || queueBudget(usableMemory()) })
  const buffers = new ReceiveBuffers(clock, slices)
  let shortage: Shortage = 'none'
  let draining = false
  const hiddenClient = hiddenClients(log)
  const gateway = openGateway(
    { ...config, deadAfter: config.deadAfter * 1000 },
    {
      ...{ rooms, clock, emit, log, metrics, newcomers, budget, slices, buffers, queues, keptMemory: queues },
      ...{ hiddenClient, refusedOrigin, refusedAttempt },
      limits: { ...config, waitingBytes: 4 * config.unregisteredMessageBytes },
      guesses: new Guesses(config.failedRegistrationsPerMinute, clock, slices),
      link,
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
        ...gateway.count(),
        unregistered: newcomers.count,
        logLinesDropped: log.droppedLines(),
        queued: queues.bytes,
        queueBudget: queues.budget,
        residentMemory: process.memoryUsage.rss(),
        certificateExpiresAt: ports.certificateExpiresAt,
      }),
      async ready() {
        if (draining || !ports.areOpen) throw new SignalingError('SHUTTING_DOWN')
        const [state] = await Promise.all([
          withDeadline(clock, cluster.ready(), 'The other nodes cannot be reached.'),
          withDeadline(clock, identity.ready(), 'The identity provider does not answer.'),
          // The cluster knows how its Redis is, and that others without it would do no better.
          config.store.kind !== 'redis' && withDeadline(clock, store.ready(), 'The room store does not answer.'),
        ])
        return state
      },
    },
  )

  const nodes = new NodeRequests({
    clock,
    log,
    cluster,
    link: parts.link,
    peerCount: roomId => rooms.peerCount(roomId),
    fetch: (request, context) => api.fetch(request, context),
  })

  async function answer(request: Request, server: PortServer, path: string): Promise<Response> {
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
    return nodes.answer(whole, client, path)
  }

  /** What the runtime would print, and show to the client with its source. */
  function failed(error: unknown): Response {
    const reason = toSignalingError(error)
    logFailure(log, reason, {})
    countError(metrics, reason.code)
    return problem(reason)
  }

  const ports = new Ports(config, {
    ...{ clock, log, gateway, buffers, answer, failed, certificate: parts.certificate },
    paths: [...new Set(api.routes.filter(({ method }) => method !== 'ALL').map(({ path }) => path))],
  })

  return {
    listenHttp: () => ports.listenHttp(),
    listenWebSocket: () => ports.listenWebSocket(),
    useCertificate: certificate => ports.useCertificate(certificate),
    openRooms: rooms,
    receive(from, type, handle, body) {
      if (forwardingTypes.has(type)) nodes.receive(from, type, handle, body)
      else gateway.receive(from, type, handle, body)
    },

    spare(now) {
      if (draining) return
      gateway.accept(now === 'none')
      ports.spare(now)
      if (shortage === 'none' && now !== 'none') {
        metrics.descriptorShortages++
        log.warn({}, 'file descriptors are short: no new connections for now; raise the limit (ulimit -n)')
      }
      shortage = now
    },

    async drain(hurry = new AbortController().signal) {
      draining = true
      await gateway.drain(hurry)
      rooms.stopPresence()
      // This leaves open connections alone, and resolves when the last of them has gone.
      const stopped = ports.stop()
      const closed = gateway.close(stopped)
      // By then the peers have left. Those of other nodes need not wait for sockets that take long to close.
      await Promise.resolve()
      rooms.close()
      await closed
      slices.close()
    },
  }
}
