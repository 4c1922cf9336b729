import { context, type PeerMessage, SignalingError, toSignalingError } from '@parley/protocol'
import { logFailure } from '../log.ts'
import { workOfFlood } from '../work-budget.ts'
import type { SessionConnection } from './session-connection.ts'
import type { SessionParts } from './session-parts.ts'
import type { Voice } from './voice.ts'

/**
 * Tells the other end what was wrong with what it sent; one that is wrong too often is closed.
 * @param connection that the message came over, if it is there still
 */
export function refuse(
  error: unknown,
  message: PeerMessage | undefined,
  voice: Voice,
  connection: SessionConnection | undefined,
  { log, refusedAttempt }: Pick<SessionParts, 'log' | 'refusedAttempt'>,
): void {
  const failure = toSignalingError(error).with(message ? context(message) : {})
  if (connection) refusedAttempt(connection.client.nearest, failure.code, 'websocket')
  if (!voice.isHeard) {
    // Only what takes a while is refused that late; its end has been waited for.
    voice.refuseLate(failure)
    return
  }
  connection?.incoming.refused()
  logFailure(log, failure, { peer: voice.peerId, address: connection?.client.nearest })
  if (voice.refuse(failure)) connection?.fail(new SignalingError('RATE_LIMITED'), workOfFlood)
}

export const tooMuchAtFirst = () =>
  new SignalingError('MESSAGE_TOO_BIG', 'Too much was sent before register was answered.')

export const tooFast = () => new SignalingError('RATE_LIMITED', 'You send requests faster than they can be answered.')
