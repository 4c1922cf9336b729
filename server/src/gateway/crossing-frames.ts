import { z } from 'zod'
import { clientSchema } from '../client.ts'

/**
 * What two nodes say to each other of a WebSocket that one of them has and whose peer is in a room of the other. `entering`
 * is the node that has the socket, `owner` the one that has the room. The handle of a frame names the socket on its link.
 */
export const crossing = {
  /** entering: a socket, whose first frames follow. JSON: `Opening`. */
  open: 16,
  /** Both: a text frame of the WebSocket, as it is. */
  text: 17,
  /** entering: a binary frame. */
  binary: 18,
  /** owner: send a ping with this payload. entering: the other end has sent one. */
  ping: 19,
  /** entering: the other end has answered a ping, with this payload. */
  pong: 20,
  /** Both. owner: close the socket, once it has taken what came before. entering: it has ended. JSON: `Closing`. */
  close: 21,
  /** owner: end the socket without a goodbye. */
  terminate: 22,
  /** entering: characters that the socket has taken so far. JSON: a number. */
  taken: 23,
  /** owner: a text frame that came from you is for a room that is not here; handle it yourself. */
  elsewhere: 24,
  /** entering: this node is about to stop. JSON: `Stopping`. */
  stop: 25,
  /** entering: ask the peer to move. JSON: a `go_away`. */
  move: 26,
  /** owner: as `elsewhere`, a binary frame. */
  elsewhereBinary: 27,
  /** Both: a piece of a frame that is too long for one of the link. The last piece comes with the type of the whole. */
  piece: 28,
} as const

/** Those whose body is text; that of the others is bytes. */
const texts: readonly number[] = [
  crossing.open,
  crossing.text,
  crossing.elsewhere,
  crossing.close,
  crossing.taken,
  crossing.stop,
  crossing.move,
]

export const crossingTypes = new Map(
  Object.values(crossing).map(type => [type as number, texts.includes(type) ? ('text' as const) : ('bytes' as const)]),
)

/** `relay`: what may be refused where much waits. `answer`: what breaks the link where it cannot be taken. */
export type CrossingKind = 'relay' | 'answer'

/** The way of one socket over the link between two nodes. */
export interface Way {
  /** False where it could not be taken: the link is broken, or too much waits for a relay. */
  send(type: number, body: string | Uint8Array, kind: CrossingKind): boolean
}

/** Bytes of a text frame that a server sends, with its header: RFC 6455 section 5.2. Both nodes have to count alike. */
export function frameBytes(text: string): number {
  const length = Buffer.byteLength(text)
  if (length < 126) return length + 2
  return length + (length < 65_536 ? 4 : 10)
}

/** `age`: milliseconds since the socket was opened, for connections of one peer to be told apart by it. */
export const opening = z.strictObject({ client: clientSchema, age: z.number() })

export const takenSoFar = z.number().int().nonnegative()

export const closing = z.strictObject({ code: z.number().int().min(1000).max(4999), reason: z.string().optional() })
export type Closing = z.infer<typeof closing>

export const stopping = z.strictObject({ retry_after: z.number().nonnegative() })

export const moving = z.strictObject({
  type: z.literal('go_away'),
  reason: z.literal('shutting_down'),
  reconnect_after_ms: z.number().nonnegative(),
  deadline_ms: z.number().nonnegative(),
})
