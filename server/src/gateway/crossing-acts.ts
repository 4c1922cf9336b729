import { SignalingError } from '@parley/protocol'
import type { CarriedSocket } from './carried-socket.ts'
import type { Carrier } from './carrier.ts'
import type { Connection } from './connection.ts'
import { closing, crossing, moving, stopping, takenSoFar } from './crossing-frames.ts'
import type { Pieces } from './link-way.ts'

/** What a frame on a link carries. */
export type Body = string | Uint8Array

/** A socket that another node has, and the connection that speaks for its peer here. */
export interface Carried {
  readonly socket: CarriedSocket
  readonly connection: Connection
  readonly pieces: Pieces
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

export const jsonOf = (body: Body): unknown => JSON.parse(textIn(body))

// The runtime uses the memory of a frame again: what may be kept is copied.

/** What the node does that has the socket. */
export const fromOwner: Record<number, (carrier: Carrier, body: Body) => void> = {
  [crossing.piece]: ({ pieces }, body) => pieces.add(bytesIn(body)),
  [crossing.text]: (carrier, body) => carrier.text(carrier.pieces.text(textIn(body))),
  [crossing.ping]: (carrier, body) => carrier.ping(bytesIn(body)),
  [crossing.close]: (carrier, body) => carrier.close(closing.parse(jsonOf(body))),
  [crossing.terminate]: carrier => carrier.terminate(),
  [crossing.elsewhere]: (carrier, body) => carrier.elsewhere(carrier.pieces.text(textIn(body))),
  [crossing.elsewhereBinary]: (carrier, body) => carrier.elsewhere(carrier.pieces.bytes(bytesIn(body))),
}

/** What the node does that has the room. */
export const fromEntering: Record<number, (carried: Carried, body: Body) => void> = {
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
