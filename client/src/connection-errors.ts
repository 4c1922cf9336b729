import { ParleyError } from './errors.ts'

/** One of the two has closed it. */
export const closed = (peerId: string) => new ParleyError('CHANNEL_CLOSED', `The connection to ${peerId} was closed.`)

/** There was a way, and there is none any more. */
export const lost = (peerId: string) =>
  new ParleyError('CHANNEL_CLOSED', `The connection to ${peerId} was lost.`, { retryable: true })

/** The other program may be a new one, under the same peer id. */
export const forgotten = (peerId: string) =>
  new ParleyError('CHANNEL_CLOSED', `${peerId} does not have this connection any more.`, { retryable: true })

/** It has left the room, and does not use the connection without it. */
export const hasLeft = (peerId: string) => new ParleyError('CHANNEL_CLOSED', `${peerId} has left the room.`)

/** Somebody with the right to do so has removed it. */
export const wasRemoved = (peerId: string) => new ParleyError('CHANNEL_CLOSED', `${peerId} was removed from the room.`)

/** It was there to be called, and has gone before it could answer. */
export const gone = (peerId: string) => new ParleyError('PEER_NOT_FOUND', `${peerId} has left the room.`)

/** Its program does not accept this peer. */
export const declined = (peerId: string) => new ParleyError('DECLINED', `${peerId} does not want to connect.`)

/** It may be that it has not even heard of it, as while the server is away. */
export const unanswered = (peerId: string) =>
  new ParleyError('TIMEOUT', `${peerId} has not answered; it may be away, or not take connections.`)

/** There has never been a way. */
export const unreachable = (peerId: string) =>
  new ParleyError('UNREACHABLE', `There is no way to ${peerId}; peers behind different firewalls need a TURN server.`)

/** A change of a connection was not agreed upon. */
export const notAgreed = (peerId: string, cause: unknown) =>
  new ParleyError(
    'NEGOTIATION_FAILED',
    `The connection to ${peerId} cannot be changed: ${(cause as Error).message ?? cause}`,
    { cause },
  )
