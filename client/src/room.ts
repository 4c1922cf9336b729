import type { IceServer, JsonObject, RegisteredAuth, ServerMessageOf, ServerType } from '@parley/protocol'
import type { Connection } from './connection.ts'
import type { ConnectOptions, ProtocolHandler } from './connection-types.ts'
import { Connections } from './connections.ts'
import { Emitter, type Unsubscribe } from './emitter.ts'
import { hasCode } from './errors.ts'
import type { Identity } from './identity.ts'
import type { ConnectionState, Incoming, IncomingSignal, Outgoing } from './messages.ts'
import { onPageEnd } from './page-events.ts'
import { type Peer, peerOf, Roster } from './peers.ts'
import { takePlace } from './places.ts'
import { randomId } from './random-id.ts'
import { registrationOf } from './registration.ts'
import type { IceServers, JoinOptions, PeerFilters, Platform, RoomEvents } from './room-types.ts'
import { Signaling } from './signaling.ts'

/**
 * A room that this peer is in. It stays in it when the connection breaks, until `leave` or until the server says that it
 * is over: see `state`. Requests reject with ParleyError; those made while the connection is away wait for it.
 */
export class Room extends Emitter<RoomEvents> {
  /** How the others call this peer. */
  readonly peerId: string
  /** Has the token of the room, which a log must not show: so not TypeScript's `private`. */
  readonly #options: JoinOptions
  readonly #signaling: Signaling
  #roster = new Roster({
    joined: peer => {
      this.#connections.returned(peer.id)
      this.emit('peerJoined', peer)
    },
    left: (id, reason, isTold) => {
      if (isTold) this.#connections.departed(id, reason)
      this.emit('peerLeft', id, reason)
    },
    updated: peer => this.emit('peerUpdated', peer),
  })
  #channels: Set<string>
  #metadata: JsonObject
  #auth: RegisteredAuth | undefined
  #registrations = 0
  #iceServers: readonly IceServer[] = []
  readonly #connections: Connections
  readonly #protocols = new Map<string, ProtocolHandler>()
  /** The others need not wait for the ICE of a tab that was closed to fail. */
  readonly #offPageEnd = onPageEnd(() => this.leave())

  private constructor(wsUrl: string, identity: Identity, options: JoinOptions, platform: Platform) {
    super()
    this.#options = options
    const registration = () => registrationOf(options, this.peerId, this.#metadata, this.#channels)
    this.#signaling = new Signaling({ ...platform, wsUrl, identity, registration })
    this.#signaling.on('registered', reply => this.#registered(reply))
    this.#signaling.on('message', message => this.#receive(message))
    this.#signaling.on('state', state => this.#changed(state))
    this.peerId = options.peerId ?? `peer-${randomId().slice(0, 9)}`
    this.#channels = new Set(options.channels)
    this.#metadata = options.metadata ?? {}
    this.#connections = new Connections({
      ...platform,
      peerId: this.peerId,
      accept: options.accept ?? (() => true),
      configuration: () => ({ ...options.rtcConfiguration, iceServers: this.#iceServers as RTCIceServer[] }),
      refresh: () => this.iceServers(),
      signal: message => this.signal(message),
      tell: (peerId, payload) => this.send(peerId, payload),
      isOnline: () => this.state.status === 'connected',
      protocols: this.#protocols,
      arrival: (id, signal) => this.once('peerJoined', peer => peer.id === id, signal),
      registrations: () => this.#registrations,
      announce: connection => this.emit('connection', connection),
    })
  }

  /** @throws ParleyError that says why this peer may not enter, or cannot reach the server */
  static async join(wsUrl: string, identity: Identity, options: JoinOptions, platform: Platform): Promise<Room> {
    const room = new Room(wsUrl, identity, options, platform)
    const signaling = room.#signaling
    const key = JSON.stringify([wsUrl, room.id, room.peerId, identity.username])
    await takePlace(key, platform.turn, signaling, () => signaling.open())
    return room
  }

  /** The room's own. */
  get id(): string {
    return this.#options.roomId
  }

  /** How the connection to the server is. */
  get state(): ConnectionState {
    return this.#signaling.state
  }

  /** The others, by id, as far as this peer may know of them. */
  get peers(): ReadonlyMap<string, Peer> {
    return this.#roster.peers
  }

  /** As of the last registration. */
  get adminPeerId(): string | null {
    return this.#auth?.admin_peer_id ?? null
  }

  /** Seconds since the epoch at which the room ends, as of the last registration; Infinity if it does not. */
  get expiresAt(): number {
    return this.#auth?.expires_at ?? Number.POSITIVE_INFINITY
  }

  /** What this peer says of itself. */
  get metadata(): JsonObject {
    return this.#metadata
  }

  /** The connection to a peer, if there is one. */
  connection(peerId: string): Connection | undefined {
    return this.#connections.get(this.#roster.idOf(peerId))
  }

  /**
   * Connects to a peer; if there is a connection already, or one is being made by either side, it is that one, unless the
   * peer has registered again and does not have it any more. If the peer leaves, this rejects with PEER_NOT_FOUND.
   * @throws ParleyError PEER_NOT_FOUND, DECLINED, TIMEOUT if it does not answer, UNREACHABLE, ABORTED, UNSUPPORTED
   */
  connect(peerId: string, options: ConnectOptions = {}): Promise<Connection> {
    return this.#connections.connect(this.#roster.idOf(peerId), options)
  }

  /**
   * Has `take` take the data channels with this `protocol` that other peers open, whatever the connection: they are not
   * told by its `channel` event. Channels of a protocol that begins with `parley.` are closed if nobody takes them.
   * @param protocol of `RTCDataChannel`
   */
  onProtocol(protocol: string, take: ProtocolHandler): Unsubscribe {
    this.#protocols.set(protocol, take)
    return () => {
      if (this.#protocols.get(protocol) === take) this.#protocols.delete(protocol)
    }
  }

  /** Any JSON for one peer. Resolves when it has been handed to that peer's socket. @throws ParleyError PEER_NOT_IN_ROOM */
  async send(peerId: string, payload: unknown): Promise<void> {
    await this.#request({ type: 'peer_message', to_peer_id: peerId, payload })
  }

  /**
   * Any JSON for all peers of a channel that this one is in, or for all that it shares one with.
   * @throws ParleyError NOT_IN_CHANNEL; DELIVERY_FAILED naming in `undelivered` who did not take it
   */
  async broadcast(payload: unknown, channel?: string): Promise<void> {
    await this.#request({ type: 'broadcast', payload, ...(channel !== undefined && { channel }) })
  }

  /** A signal of your own making. Resolves when it has been handed to the target's socket. @throws ParleyError */
  async signal(
    message: { readonly type: IncomingSignal['type']; readonly target: string } & JsonObject,
  ): Promise<void> {
    await this.#request({ ...message, sender: this.peerId })
  }

  /** The others that match all filters. @throws ParleyError */
  async discover(filters: PeerFilters = {}): Promise<Peer[]> {
    const { peers } = await this.#request<'peer_list'>({ type: 'discover_peers', filters })
    return peers.map(peerOf)
  }

  /** Changes what this peer says of itself: tags are united, properties merged, other keys replaced. @throws ParleyError */
  async updateMetadata(metadata: JsonObject): Promise<JsonObject> {
    const reply = await this.#request<'metadata_updated'>({ type: 'update_metadata', metadata })
    this.#metadata = reply.metadata
    return reply.metadata
  }

  /** Enters a channel: from then on this peer sees those in it, and no more those who are in none. @throws ParleyError */
  async joinChannel(channel: string): Promise<void> {
    await this.#request({ type: 'join_channel', channel })
    this.#channels.add(channel)
  }

  /** Leaves a channel, and with the last one comes back to those who are in none. @throws ParleyError */
  async leaveChannel(channel: string): Promise<void> {
    await this.#request({ type: 'leave_channel', channel })
    this.#channels.delete(channel)
  }

  /** STUN and TURN servers, with fresh credentials. @throws ParleyError */
  async iceServers(): Promise<IceServers> {
    const { ice_servers, expires_at } = await this.#request<'ice_servers'>({ type: 'get_ice_servers' })
    this.#iceServers = ice_servers
    return { iceServers: ice_servers, expiresAt: expires_at }
  }

  /** Leaves the room and ends all connections. What is not answered yet is rejected with LEFT. */
  leave(): void {
    this.#signaling.close()
  }

  /** The reply that docs/protocol.md has for the message. */
  async #request<Type extends ServerType = 'ack'>(message: Outgoing): Promise<ServerMessageOf<Type>> {
    // As the server's table of messages has it.
    return (await this.#signaling.request(message)) as unknown as ServerMessageOf<Type>
  }

  #registered(reply: RegisteredAuth): void {
    this.#auth = reply
    this.#registrations++
    this.#iceServers = reply.ice_servers
    if (reply.channels) this.#channels = new Set(reply.channels)
    if (this.#registrations > 1) this.#connections.verify()
    this.#roster.reconcile(reply.roster ?? [])
  }

  #changed(state: ConnectionState): void {
    if (state.status === 'closed') {
      this.#offPageEnd()
      // When the room is over, its peers may go on; not when this one has left it, or another one is this peer now.
      if (!state.error || hasCode(state.error, 'PEER_REPLACED')) this.#connections.close(state.error)
    }
    this.emit('state', state)
  }

  #receive(message: Incoming): void {
    switch (message.type) {
      case 'offer':
      case 'answer':
      case 'candidate':
        if (!this.#connections.receive(message)) this.emit('signal', message)
        return
      case 'peer_joined':
      case 'peer_left':
      case 'peer_updated':
      case 'peers_changed':
        this.#roster.hear(message)
        return
      case 'peer_message':
        if (!this.#connections.hear(message.from_peer_id, message.payload)) {
          this.emit('message', message.from_peer_id, message.payload)
        }
        return
      case 'broadcast':
        this.emit('broadcast', message.from_peer_id, message.payload, message.channel)
        return
      case 'ice_servers':
        this.#iceServers = message.ice_servers
        return
      case 'room_expiring':
        this.emit('expiring', message.expires_at)
    }
  }
}
