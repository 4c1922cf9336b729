import type { JsonObject } from '@parley/protocol'
import { type ServerAddress, serverAddress } from './address.ts'
import { ask, type Request } from './api.ts'
import { type Clock, systemClock } from './clock.ts'
import { ParleyError } from './errors.ts'
import { type Identity, signIn, withToken } from './identity.ts'
import { identityStore } from './kept-identity.ts'
import { nextTurn } from './places.ts'
import { Room } from './room.ts'
import type { JoinOptions } from './room-types.ts'

/** What `Parley` may be given. */
export interface ParleyOptions {
  /** Where the WebSocket is, if it is not where `serverAddress` looks for it. */
  readonly wsUrl?: string | URL
  /** Default: the platform's, which Node has from 22 on. */
  readonly WebSocket?: typeof WebSocket
  /** Default: the browser's. Elsewhere see `@parley/client/node-datachannel`. */
  readonly RTCPeerConnection?: typeof RTCPeerConnection
  /**
   * Who this is; default: an anonymous identity, as soon as one is needed. In a browser it is that of the same tab before
   * the page was loaded again, see `keepIdentity`; otherwise a new one.
   */
  readonly identity?: Identity
  /**
   * Whether a browser keeps the anonymous identity for this tab, by its refresh token in `sessionStorage`, one for each
   * address of a server; default: it does. So a page that is loaded again has its peer id and its rooms back at once. Every
   * script of the page's origin can read the token, and a tab that is duplicated starts as the same identity. With `false`
   * nothing is kept.
   */
  readonly keepIdentity?: boolean
  /** Default: that of the platform. */
  readonly clock?: Clock
}

/** What a new room may be like; what is not said is the server's to decide. */
export interface RoomOptions {
  /** Seconds after which it ends; null: it does not, where the server allows that. */
  readonly ttlSeconds?: number | null
  /** Peers that may be in it at once. */
  readonly maxPeers?: number
  /** For its creator, to tell it from others. Up to 128 characters. */
  readonly name?: string
  /** For its creator, too. Up to 16 KiB of JSON. */
  readonly metadata?: JsonObject
}

/** What others need to enter a room: give it to `Parley.join`. */
export interface CreatedRoom {
  /** Names it. Not secret. */
  readonly roomId: string
  /** A secret: all who have it may enter. */
  readonly token: string
  /** Seconds since the epoch, Infinity if the room does not end; undefined if the server does not say. */
  readonly expiresAt: number | undefined
}

/** A Parley server, and who one is to it. */
export class Parley {
  /** Where the server is. */
  readonly address: ServerAddress
  readonly #options: ParleyOptions
  readonly #clock: Clock
  #identity: Promise<Identity> | undefined

  /** @throws ParleyError INVALID_ARGUMENT */
  constructor(url: string | URL, options: ParleyOptions = {}) {
    this.#options = options
    this.address = serverAddress(url, options.wsUrl)
    this.#clock = options.clock ?? systemClock
    if (options.identity) this.#identity = Promise.resolve(options.identity)
  }

  /** Who this is: from the first call on the same identity, whose tokens are renewed in time. @throws ParleyError */
  signIn(): Promise<Identity> {
    const { httpUrl } = this.address
    const store = this.#options.keepIdentity === false ? undefined : identityStore(httpUrl)
    this.#identity ??= signIn(httpUrl, { clock: this.#clock, store }).catch(error => {
      this.#identity = undefined
      throw error
    })
    return this.#identity
  }

  /** Creates a room, which this identity may manage from then on. @throws ParleyError */
  async createRoom({ ttlSeconds, maxPeers, name, metadata }: RoomOptions = {}): Promise<CreatedRoom> {
    const body = { ttl_seconds: ttlSeconds, max_peers: maxPeers, name, metadata }
    const room = await this.request<{ room_id: string; token: string; expires_at?: number | null }>({
      method: 'POST',
      path: '/create-room',
      body,
    })
    const { room_id, token, expires_at } = room
    return { roomId: room_id, token, expiresAt: expires_at === null ? Number.POSITIVE_INFINITY : expires_at }
  }

  /**
   * Enters a room. A later call for the same room and peer id takes the place of this one: then this one rejects with
   * PEER_REPLACED, or its room is closed with that. @throws ParleyError that says why not
   */
  async join(options: JoinOptions): Promise<Room> {
    const turn = nextTurn()
    const WebSocket = this.#options.WebSocket ?? globalThis.WebSocket
    if (!WebSocket) throw new ParleyError('UNSUPPORTED', 'No WebSocket here; hand one in, as that of "ws".')
    const RTCPeerConnection = this.#options.RTCPeerConnection ?? globalThis.RTCPeerConnection
    const platform = { WebSocket, RTCPeerConnection, clock: this.#clock, random: Math.random, turn }
    return Room.join(this.address.wsUrl, await this.signIn(), options, platform)
  }

  /**
   * Anything else of the HTTP API in docs/protocol.md, as this identity: `method`, `path` from the slash on, perhaps a
   * `body`. Resolves with the JSON of the answer. @throws ParleyError
   */
  async request<Answer>(request: Omit<Request, 'idToken'>): Promise<Answer> {
    return withToken(await this.signIn(), idToken => ask(this.address.httpUrl, { ...request, idToken }))
  }
}
