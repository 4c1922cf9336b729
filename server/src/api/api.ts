import { SignalingError, toSignalingError } from '@parley/protocol'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import type { ZodType } from 'zod'
import { type Client, rateLimitKey } from '../address.ts'
import { type Clock, inTime } from '../clock.ts'
import type { Identity } from '../identity/identity.ts'
import { type Log, logFailure } from '../log.ts'
import { countError, type Gauges, type Metrics, prometheusText } from '../metrics.ts'
import { problem } from '../problem.ts'
import type { RateLimit } from '../rate-limit.ts'
import type { Claim } from '../rooms/rights.ts'
import type { Rooms } from '../rooms/rooms.ts'
import { createRoomBody, deleteBody, deletePeerBody } from './bodies.ts'

export interface ApiConfig {
  /** Origins whose pages may call; empty: none. */
  readonly origins: readonly string[]
  /** Whether the network address of one of a room's peers gives a right to delete it. */
  readonly deleteByAddress: boolean
  readonly maxRoomTtl: number
  readonly peersPerRoom: number
}

export interface ApiParts {
  readonly rooms: Rooms
  readonly identity: Identity
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly signIns: RateLimit
  readonly version: string
  gauges(): Gauges
  /** Resolves if this node may be sent traffic. */
  ready(): Promise<void>
}

type Env = { Bindings: { client: Client } }

const bodyBytes = 64 * 1024

/** The HTTP API, as a function from request to response. Errors of any kind become problem details. */
export function createApi(config: ApiConfig, parts: ApiParts): Hono<Env> {
  const { rooms, identity, clock, log, metrics } = parts
  const app = new Hono<Env>()
  const createRoom = createRoomBody(config.maxRoomTtl, config.peersPerRoom)
  const seconds = () => clock.now() / 1000

  app.onError((error, c) => {
    const reason = toSignalingError(error)
    logFailure(log, reason, { path: c.req.path })
    countError(metrics, reason.code)
    return problem(reason)
  })
  app.notFound(() => problem(new SignalingError('NOT_FOUND')))
  if (config.origins.length > 0) {
    const allowHeaders = ['Authorization', 'Content-Type']
    const exposeHeaders = ['Retry-After', 'WWW-Authenticate']
    app.use(cors({ origin: [...config.origins], allowHeaders, exposeHeaders, maxAge: 600 }))
  }
  app.use(
    bodyLimit({
      maxSize: bodyBytes,
      onError: () => problem(new SignalingError('MESSAGE_TOO_BIG', `A request may have ${bodyBytes} bytes.`)),
    }),
  )

  app.post('/anonymous-signin', async c => {
    const key = rateLimitKey(c.env.client.address)
    const retryAfter = parts.signIns.exceeded(key)
    if (retryAfter > 0) {
      throw new SignalingError('RATE_LIMITED', 'Too many sign-ins from your network address.', { retryAfter })
    }
    parts.signIns.count(key)
    const { idToken, username, expiresAt } = await inTime(clock, identity.signIn(), 'Nobody can sign in at the moment.')
    metrics.signIns++
    return secret(c, { id_token: idToken, username, expires_at: expiresAt })
  })

  app.post('/create-room', async c => {
    const { subject } = await authenticate(c)
    const body = await read(c, createRoom)
    const room = await rooms.create(subject, {
      ttl: body.ttl_seconds ?? undefined,
      maxPeers: body.max_peers ?? undefined,
      name: body.name ?? undefined,
      metadata: body.metadata ?? undefined,
    })
    return secret(c, { room_id: room.room_id, token: room.token, expires_at: room.expires_at })
  })

  app.post('/delete-peers-and-room', async c => {
    const body = await read(c, deleteBody)
    const found = await withClaim(c, body.token, claim =>
      rooms.delete(body.room_id ? { roomId: body.room_id } : { peerId: body.peer_id ?? '' }, claim),
    )
    const unknown = body.room_id ? 'room not found' : 'peer not found'
    return c.json({ status: found ? 'peer deleted successfully' : unknown })
  })

  app.post('/delete-peer', async c => {
    const body = await read(c, deletePeerBody)
    const outcome = await withClaim(c, body.token, claim => rooms.deletePeer(body.peer_id, claim))
    return c.json({ status: deletePeerStatus(outcome) })
  })

  app.get('/.well-known/jwks.json', async c =>
    c.json(await inTime(clock, identity.keys(), 'The keys are not at hand.')),
  )
  app.get('/health', c => c.json({ status: 'healthy', timestamp: seconds(), version: parts.version }))
  app.get('/livez', c => c.json({ status: 'alive' }))
  app.get('/readyz', async c => {
    await parts.ready()
    return c.json({ status: 'ready' })
  })
  app.get('/metrics', c => {
    const gauges = parts.gauges()
    if (!c.req.header('Accept')?.includes('application/json')) {
      return c.text(prometheusText(metrics, gauges), 200, {
        'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
      })
    }
    const census = rooms.census()
    return c.json({
      timestamp: seconds(),
      active_rooms: census.rooms,
      active_connections: gauges.connections,
      peers_by_role: Object.fromEntries(census.peersByRole),
      total_connections: metrics.connections,
      total_messages: metrics.messages,
      rooms_created: metrics.roomsCreated,
    })
  })

  // A path that exists, with a method that does not.
  const methods = new Map<string, Set<string>>()
  for (const { path, method } of app.routes) {
    if (method !== 'ALL') methods.set(path, (methods.get(path) ?? new Set()).add(method))
  }
  for (const [path, allowed] of methods) {
    app.all(path, () => problem(new SignalingError('METHOD_NOT_ALLOWED'), { Allow: [...allowed].join(', ') }))
  }
  return app

  async function authenticate(c: Context<Env>) {
    const idToken = bearer(c)
    if (!idToken) {
      throw new SignalingError('INVALID_TOKEN', 'Send the id_token of a sign-in as "Authorization: Bearer <id_token>".')
    }
    return inTime(clock, identity.verify(idToken), 'The identity provider does not answer.')
  }

  /**
   * What `act` does with the rights that the request proves. A Bearer token that proves nothing is no obstacle, as the
   * token of the room or the address may suffice; where they do not, it is the reason that the caller hears.
   */
  async function withClaim<T>(c: Context<Env>, token: string | null | undefined, act: (claim: Claim) => Promise<T>) {
    const identified = bearer(c) ? await authenticate(c).catch(toSignalingError) : undefined
    const refusal = identified instanceof SignalingError ? identified : undefined
    try {
      return await act({
        identity: identified instanceof SignalingError ? undefined : identified?.subject,
        token: token ?? undefined,
        address: config.deleteByAddress && !c.env.client.isHidden ? c.env.client.address : undefined,
      })
    } catch (error) {
      throw refusal && toSignalingError(error).code === 'FORBIDDEN' ? refusal : error
    }
  }
}

const bearer = (c: Context): string | undefined => /^Bearer +(\S+) *$/i.exec(c.req.header('Authorization') ?? '')?.[1]

/** A response that no cache may keep. */
const secret = (c: Context, body: object): Response => c.json(body, 200, { 'Cache-Control': 'no-store' })

/** The body, which may be missing where `schema` takes an empty object. */
async function read<T>(c: Context, schema: ZodType<T>): Promise<T> {
  const text = await c.req.text()
  let value: unknown = {}
  try {
    if (text !== '') value = JSON.parse(text)
  } catch (cause) {
    throw new SignalingError('INVALID_JSON', 'The body is not JSON in UTF-8.', { cause })
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const faults = result.error.issues.map(issue => [issue.path.join('.'), issue.message].filter(Boolean).join(': '))
  throw new SignalingError('INVALID_MESSAGE', faults.join('; '))
}

/** The words of v2. */
function deletePeerStatus(outcome: Awaited<ReturnType<Rooms['deletePeer']>>): string {
  if (outcome === 'unknown') return 'peer not found'
  if (outcome === 'departed') return 'peer deleted from Cognito (already removed from room)'
  return `peer deleted successfully. Room status: ${outcome.roomDeleted ? 'deleted' : 'active'}`
}
