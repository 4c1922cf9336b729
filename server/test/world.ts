import type { Register, RegisteredAuth, ServerMessageOf, SignalingError } from '@parley/protocol'
import { manualClock } from '../src/clock.ts'
import { alone } from '../src/cluster/alone.ts'
import { local } from '../src/identity/local.ts'
import { createMetrics } from '../src/metrics.ts'
import { sqlite } from '../src/room-store/sqlite.ts'
import type { RoomOptions } from '../src/rooms/creation.ts'
import { countEvents } from '../src/rooms/event-counts.ts'
import { logEvents } from '../src/rooms/event-log.ts'
import type { Entrant, PeerSession } from '../src/rooms/peer-session.ts'
import type { Outcome } from '../src/rooms/requests.ts'
import type { Claim } from '../src/rooms/rights.ts'
import type { Peer } from '../src/rooms/room.ts'
import { type RoomEvent, toEach } from '../src/rooms/room-events.ts'
import { type RoomLimits, Rooms, type RoomsParts } from '../src/rooms/rooms.ts'
import { TimeSlices } from '../src/time-slices.ts'
import { WorkBudget } from '../src/work-budget.ts'
import { inTemporaryFolder, silentLog } from './harness.ts'

type Message = { type?: string; [key: string]: unknown }

/** A connection that is its own session and records what it was told. */
export class RecordingSession implements Entrant, PeerSession {
  peer: Peer | undefined
  open = true
  readonly awayUntil = undefined
  readonly grant = undefined
  readonly life = { isSilent: false, answers: async () => this.open }
  /** Whether it takes what it is sent. */
  reads = true
  readonly replies: RegisteredAuth[] = []
  readonly conflicts: ServerMessageOf<'admin_conflict'>[] = []
  readonly texts: string[] = []
  readonly released: string[] = []
  readonly closed: string[] = []

  constructor(readonly address: string | undefined = '192.0.2.1') {}

  welcome(peer: Peer, reply: string, conflict?: ServerMessageOf<'admin_conflict'>) {
    this.peer = peer
    if (conflict) this.conflicts.push(conflict)
    this.replies.push(JSON.parse(reply))
  }

  get isOver() {
    return this.peer === undefined
  }

  openSession() {
    return this
  }

  deliver(text: string) {
    if (!this.open || !this.reads) return 'unread'
    this.texts.push(text)
    return 'delivered'
  }

  tell(text: string) {
    if (this.deliver(text) === 'unread') this.closed.push('SLOW_CONSUMER')
  }

  release(reason: SignalingError) {
    this.peer = undefined
    this.released.push(reason.code)
  }

  close(reason: SignalingError) {
    this.open = false
    this.closed.push(reason.code)
  }

  /** What it was sent since this was asked last. */
  heard(): Message[] {
    return this.texts.splice(0).map(text => JSON.parse(text) as Message)
  }
}

/** Somebody who shows nothing. */
export const nobody: Claim = { identity: undefined, token: undefined, address: undefined }

export type World = Awaited<ReturnType<typeof world>>

/** Small ones, so that they are soon reached. */
export const worldLimits: RoomLimits = {
  roomTtl: 7200,
  maxRoomTtl: 86_400,
  peersPerRoom: 3,
  peersPerIdentity: 4,
  roomsPerIdentity: 5,
  roomMetadataBytes: 1000,
  messageBytes: 1_048_576,
  expiredTokens: 'keep',
  resumeTtl: 30,
}

export type RoomKey = { readonly room_id: string; readonly token: string }

async function world(folder: string, changes: Partial<Omit<RoomsParts, 'emit'>>) {
  const clock = manualClock()
  const identity = await local({ folder, lifetime: 3600, refreshLifetime: 86_400 }, clock)
  const { log = silentLog, metrics = createMetrics() } = changes
  const events: RoomEvent[] = []
  const parts: RoomsParts = {
    identity,
    store: sqlite(':memory:', clock),
    cluster: alone(),
    clock,
    log,
    metrics,
    emit: toEach(event => events.push(event), logEvents(log, clock), countEvents(metrics)),
    limits: worldLimits,
    budget: new WorkBudget(1_000_000_000, clock),
    slices: new TimeSlices(clock),
    iceServers: () => ({ ice_servers: [], mesh_ice_servers: [] }),
    turnUser: () => undefined,
    ...changes,
  }
  const rooms = new Rooms(parts)
  const signIn = async () => (await identity.signIn()).idToken
  const subjectOf = async (idToken: string) => (await identity.verify(idToken)).subject
  const create = async (idToken: string, options: RoomOptions = {}) =>
    rooms.create(await subjectOf(idToken), options, '192.0.2.1')
  const register = (room: RoomKey, peer_id: string, id_token: string, members: Partial<Register> = {}): Register => ({
    type: 'register',
    peer_id,
    room_id: room.room_id,
    token: room.token,
    id_token,
    role: 'peer',
    metadata: {},
    is_admin: false,
    features: [],
    channels: [],
    request_id: undefined,
    ...members,
  })
  /** Joins over a new connection, or the one given. */
  async function join(
    room: RoomKey,
    peerId: string,
    idToken: string,
    session = new RecordingSession(),
    members: Partial<Register> = {},
  ) {
    await rooms.join(register(room, peerId, idToken, members), session)
    return session
  }
  return { ...parts, clock, events, rooms, signIn, subjectOf, create, register, join }
}

/** Calls `use` with rooms on the embedded adapters and a clock that stands still; `changes` replaces some of the parts. */
export const inWorld = (use: (world: World) => Promise<void>, changes: Partial<Omit<RoomsParts, 'emit'>> = {}) =>
  inTemporaryFolder(async folder => use(await world(folder, changes)))

/** The reply that a request results in. */
export async function replyOf(outcome: Outcome | Promise<Outcome>): Promise<Message> {
  const result = await outcome
  if (typeof result === 'string') throw new Error(`no reply, but ${result}`)
  return JSON.parse(result.reply)
}

export const peerOf = ({ peer }: Entrant): Peer => {
  if (!peer) throw new Error('not registered')
  return peer
}
