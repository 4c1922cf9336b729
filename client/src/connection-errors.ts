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
