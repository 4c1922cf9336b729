import { SignalingError } from '@parley/protocol'
import type { Client } from '../client.ts'
import type { Clock } from '../clock.ts'
import { type Frame, textOf } from '../sessions/frames.ts'
import { CarriedSocket } from './carried-socket.ts'
import { Carrier } from './carrier.ts'
import type { Connection } from './connection.ts'
import { closing, crossing, moving, opening, stopping, type Way } from './crossing-frames.ts'
import type { Queues } from './queues.ts'
import type { Socket } from './socket.ts'

/** The connection to another node, as far as sockets need it. */
export interface NodeLink {
  /** Whether this node has called the other one: then the sockets on it are this node's. */
  readonly isOurs: boolean
  /** False where it could not be taken: the link is broken. */
  send(type: number, handle: number, body: string | Uint8Array): boolean
  /** Names one more socket. */
  newHandle(): number
}

export interface CrossingParts {
  readonly clock: Clock
  readonly queues: Queues
  /** The link to a node. @throws SignalingError UNAVAILABLE */
  link(nodeId: string): Promise<NodeLink>
  /** Makes a connection of a socket that another node has. */
  connect(socket: CarriedSocket, client: Client): Connection
  /** It has ended. */
  disconnected(connection: Connection): void
}

/** A socket that another node has, and the connection that speaks for its peer here. */
interface Carried {
  readonly socket: CarriedSocket
  readonly connection: Connection
}

/** What takes a socket over once the way to the owner of its peer's room is there. */
export type HandOver = (socket: Socket, client: Client, frames: Iterable<Frame>, listener: CarrierListener) => Carrier

export interface CarrierListener {
  ended(): void
  returned(frames: readonly Frame[]): void
}

/** The sockets of this node whose peers' rooms are on others, and the other way round. */
export class Crossing {
  readonly #carriers = new Map<NodeLink, Map<number, Carrier>>()
  readonly #carried = new Map<NodeLink, Map<number, Carried>>()

  constructor(private readonly parts: CrossingParts) {}

  /** Resolves once the node can be reached. @throws SignalingError UNAVAILABLE */
  async to(nodeId: string): Promise<HandOver> {
    const link = await this.parts.link(nodeId)
    return (socket, { address, hidden, ...client }, frames, listener) => {
      const { clock, queues } = this.parts
      const handle = link.newHandle()
      const way: Way = { send: (type, body) => link.send(type, handle, body) }
      const carriers = this.#carriers.get(link) ?? new Map<number, Carrier>()
      this.#carriers.set(link, carriers)
      const leave = () => void carriers.delete(handle)
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
      // Members that are undefined are left out.
      way.send(crossing.open, JSON.stringify({ client: { ...client, address, hidden } }))
      for (const frame of frames) carrier.receive(frame)
      return carrier
    }
  }

  /** A frame has come over a link. @throws Error where no node of this version sends such a one */
  receive(link: NodeLink, type: number, handle: number, body: Buffer): void {
    if (link.isOurs) this.#fromOwner(link, type, handle, body)
    else this.#fromEntering(link, type, handle, body)
  }

  /** The link is broken. */
  closed(link: NodeLink): void {
    const [carriers, carried] = [this.#carriers.get(link), this.#carried.get(link)]
    this.#carriers.delete(link)
    this.#carried.delete(link)
    for (const carrier of [...(carriers?.values() ?? [])]) carrier.lost()
    for (const { socket } of [...(carried?.values() ?? [])]) socket.ended(1006)
  }

  #fromOwner(link: NodeLink, type: number, handle: number, body: Buffer): void {
    const act = fromOwner[type]
    if (!act) throw new Error(`an owner does not send frames of type ${type}`)
    // It may have ended meanwhile.
    const carrier = this.#carriers.get(link)?.get(handle)
    if (carrier) act(carrier, body)
  }

  #fromEntering(link: NodeLink, type: number, handle: number, body: Buffer): void {
    if (type === crossing.open) {
      this.#open(link, handle, opening.parse(JSON.parse(textOf(body))).client)
      return
    }
    const act = fromEntering[type]
    if (!act) throw new Error(`an entering node does not send frames of type ${type}`)
    const carried = this.#carried.get(link)?.get(handle)
    if (carried) act(carried, body)
  }

  #open(link: NodeLink, handle: number, { address, hidden, ...client }: ReturnType<typeof opening.parse>['client']) {
    const { clock } = this.parts
    const all = this.#carried.get(link) ?? new Map<number, Carried>()
    this.#carried.set(link, all)
    if (all.has(handle)) throw new Error('the handle is in use')
    const way: Way = { send: (type, body) => link.send(type, handle, body) }
    const socket = new CarriedSocket(way, clock, () => {
      all.delete(handle)
      this.parts.disconnected(connection)
    })
    const connection = this.parts.connect(socket, { ...client, address, hidden })
    socket.listener = connection
    all.set(handle, { socket, connection })
  }
}

const jsonOf = (body: Buffer): unknown => JSON.parse(textOf(body))

// The runtime uses the memory of a frame again: what may be kept is copied.

/** What the node does that has the socket. */
const fromOwner: Record<number, (carrier: Carrier, body: Buffer) => void> = {
  [crossing.text]: (carrier, body) => carrier.text(textOf(body)),
  [crossing.ping]: (carrier, body) => carrier.ping(body),
  [crossing.close]: (carrier, body) => carrier.close(closing.parse(jsonOf(body))),
  [crossing.terminate]: carrier => carrier.terminate(),
  [crossing.elsewhere]: (carrier, body) => carrier.elsewhere(Buffer.from(body)),
}

/** What the node does that has the room. */
const fromEntering: Record<number, (carried: Carried, body: Buffer) => void> = {
  [crossing.text]: ({ socket }, body) => socket.listener?.receive(textOf(body)),
  [crossing.binary]: ({ socket }, body) => socket.listener?.receive(Buffer.from(body)),
  [crossing.ping]: ({ socket }) => socket.listener?.alive(),
  [crossing.pong]: ({ socket }, body) => socket.listener?.ponged(Buffer.from(body)),
  [crossing.close]: ({ socket }, body) => socket.ended(closing.parse(jsonOf(body)).code),
  [crossing.taken]: ({ socket }, body) => socket.taken(Number(textOf(body))),
  [crossing.stop]({ connection }, body) {
    const { retry_after } = stopping.parse(jsonOf(body))
    connection.close(new SignalingError('SHUTTING_DOWN', undefined, { retryAfter: retry_after }))
  },
  [crossing.move]: ({ connection }, body) => connection.askToMove(moving.parse(jsonOf(body))),
}
