import { SignalingError } from '@parley/protocol'
import type { Client } from '../client.ts'
import type { Clock } from '../clock.ts'
import { Handles } from '../links/handles.ts'
import { type Log, reasons } from '../log.ts'
import type { Frame } from '../sessions/frames.ts'
import { CarriedSocket } from './carried-socket.ts'
import { Carrier } from './carrier.ts'
import type { Connection } from './connection.ts'
import { type CrossingKind, closing, crossing, moving, opening, stopping, takenSoFar } from './crossing-frames.ts'
import { LinkWay, Pieces } from './link-way.ts'
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

type Body = string | Uint8Array

export interface CrossingParts {
  readonly clock: Clock
  readonly log: Log
  readonly queues: Queues
  /** The link to a node. @throws SignalingError UNAVAILABLE */
  link(nodeId: string): Promise<NodeLink>
  /** Makes a connection of a socket that another node has. @param openedAt an uptime of this node, about */
  connect(socket: CarriedSocket, client: Client, openedAt: number): Connection
  /** It has ended. */
  disconnected(connection: Connection): void
}

/** A socket that another node has, and the connection that speaks for its peer here. */
interface Carried {
  readonly socket: CarriedSocket
  readonly connection: Connection
  readonly pieces: Pieces
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

  constructor(private readonly parts: CrossingParts) {}

  /** How many sockets of this node have their connection elsewhere, and how many of others have it here. */
  get size(): { readonly away: number; readonly here: number } {
    return { away: sizeOf(this.#carriers), here: sizeOf(this.#carried) }
  }

  /** Resolves once the node can be reached. @throws SignalingError UNAVAILABLE */
  async to(nodeId: string): Promise<HandOver> {
    const link = await this.parts.link(nodeId)
    return ({ socket, client, openedAt, frames }, listener) => {
      const { clock, queues } = this.parts
      const carriers = this.#of(this.#carriers, link)
      const handle = this.#handles.take()
      const way = new LinkWay(link, handle)
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
      carriers.set(handle, carrier)
      way.send(crossing.open, JSON.stringify({ client, age: clock.uptime() - openedAt }), 'answer')
      for (const frame of frames) carrier.receive(frame)
      return carrier
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
  }
}

/** @throws Error where a link of this version has no such body */
function textIn(body: Body): string {
  if (typeof body === 'string') return body
  throw new TypeError('text was expected')
}

function bytesIn(body: Body): Buffer {
  if (typeof body === 'string') throw new TypeError('bytes were expected')
  return Buffer.from(body)
}

const sizeOf = (all: ReadonlyMap<NodeLink, ReadonlyMap<number, unknown>>): number =>
  [...all.values()].reduce((sum, { size }) => sum + size, 0)

const jsonOf = (body: Body): unknown => JSON.parse(textIn(body))

// The runtime uses the memory of a frame again: what may be kept is copied.

/** What the node does that has the socket. */
const fromOwner: Record<number, (carrier: Carrier, body: Body) => void> = {
  [crossing.piece]: ({ pieces }, body) => pieces.add(bytesIn(body)),
  [crossing.text]: (carrier, body) => carrier.text(carrier.pieces.text(textIn(body))),
  [crossing.ping]: (carrier, body) => carrier.ping(bytesIn(body)),
  [crossing.close]: (carrier, body) => carrier.close(closing.parse(jsonOf(body))),
  [crossing.terminate]: carrier => carrier.terminate(),
  [crossing.elsewhere]: (carrier, body) => carrier.elsewhere(carrier.pieces.text(textIn(body))),
  [crossing.elsewhereBinary]: (carrier, body) => carrier.elsewhere(carrier.pieces.bytes(bytesIn(body))),
}

/** What the node does that has the room. */
const fromEntering: Record<number, (carried: Carried, body: Body) => void> = {
  [crossing.piece]: ({ pieces }, body) => pieces.add(bytesIn(body)),
  [crossing.text]: ({ socket, pieces }, body) => socket.listener?.receive(pieces.text(textIn(body))),
  [crossing.binary]: ({ socket, pieces }, body) => socket.listener?.receive(pieces.bytes(bytesIn(body))),
  [crossing.ping]: ({ socket }) => socket.listener?.alive(),
  [crossing.pong]: ({ socket }, body) => socket.listener?.ponged(bytesIn(body)),
  [crossing.close]: ({ socket }, body) => socket.ended(closing.parse(jsonOf(body)).code),
  [crossing.taken]: ({ socket }, body) => socket.taken(takenSoFar.parse(jsonOf(body))),
  [crossing.stop]({ connection }, body) {
    const { retry_after } = stopping.parse(jsonOf(body))
    connection.close(new SignalingError('SHUTTING_DOWN', undefined, { retryAfter: retry_after }))
  },
  [crossing.move]: ({ connection }, body) => connection.askToMove(moving.parse(jsonOf(body))),
}
