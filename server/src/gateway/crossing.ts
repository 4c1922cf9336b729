import { SignalingError } from '@parley/protocol'
import type { Client } from '../client.ts'
import type { Clock } from '../clock.ts'
import { Handles } from '../links/handles.ts'
import { type Log, reasons } from '../log.ts'
import type { Frame } from '../sessions/frames.ts'
import { CarriedSocket } from './carried-socket.ts'
import { Carrier } from './carrier.ts'
import type { Connection } from './connection.ts'
import { type Body, type Carried, fromEntering, fromOwner, jsonOf } from './crossing-acts.ts'
import { type CrossingKind, crossing, opening } from './crossing-frames.ts'
import { LinkWay, nowhere, Pieces } from './link-way.ts'
import type { Queues } from './queues.ts'
import type { Socket } from './socket.ts'

/** The connection to another node, as far as sockets need it. */
export interface NodeLink {
  /** Whether this node has called the other one: then the sockets on it are this node's. */
  readonly isCaller: boolean
  /** False where it could not be taken: the link is broken, or about to be, or too much waits for a relay. */
  send(type: number, handle: number, body: string | Uint8Array, kind: CrossingKind): boolean
  onClosed(act: () => void): void
  close(): void
}

/** A node is not there any more: it has left the others, or was struck off. */
export class NodeGone extends SignalingError {
  constructor() {
    super('UNAVAILABLE', 'The node that serves the room has gone.', { retryAfter: 1 })
  }
}

/** Milliseconds that a node is waited for which is not reached, and between two attempts. */
const reachedWithin = 4_500
const triedEvery = 250

export interface CrossingParts {
  readonly clock: Clock
  readonly log: Log
  readonly queues: Queues
  /** The link to a node. @throws NodeGone; SignalingError UNAVAILABLE */
  link(nodeId: string): Promise<NodeLink>
  /** Makes a connection of a socket that another node has. @param openedAt an uptime of this node, about */
  connect(socket: CarriedSocket, client: Client, openedAt: number): Connection
  /** It has ended. */
  disconnected(connection: Connection): void
}

/** A socket of this node, as it is handed over: the uptime since which it is open, and the frames that are to be handled. */
export interface HandedOver {
  readonly socket: Socket
  readonly client: Client
  readonly openedAt: number
  readonly frames: Iterable<Frame>
}

/** What takes a socket over once the way to the owner of its peer's room is there. */
export type HandOver = (what: HandedOver, listener: CarrierListener) => Carrier

export interface CarrierListener {
  ended(): void
  returned(frames: readonly Frame[]): void
}

/** The sockets of this node whose peers' rooms are on others, and the other way round. */
export class Crossing {
  readonly #carriers = new Map<NodeLink, Map<number, Carrier>>()
  readonly #carried = new Map<NodeLink, Map<number, Carried>>()
  /** Names for the sockets of this node, of which each link knows some. */
  readonly #handles = new Handles()
  #isClosing = false

  constructor(private readonly parts: CrossingParts) {}

  /** How many sockets of this node have their connection elsewhere, and how many of others have it here. */
  get size(): { readonly away: number; readonly here: number } {
    return { away: sizeOf(this.#carriers), here: sizeOf(this.#carried) }
  }

  /**
   * Resolves once the node can be reached, or has gone: then all is given back at once, for the room to find its next owner.
   * @throws SignalingError UNAVAILABLE
   */
  async to(nodeId: string): Promise<HandOver> {
    const link = await this.#link(nodeId)
    return ({ socket, client, openedAt, frames }, listener) => {
      const { clock, queues } = this.parts
      const carriers = link ? this.#of(this.#carriers, link) : new Map<number, Carrier>()
      const handle = this.#handles.take()
      const way = link ? new LinkWay(link, handle) : nowhere
      const leave = () => {
        carriers.delete(handle)
        this.#handles.giveBack(handle)
      }
      const carrier = new Carrier(socket, way, {
        ...{ clock, queues },
        ended() {
          leave()
          listener.ended()
        },
        returned(back) {
          leave()
          listener.returned(back)
        },
      })
      if (!link) {
        for (const frame of frames) carrier.elsewhere(frame)
        carrier.close({ code: 1000 })
        return carrier
      }
      carriers.set(handle, carrier)
      way.send(crossing.open, JSON.stringify({ client, age: clock.uptime() - openedAt }), 'answer')
      for (const frame of frames) carrier.receive(frame)
      return carrier
    }
  }

  /** From now on the sockets of others are sent away: this node gives up its rooms. */
  close(): void {
    this.#isClosing = true
  }

  /** Undefined once the node has gone. @throws SignalingError UNAVAILABLE */
  async #link(nodeId: string): Promise<NodeLink | undefined> {
    const { clock, link } = this.parts
    const end = clock.uptime() + reachedWithin
    for (;;) {
      try {
        return await link(nodeId)
      } catch (error) {
        if (error instanceof NodeGone) return undefined
        if (clock.uptime() + triedEvery > end) throw error
        await new Promise<void>(goOn => clock.after(triedEvery, goOn))
      }
    }
  }

  /** A frame has come over a link. One that no node of this version sends ends it. */
  receive(link: NodeLink, type: number, handle: number, body: Body): void {
    try {
      if (link.isCaller) this.#fromOwner(link, type, handle, body)
      else this.#fromEntering(link, type, handle, body)
    } catch (error) {
      this.parts.log.error(
        { type, cause: reasons(error) },
        'link closed, as the other node does not speak like this one',
      )
      link.close()
    }
  }

  /** The sockets of a link, of which there are none when it is new. */
  #of<T>(all: Map<NodeLink, Map<number, T>>, link: NodeLink): Map<number, T> {
    const known = all.get(link)
    if (known) return known
    const made = new Map<number, T>()
    all.set(link, made)
    // Not at once: a link may break while somebody is sending, and may have been broken when it was given.
    link.onClosed(() => queueMicrotask(() => this.#closed(link)))
    return made
  }

  #closed(link: NodeLink): void {
    const [carriers, carried] = [this.#carriers.get(link), this.#carried.get(link)]
    this.#carriers.delete(link)
    this.#carried.delete(link)
    for (const carrier of [...(carriers?.values() ?? [])]) carrier.lost()
    for (const { socket } of [...(carried?.values() ?? [])]) socket.ended(1006)
  }

  #fromOwner(link: NodeLink, type: number, handle: number, body: Body): void {
    const act = fromOwner[type]
    if (!act) throw new Error(`an owner does not send frames of type ${type}`)
    // It may have ended meanwhile.
    const carrier = this.#carriers.get(link)?.get(handle)
    if (carrier) act(carrier, body)
  }

  #fromEntering(link: NodeLink, type: number, handle: number, body: Body): void {
    if (type === crossing.open) {
      const { client, age } = opening.parse(jsonOf(body))
      this.#open(link, handle, client, this.parts.clock.uptime() - age)
      return
    }
    const act = fromEntering[type]
    if (!act) throw new Error(`an entering node does not send frames of type ${type}`)
    const carried = this.#carried.get(link)?.get(handle)
    if (carried) act(carried, body)
  }

  #open(link: NodeLink, handle: number, client: Client, openedAt: number): void {
    const { clock } = this.parts
    const all = this.#of(this.#carried, link)
    if (all.has(handle)) throw new Error('the handle is in use')
    const socket = new CarriedSocket(new LinkWay(link, handle), clock, () => {
      all.delete(handle)
      this.parts.disconnected(connection)
    })
    const connection = this.parts.connect(socket, client, openedAt)
    socket.listener = connection
    all.set(handle, { socket, connection, pieces: new Pieces() })
    if (this.#isClosing) connection.close(new SignalingError('SHUTTING_DOWN', undefined, { retryAfter: 0.5 }))
  }
}

const sizeOf = (all: ReadonlyMap<NodeLink, ReadonlyMap<number, unknown>>): number =>
  [...all.values()].reduce((sum, { size }) => sum + size, 0)
