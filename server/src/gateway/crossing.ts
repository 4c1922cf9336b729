import { SignalingError } from '@parley/protocol'
import type { Client } from '../client.ts'
import type { Clock } from '../clock.ts'
import { type Log, reasons } from '../log.ts'
import type { Frame } from '../sessions/frames.ts'
import { CarriedSocket } from './carried-socket.ts'
import { Carrier } from './carrier.ts'
import type { Connection } from './connection.ts'
import { closing, crossing, moving, opening, stopping, type Way } from './crossing-frames.ts'
import type { Queues } from './queues.ts'
import type { Socket } from './socket.ts'

/** The connection to another node, as far as sockets need it. */
export interface NodeLink {
  /** Whether this node has called the other one: then the sockets on it are this node's. */
  readonly isCaller: boolean
  /** False where it could not be taken: the link is broken, or about to be. */
  send(type: number, handle: number, body: string | Uint8Array, kind: 'answer'): boolean
  onClosed(act: () => void): void
  close(): void
}

type Body = string | Uint8Array

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
  #handles = 0
  #isClosing = false

  constructor(private readonly parts: CrossingParts) {}

  /**
   * Resolves once the node can be reached, or has gone: then all is given back at once, for the room to find its next owner.
   * @throws SignalingError UNAVAILABLE
   */
  async to(nodeId: string): Promise<HandOver> {
    const link = await this.#link(nodeId)
    return (socket, client, frames, listener) => {
      const { clock, queues } = this.parts
      const handle = this.#newHandle()
      const way: Way = { send: (type, body) => link?.send(type, handle, body, 'answer') ?? false }
      const carriers = link ? this.#of(this.#carriers, link) : new Map<number, Carrier>()
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
      if (!link) {
        for (const frame of frames) carrier.elsewhere(frame)
        carrier.close({ code: 1000 })
        return carrier
      }
      carriers.set(handle, carrier)
      way.send(crossing.open, JSON.stringify({ client }))
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
    link.onClosed(() => this.#closed(link))
    return made
  }

  #closed(link: NodeLink): void {
    const [carriers, carried] = [this.#carriers.get(link), this.#carried.get(link)]
    this.#carriers.delete(link)
    this.#carried.delete(link)
    for (const carrier of [...(carriers?.values() ?? [])]) carrier.lost()
    for (const { socket } of [...(carried?.values() ?? [])]) socket.ended(1006)
  }

  /** Handles of a link are not used again before all others were: what still comes for one that has ended must find nothing. */
  #newHandle(): number {
    this.#handles = (this.#handles + 1) % 2 ** 32
    return this.#handles
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
      this.#open(link, handle, opening.parse(JSON.parse(textIn(body))).client)
      return
    }
    const act = fromEntering[type]
    if (!act) throw new Error(`an entering node does not send frames of type ${type}`)
    const carried = this.#carried.get(link)?.get(handle)
    if (carried) act(carried, body)
  }

  #open(link: NodeLink, handle: number, client: Client): void {
    const { clock } = this.parts
    const all = this.#of(this.#carried, link)
    if (all.has(handle)) throw new Error('the handle is in use')
    const way: Way = { send: (type, body) => link.send(type, handle, body, 'answer') }
    const socket = new CarriedSocket(way, clock, () => {
      all.delete(handle)
      this.parts.disconnected(connection)
    })
    const connection = this.parts.connect(socket, client)
    socket.listener = connection
    all.set(handle, { socket, connection })
    if (this.#isClosing) connection.close(new SignalingError('SHUTTING_DOWN', undefined, { retryAfter: 0.5 }))
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

const jsonOf = (body: Body): unknown => JSON.parse(textIn(body))

// The runtime uses the memory of a frame again: what may be kept is copied.

/** What the node does that has the socket. */
const fromOwner: Record<number, (carrier: Carrier, body: Body) => void> = {
  [crossing.text]: (carrier, body) => carrier.text(textIn(body)),
  [crossing.ping]: (carrier, body) => carrier.ping(bytesIn(body)),
  [crossing.close]: (carrier, body) => carrier.close(closing.parse(jsonOf(body))),
  [crossing.terminate]: carrier => carrier.terminate(),
  [crossing.elsewhere]: (carrier, body) => carrier.elsewhere(bytesIn(body)),
}

/** What the node does that has the room. */
const fromEntering: Record<number, (carried: Carried, body: Body) => void> = {
  [crossing.text]: ({ socket }, body) => socket.listener?.receive(textIn(body)),
  [crossing.binary]: ({ socket }, body) => socket.listener?.receive(bytesIn(body)),
  [crossing.ping]: ({ socket }) => socket.listener?.alive(),
  [crossing.pong]: ({ socket }, body) => socket.listener?.ponged(bytesIn(body)),
  [crossing.close]: ({ socket }, body) => socket.ended(closing.parse(jsonOf(body)).code),
  [crossing.taken]: ({ socket }, body) => socket.taken(Number(textIn(body))),
  [crossing.stop]({ connection }, body) {
    const { retry_after } = stopping.parse(jsonOf(body))
    connection.close(new SignalingError('SHUTTING_DOWN', undefined, { retryAfter: retry_after }))
  },
  [crossing.move]: ({ connection }, body) => connection.askToMove(moving.parse(jsonOf(body))),
}
