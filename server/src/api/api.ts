import { SignalingError, toSignalingError } from '@parley/protocol'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Clock } from '../clock.ts'
import type { IceServers } from '../ice/ice-servers.ts'
import { type Identity, type SignIn, signInWithin } from '../identity/identity.ts'
import { type Log, logFailure } from '../log.ts'
import { countError, type Gauges, type Metrics, prometheusText } from '../metrics.ts'
import { problem } from '../problem.ts'
import type { RateLimit } from '../rate-limit.ts'
import type { RefusedAttempt } from '../refused-attempts.ts'
import type { RefusedOrigin } from '../refused-origins.ts'
import { withDeadline } from '../resilience/deadline.ts'
import type { PeerDeletion } from '../rooms/clean-up.ts'
import type { Rooms } from '../rooms/rooms.ts'
import { ServedElsewhere } from '../rooms/served-elsewhere.ts'
import type { TimeSlices } from '../time-slices.ts'
import type { WorkBudget } from '../work-budget.ts'
import { answering, bearer, bodyBytes, respond } from './answering.ts'
import type { BodyLimits } from './bodies.ts'
import { type ClaimConfig, claims, type Env, type RequestContext } from './claims.ts'
import { buildDocuments } from './documents.ts'
import { unknownPath } from './exact-path.ts'
import { forPages } from './pages.ts'
import { isAbort } from './read-body.ts'
import { noSignIn, type Renewals } from './renewals.ts'
import { apiTable } from './routes.ts'

export interface ApiConfig extends BodyLimits, ClaimConfig {
  /** Characters of a `peer_id`. */
  readonly peerIdLength: number
}

export interface ApiParts {
  readonly rooms: Rooms
  readonly identity: Identity
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly budget: WorkBudget
  readonly slices: TimeSlices
  readonly signIns: RateLimit
  readonly renewals: Renewals
  readonly refusedOrigin: RefusedOrigin
  readonly refusedAttempt: RefusedAttempt
  readonly version: string
  gauges(): Gauges
  /** Resolves if this node may be sent traffic. `degraded`: not all works, but no other node would do better. */
  ready(): Promise<'ready' | 'degraded'>
  /** ICE servers with credentials for an identity. */
  iceServers(subject: string): IceServers
  /** What the TURN servers call an identity, if they tell identities apart. */
  turnUser(subject: string): string | undefined
}

/** The HTTP API, as a function from request to response. Errors of any kind become problem details. */
export function createApi(config: ApiConfig, parts: ApiParts): Hono<Env> {
  const { rooms, identity, clock, log, metrics } = parts
  const { owner } = rooms
  const app = new Hono<Env>({
    getPath: (_, options: { env?: RequestContext } = {}) => options.env?.path ?? unknownPath,
  })
  const table = apiTable(config)
  const { routes } = table
  const { answer, answerIdentified, authenticate } = answering(app, parts)
  const withClaim = claims(config, {
    ...{ metrics, refusedAttempt: parts.refusedAttempt },
    authenticate: c => (bearer(c) ? authenticate(c) : undefined),
  })
  const documents = buildDocuments(table, config.peerIdLength, parts.version)
  /** In the form that Python's datetime.fromisoformat has always read; the letter Z it reads from 3.11 on. */
  const timestamp = () => new Date(clock.now()).toISOString().replace('Z', '+00:00')

  app.onError((error, c) => {
    if (error instanceof ServedElsewhere) {
      c.env.askOthers = error.node
      return c.body(null, 421)
    }
    if (isAbort(error, c.req.raw.signal)) {
      log.debug({ path: c.req.path }, 'request given up')
      return c.body(null, 400)
    }
    const reason = toSignalingError(error)
    logFailure(log, reason, { path: c.req.path })
    parts.refusedAttempt(c.env.client.nearest, reason.code, 'http')
    countError(metrics, reason.code)
    return problem(reason)
  })
  app.notFound(() => problem(new SignalingError('NOT_FOUND')))
  app.use(forPages(config.origins, parts.refusedOrigin))
  app.use(
    bodyLimit({
      maxSize: bodyBytes,
      onError: () => problem(new SignalingError('MESSAGE_TOO_BIG', `A request may have ${bodyBytes} bytes.`)),
    }),
  )

  answer(routes.signIn, async ({ c }) => {
    const signedIn = await signIn(c)
    metrics.signIns++
    return told(signedIn)
  })
  answer(routes.refreshToken, async ({ c, body }) =>
    told(await parts.renewals.renew(body.refresh_token, c.env.client.limitKey)),
  )
  answerIdentified(routes.createRoom, async (subject, { c, body }) => {
    const options = {
      ttl: body.ttl_seconds,
      maxPeers: body.max_peers ?? undefined,
      name: body.name ?? undefined,
      metadata: body.metadata ?? undefined,
    }
    const { room_id, token, expires_at } = await rooms.create(subject, options, c.env.client.address)
    return { room_id, token, expires_at }
  })
  answerIdentified(routes.getIceServers, async (subject, { c }) => {
    const turn_user = parts.turnUser(subject)
    if (turn_user) log.info({ turn_user, address: c.env.client.nearest }, 'TURN credentials given')
    return parts.iceServers(subject)
  })
  answer(routes.deletePeersAndRoom, async ({ c, body }) => {
    const { room_id, peer_id, token } = body
    const found = room_id
      ? await withClaim(c, token, claim => rooms.cleanUp.delete({ roomId: room_id }, claim))
      : await withClaim(c, token, claim => rooms.cleanUp.delete({ peerId: peer_id ?? '' }, claim), false)
    const unknown = room_id ? 'room not found' : 'peer not found'
    // A deployed client may have registered on one node, and ask another one.
    if (!found && !room_id) c.env.askOthers = 'all'
    return { status: found ? 'peer deleted successfully' : unknown }
  })
  answer(routes.deletePeer, async ({ c, body }) => {
    const outcome = await withClaim(c, body.token, claim => rooms.cleanUp.deletePeer(body.peer_id, claim), 'unknown')
    if (outcome === 'unknown') c.env.askOthers = 'all'
    return { status: deletePeerStatus(outcome) }
  })

  answerIdentified(routes.listRooms, async subject => ({ rooms: await owner.rooms(subject) }))
  answerIdentified(routes.inspectRoom, (subject, { params }) => owner.inspect(subject, params.room_id))
  answerIdentified(routes.changeRoom, (subject, { params, body }) =>
    owner.change(subject, params.room_id, {
      ttl: body.ttl_seconds,
      name: body.name,
      maxPeers: body.max_peers,
      locked: body.locked,
      rotateToken: body.rotate_token,
    }),
  )
  answerIdentified(routes.deleteRoom, (subject, { params }) => owner.delete(subject, params.room_id))
  answerIdentified(routes.removePeer, (subject, { params }) =>
    owner.removePeer(subject, params.room_id, params.peer_id),
  )
  answerIdentified(routes.readmitPeer, (subject, { params }) => owner.readmit(subject, params.room_id, params.peer_id))
  answerIdentified(routes.createInvite, (subject, { params, body }) =>
    owner.invite(subject, params.room_id, {
      singleUse: body.single_use ?? true,
      ttl: body.ttl_seconds,
      role: body.role,
      channels: body.channels,
    }),
  )
  answerIdentified(routes.revokeInvite, (subject, { params }) =>
    owner.revoke(subject, params.room_id, params.invite_id),
  )

  answer(routes.getHealth, async () => ({ status: 'healthy', timestamp: timestamp(), version: parts.version }))
  answer(routes.getLiveness, async () => ({ status: 'alive' }))
  answer(routes.getReadiness, async () => {
    return { status: await parts.ready() }
  })
  app.get(routes.getMetrics.path, async (c, next) => {
    if (c.req.header('Accept')?.includes('application/json')) return next()
    return c.text(prometheusText(metrics, parts.gauges()), 200, { 'Content-Type': routes.getMetrics.text ?? '' })
  })
  answer(routes.getMetrics, async () => {
    const census = rooms.census()
    return {
      timestamp: timestamp(),
      active_rooms: census.rooms,
      active_connections: parts.gauges().connections,
      peers_by_role: Object.fromEntries(census.peersByRole),
      total_connections: metrics.connections,
      total_messages: metrics.messages,
      rooms_created: metrics.roomsCreated,
    }
  })
  answer(routes.getKeys, () => withDeadline(clock, identity.keys(), 'The signing keys are not available.'))
  // A WebSocket library would be sent away from its server, and follows nowhere.
  app.get(routes.getRoot.path, c => (c.req.header('upgrade') ? c.notFound() : c.redirect(routes.getDocs.path)))
  app.get(routes.getOpenApi.path, async c => respond(c, routes.getOpenApi, (await documents).openApi))
  app.get(routes.getAsyncApi.path, async c => respond(c, routes.getAsyncApi, (await documents).asyncApi))
  app.get(routes.getDocs.path, async c => {
    const { page, policy } = await documents
    return c.html(page, 200, { 'Content-Security-Policy': policy })
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

  /** The tokens of a new identity, unless the caller's address has asked too often. */
  async function signIn(c: Context<Env>): Promise<SignIn> {
    const key = c.env.client.limitKey
    parts.signIns.check(key, 'Too many sign-ins from your network address.')
    parts.signIns.count(key)
    return withDeadline(clock, identity.signIn(c.req.raw.signal), noSignIn, clock.uptime() + signInWithin)
  }
}

/** A sign-in as it is answered. */
const told = ({ idToken, username, expiresAt, refreshToken }: SignIn) => ({
  id_token: idToken,
  username,
  expires_at: expiresAt,
  refresh_token: refreshToken,
})

/** The words of v2. */
function deletePeerStatus(outcome: PeerDeletion) {
  if (outcome === 'unknown' || outcome === 'departed') return 'peer deleted from Cognito (already removed from room)'
  return `peer deleted successfully. Room status: ${outcome.roomDeleted ? 'deleted' : 'active'}` as const
}
