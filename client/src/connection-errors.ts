import { ParleyError } from './errors.ts'

/** One of the two has closed it. */
export const closed = (peerId: string) => new ParleyError('CHANNEL_CLOSED', `The connection to ${peerId} was closed.`)

/** There was a way, and there is none any more. */
export const lost = (peerId: string) =>
  new ParleyError('CHANNEL_CLOSED', `The connection to ${peerId} was lost.`, { retryable: true })

/** It may be that it has not even heard of it, as while the server is away. */
export const unanswered = (peerId: string) =>
  new ParleyError('TIMEOUT', `${peerId} has not answered; it may be away, or not take connections.`)

/** There has never been a way. */
export const unreachable = (peerId: string) =>
  new ParleyError(
    'UNREACHABLE',
    `${peerId} was found, but there is no way to it; peers behind different firewalls need a TURN server.`,
  )

/** A change of a connection was not agreed upon. */
export const notAgreed = (peerId: string, cause: unknown) =>
  new ParleyError(
    'NEGOTIATION_FAILED',
    `A change of the connection to ${peerId} was not agreed upon: ${cause instanceof Error ? cause.message : cause}`,
    { cause },
  )
