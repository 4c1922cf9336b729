import type { ErrorCode } from '@parley/protocol'

/** What the server counts. Plain numbers, as the path of a relayed message increments one. */
export interface Metrics {
  connections: number
  registrations: number
  /** Sessions that went on over another connection. */
  resumptions: number
  messages: number
  relayed: number
  roomsCreated: number
  signIns: number
  /** Errors and forced ends by code, whether told or, to plain peers that cannot bear them, kept back. */
  readonly errors: Map<ErrorCode, number>
  /** Errors by code that plain peers were not told. */
  readonly errorsKeptBack: Map<ErrorCode, number>
  /** Requests of pages whose origin is not in PARLEY_ALLOWED_ORIGINS. */
  readonly originsRefused: { http: number; websocket: number }
  /** Connections that were closed because there were too many that had not registered, by the limit. */
  readonly newcomersClosed: { address: number; server: number; descriptors: number }
  /** Times that there were so few free descriptors that connections were not accepted. */
  descriptorShortages: number
  /** Peers that had left and were forgotten before their room ended, as there were too many. */
  peersForgotten: number
  /** Rooms that nobody had entered and that were deleted, as there were too many. */
  roomsMadeWay: number
  /** Connections that were ended because they did not read: for too long, or when all queues together were too big. */
  readonly slowConsumers: { stalled: number; budget: number }
}

export const createMetrics = (): Metrics => ({
  connections: 0,
  registrations: 0,
  resumptions: 0,
  messages: 0,
  relayed: 0,
  roomsCreated: 0,
  signIns: 0,
  errors: new Map(),
  errorsKeptBack: new Map(),
  originsRefused: { http: 0, websocket: 0 },
  newcomersClosed: { address: 0, server: 0, descriptors: 0 },
  descriptorShortages: 0,
  peersForgotten: 0,
  roomsMadeWay: 0,
  slowConsumers: { stalled: 0, budget: 0 },
})

export const countError = (metrics: Metrics, code: ErrorCode): void => increment(metrics.errors, code)

export const countKeptBack = (metrics: Metrics, code: ErrorCode): void => increment(metrics.errorsKeptBack, code)

const increment = (counts: Map<ErrorCode, number>, code: ErrorCode): void => {
  counts.set(code, (counts.get(code) ?? 0) + 1)
}

/** What is true now, as opposed to counted. */
export interface Gauges {
  readonly connections: number
  /** Of these, those whose peer's room another node serves; and WebSockets of other nodes whose peer's room this one serves. */
  readonly carried: { readonly away: number; readonly here: number }
  /** Of these, those that have not registered. */
  readonly unregistered: number
  readonly rooms: number
  /** Of these, the rooms that go on past their end for their plain peers. */
  readonly roomsPastEnd: number
  readonly peers: number
  /** Of these, those whose connection has ended and that may come back. */
  readonly peersAway: number
  /** Lines of the log that could not be written, since the start. */
  readonly logLinesDropped: number
  readonly past: { readonly memories: number; readonly idleRooms: number }
  /** Bytes that wait for peers to read them, and the most memory that they may take. */
  readonly queued: number
  readonly queueBudget: number
  /** Bytes. */
  readonly residentMemory: number
  /** Milliseconds since the epoch; undefined without TLS. */
  readonly certificateExpiresAt: number | undefined
}

/** The metrics in Prometheus' text format 0.0.4. */
export function prometheusText(metrics: Metrics, gauges: Gauges): string {
  const counter = (name: string, help: string, value: number) => family(name, 'counter', help, [`${name} ${value}`])
  const gauge = (name: string, help: string, value: number) => family(name, 'gauge', help, [`${name} ${value}`])
  const byCode = (name: string, help: string, counts: ReadonlyMap<ErrorCode, number>) =>
    family(
      name,
      'counter',
      help,
      [...counts].map(([code, count]) => `${name}{code="${code}"} ${count}`),
    )
  const origins = Object.entries(metrics.originsRefused).map(
    ([over, count]) => `parley_origins_refused_total{over="${over}"} ${count}`,
  )
  const newcomers = Object.entries(metrics.newcomersClosed).map(
    ([limit, count]) => `parley_unregistered_closed_total{limit="${limit}"} ${count}`,
  )
  const slow = Object.entries(metrics.slowConsumers).map(
    ([limit, count]) => `parley_slow_consumers_total{limit="${limit}"} ${count}`,
  )
  return [
    gauge('parley_connections', 'WebSocket connections that are open.', gauges.connections),
    gauge('parley_connections_elsewhere', 'Of these, those carried to the node of a room.', gauges.carried.away),
    gauge('parley_connections_of_others', 'WebSockets of other nodes for rooms of this one.', gauges.carried.here),
    gauge('parley_unregistered_connections', 'WebSockets that have not registered.', gauges.unregistered),
    gauge('parley_peers', 'Registered peers.', gauges.peers),
    gauge('parley_peers_away', 'Of these, peers without a connection that may come back.', gauges.peersAway),
    gauge('parley_rooms', 'Rooms with at least one peer.', gauges.rooms),
    gauge('parley_rooms_past_end', 'Of these, rooms that go on past their end for plain peers.', gauges.roomsPastEnd),
    gauge('parley_departed_peers', 'Peers that have left and are remembered.', gauges.past.memories),
    gauge('parley_idle_rooms', 'Rooms in memory for their sake alone.', gauges.past.idleRooms),
    counter('parley_connections_total', 'WebSocket connections accepted.', metrics.connections),
    counter('parley_registrations_total', 'Successful registrations.', metrics.registrations),
    counter('parley_sessions_resumed_total', 'Sessions that went on over another connection.', metrics.resumptions),
    counter('parley_messages_total', 'Messages received from peers.', metrics.messages),
    counter('parley_messages_relayed_total', 'Messages handed to the peer that they were for.', metrics.relayed),
    counter('parley_rooms_created_total', 'Rooms created.', metrics.roomsCreated),
    counter('parley_rooms_made_way_total', 'Rooms that nobody entered, deleted for newer ones.', metrics.roomsMadeWay),
    counter('parley_peers_forgotten_total', 'Departed peers forgotten early.', metrics.peersForgotten),
    counter('parley_sign_ins_total', 'Anonymous sign-ins.', metrics.signIns),
    byCode('parley_errors_kept_back_total', 'Errors not sent to plain peers, by code.', metrics.errorsKeptBack),
    family('parley_unregistered_closed_total', 'counter', 'Closed, as too many had not registered.', newcomers),
    gauge('parley_queued_bytes', 'Bytes that wait in the queues of all connections.', gauges.queued),
    gauge('parley_queue_budget_bytes', 'Memory that they may take: twice the bytes that may wait.', gauges.queueBudget),
    counter(
      'parley_descriptor_shortages_total',
      'Times that connections were not accepted for want of descriptors.',
      metrics.descriptorShortages,
    ),
    family('parley_slow_consumers_total', 'counter', 'Connections ended because they did not read.', slow),
    family('parley_origins_refused_total', 'counter', 'Requests of pages of origins that may not use it.', origins),
    byCode('parley_errors_total', 'Errors and forced ends by code, over HTTP and WebSocket.', metrics.errors),
    counter('parley_log_lines_dropped_total', 'Lines of the log that could not be written.', gauges.logLinesDropped),
    ...(gauges.certificateExpiresAt === undefined
      ? []
      : [
          gauge(
            'parley_tls_certificate_expires_timestamp_seconds',
            'When the certificate in force ends.',
            gauges.certificateExpiresAt / 1000,
          ),
        ]),
    gauge('process_resident_memory_bytes', 'Resident memory in bytes.', gauges.residentMemory),
  ].join('')
}

const family = (name: string, type: string, help: string, samples: readonly string[]): string =>
  `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map(sample => `${sample}\n`).join('')}`
