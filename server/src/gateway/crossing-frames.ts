import { z } from 'zod'

/**
 * What two nodes say to each other of a WebSocket that one of them has and whose peer is in a room of the other. `entering`
 * is the node that has the socket, `owner` the one that has the room. The handle of a frame names the socket on its link.
 */
export const crossing = {
  /** entering: a socket, and the first frames from it, which the owner is to handle. JSON: `Opening`. */
  open: 1,
  /** Both: a text frame of the WebSocket, as it is. */
  text: 2,
  /** entering: a binary frame. */
  binary: 3,
  /** owner: send a ping with this payload. entering: the other end has sent one. */
  ping: 4,
  /** entering: the other end has answered a ping, with this payload. */
  pong: 5,
  /** owner: close the socket, once it has taken what came before. JSON: `Closing`. entering: it has been closed. */
  close: 6,
  /** owner: end the socket without a goodbye. */
  terminate: 7,
  /** entering: bytes of text that the socket has taken so far. JSON: a number. */
  taken: 8,
  /** owner: the room of the `register` or `resume` in this text frame is not here; handle it yourself. */
  elsewhere: 9,
  /** entering: this node is about to stop. JSON: `Stopping`. */
  stop: 10,
  /** entering: ask the peer to move. JSON: a `go_away`. */
  move: 11,
} as const

/** The way of one socket over the link between two nodes. */
export interface Way {
  /** False where it could not be taken: the link is broken. */
  send(type: number, body: string | Uint8Array): boolean
}

export const opening = z.strictObject({
  client: z.strictObject({
    address: z.string().optional(),
    hidden: z.enum(['unnamed', 'silent', 'unclear']).optional(),
    limitKey: z.string(),
    nearest: z.string(),
    isDirect: z.boolean(),
  }),
})
export type Opening = z.infer<typeof opening>

export const closing = z.strictObject({ code: z.number().int().min(1000).max(4999), reason: z.string().optional() })
export type Closing = z.infer<typeof closing>

export const stopping = z.strictObject({ retry_after: z.number().nonnegative() })

export const moving = z.strictObject({
  type: z.literal('go_away'),
  reason: z.literal('shutting_down'),
  reconnect_after_ms: z.number().nonnegative(),
  deadline_ms: z.number().nonnegative(),
})
