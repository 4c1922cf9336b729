import { SignalingError, toSignalingError } from '@parley/protocol'
import type { Server, ServerWebSocket, WebSocketHandler } from 'bun'
import type { TrustedProxies } from '../address.ts'
import { type Client, clientOf } from '../client.ts'
import { logFailure } from '../log.ts'
import { countError, type Gauges } from '../metrics.ts'
import { type AllowedOrigins, isOwnPage } from '../origins.ts'
import { problem } from '../problem.ts'
import type { RefusedOrigin } from '../refused-origins.ts'
import type { Frame } from '../sessions/frames.ts'
import type { CarriedSocket } from './carried-socket.ts'
import type { Carrier } from './carrier.ts'
import { Connection } from './connection.ts'
import type { ConnectionParts, Relocation } from './connection-parts.ts'
import { Crossing, type CrossingParts } from './crossing.ts'
import { comesBackAfter, Drain, type DrainTimes, stops } from './drain.ts'
import { heartbeat } from './heartbeat.ts'
import { SharedWrites } from './shared-writes.ts'

export interface GatewayConfig extends DrainTimes {
  /** Origins whose pages may connect; empty: all of them. Programs send no origin and may always connect. */
  readonly origins: AllowedOrigins
  readonly proxies: TrustedProxies
  readonly messageBytes: number
  /** Bytes that may wait for a peer that reads too slowly. */
  readonly queueBytes: number
  /** Milliseconds without a sign of life, pongs included, after which a connection is given up. */
  readonly deadAfter: number
}

export interface GatewayParts extends Omit<ConnectionParts, 'beat' | 'writes' | 'relocation'> {
  readonly refusedOrigin: RefusedOrigin
  /** Is told of each client, for operators to hear of proxies that hide theirs. */
  hiddenClient(client: Client): void
  /** The link to another node. @throws SignalingError UNAVAILABLE */
  readonly link: CrossingParts['link']
}

/** Makes WebSocket connections of the upgrades on any port that is served with its `websocket`. */
export interface Gateway {
  readonly websocket: WebSocketHandler<Attachment>
  /** Answers a request that should be an upgrade: with nothing where it is one, otherwise with what is wrong. */
  upgrade(request: Request, server: Server<Attachment>): Response | undefined | Promise<Response | undefined>
  count(): Pick<Gauges, 'connections' | 'carried'>
  /** A frame of `crossingTypes` has come from another node. */
  receive: Crossing['receive']
  /** Takes connections or, while descriptors are short, does not; then some that do nothing are closed, too. */
  accept(accepts: boolean): void
  /**
   * Asks peers to move, and resolves when it is time to close what is left: after the time for that, or when nobody is left.
   * @param hurry ends it at once
   */
  drain(hurry: AbortSignal): Promise<void>
  /** Takes no more connections, ends those that are there, and resolves once `ended`: when all of them are closed. */
  close(ended: Promise<unknown>): Promise<void>
}

/** What a port knows of each of its WebSockets. */
export interface Attachment {
  readonly client: Client
  /** That of the other end of the socket. */
  readonly remotePort: number
  /** See `Connection.serial`. */
  openedAt: number
  connection: (Connection | Carrier) | undefined
}

export function openGateway(config: GatewayConfig, parts: GatewayParts): Gateway {
  const connections = new Set<Connection>()
  const carriers = new Set<Carrier>()
  const pulses = heartbeat(config.deadAfter, parts.clock)
  const common: ConnectionParts = {
    ...parts,
    beat: pulses.beat,
    writes: new SharedWrites(),
    relocation: { to: carriedTo },
  }
  const carriedParts: ConnectionParts = { ...common, relocation: givenBack }
  const drain = new Drain(() => [...connections, ...carriers], config, parts.clock)
  const crossing = new Crossing({
    ...{ clock: parts.clock, log: parts.log, queues: parts.queues, link: parts.link },
    connect: (socket, client, openedAt) => enter(new Connection(socket, client, 0, openedAt, carriedParts)),
    disconnected: connection => leave(connection),
  })
  let closing = false
  let accepting = true
  let lastOpened = 0
  const isEmpty = () => connections.size + carriers.size === 0
  const allGone = Promise.withResolvers<void>()

  const websocket: WebSocketHandler<Attachment> = {
    maxPayloadLength: config.messageBytes,
    backpressureLimit: config.queueBytes,
    closeOnBackpressureLimit: false,
    // The heartbeat does this.
    idleTimeout: 0,
    sendPings: false,
    // Declined where it is offered: it would cost more than it saves on messages of this size.
    perMessageDeflate: false,

    open(socket) {
      lastOpened = Math.max(parts.clock.uptime(), lastOpened + leastStep)
      socket.data.openedAt = lastOpened
      begin(socket)
      parts.metrics.connections++
    },
    message(socket, frame) {
      socket.data.connection?.receive(frame)
    },
    drain: ({ data }) => data.connection?.outgoing.drained(),
    ping: ({ data }) => data.connection?.alive(),
    pong: ({ data }, payload) => data.connection?.ponged(payload),
    close({ data: { connection } }, code) {
      if (connection instanceof Connection) leave(connection)
      connection?.closed(code)
    },
  }

  function begin(socket: ServerWebSocket<Attachment>): Connection {
    const { client, remotePort, openedAt } = socket.data
    const connection = enter(new Connection(socket, client, remotePort, openedAt, common))
    socket.data.connection = connection
    return connection
  }

  function enter(connection: Connection): Connection {
    connections.add(connection)
    pulses.add(connection.life)
    // Another node has sent it meanwhile, or has given it back.
    if (closing) connection.close(stops(1))
    return connection
  }

  function leave(connection: Connection): void {
    connections.delete(connection)
    pulses.remove(connection.life)
    left()
  }

  function left(): void {
    drain.left()
    if (closing && isEmpty()) allGone.resolve()
  }

  /** The node that serves a room speaks for a socket of this one. */
  async function carriedTo(node: string) {
    const handOver = await crossing.to(node)
    return (connection: Connection, frames: readonly Frame[]) => {
      const socket = connection.socket as ServerWebSocket<Attachment>
      const { client, serial: openedAt } = connection
      const carrier = handOver(
        { socket, client, openedAt, frames },
        {
          ended() {
            carriers.delete(carrier)
            left()
          },
          returned(back) {
            carriers.delete(carrier)
            const again = begin(socket)
            for (const frame of back) again.receive(frame)
          },
        },
      )
      carriers.add(carrier)
      leave(connection)
      socket.data.connection = carrier
    }
  }

  /** @throws SignalingError UPGRADE_REQUIRED */
  function upgrade(request: Request, server: Server<Attachment>, data: Attachment): undefined {
    if (!server.upgrade(request, { data })) throw new SignalingError('UPGRADE_REQUIRED')
    parts.hiddenClient(data.client)
  }

  /** Where too much comes from, new connections begin later, so that to come back is no way to go on at once. */
  async function upgradeLater(...[request, server, data, wait]: [...Parameters<typeof upgrade>, number]) {
    await new Promise<void>(goOn => parts.clock.after(wait, goOn))
    // It has gone meanwhile: nobody is left to answer, and nothing is wrong here.
    if (request.signal.aborted) return new Response()
    try {
      if (closing) throw new SignalingError('SHUTTING_DOWN')
      return upgrade(request, server, data)
    } catch (error) {
      return refuse(error)
    }
  }

  function refuse(error: unknown): Response {
    const reason = toSignalingError(error)
    // Where descriptors are short, that has been logged once for all.
    if (reason.code === 'UNAVAILABLE') parts.log.debug({ path: 'upgrade' }, 'no room')
    else logFailure(parts.log, reason, { path: 'upgrade' })
    countError(parts.metrics, reason.code)
    if (reason.code === 'UNAVAILABLE') return problem(reason, { Connection: 'close' })
    return problem(reason, reason.code === 'UPGRADE_REQUIRED' ? { Upgrade: 'websocket' } : {})
  }

  return {
    websocket,
    upgrade(request, server) {
      try {
        if (closing) throw new SignalingError('SHUTTING_DOWN')
        if (!accepting) throw new SignalingError('UNAVAILABLE', 'The server has no room for new connections.')
        const origin = request.headers.get('origin')
        if (origin !== null && !isAllowed(origin, request.headers, config.origins)) {
          parts.refusedOrigin(origin, 'websocket')
          throw new SignalingError('ORIGIN_NOT_ALLOWED')
        }
        const { address, port } = server.requestIP(request) ?? { address: '', port: 0 }
        const client = clientOf(address, request.headers, config.proxies)
        const wait = parts.budget.wait({ address: client.address })
        const data = { client, remotePort: port, openedAt: 0, connection: undefined }
        return wait === 0 ? upgrade(request, server, data) : upgradeLater(request, server, data, wait)
      } catch (error) {
        return refuse(error)
      }
    },
    receive: (...frame) => crossing.receive(...frame),
    count: () => ({ connections: connections.size + carriers.size - crossing.size.here, carried: crossing.size }),
    accept(accepts) {
      accepting = accepts
      if (!accepts && !closing) parts.newcomers.thin()
    },
    drain: hurry => drain.run(hurry),
    async close(ended) {
      closing = true
      crossing.close()
      const size = connections.size + carriers.size
      for (const carrier of carriers) carrier.stop(comesBackAfter(size))
      for (const connection of connections) connection.close(stops(size))
      if (isEmpty()) allGone.resolve()
      // Those whose sockets other nodes have are no concern of a port.
      await Promise.all([ended, allGone.promise])
      pulses.stop()
    },
  }
}

/** Milliseconds between two connections, for numbers to tell which one was opened first. */
const leastStep = 1 / 1024

const isAllowed = (origin: string, headers: Headers, origins: AllowedOrigins): boolean =>
  origins.isEmpty || origins.allows(origin) || isOwnPage(origin, headers)

/** A socket of another node goes back to it, with what this one does not handle. */
const givenBack: Relocation = {
  to: async () => (connection, frames) => (connection.socket as CarriedSocket).giveBack(frames),
}
