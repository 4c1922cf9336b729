import type { SignalingError } from '@parley/protocol'

/**
 * What the other end of a connection understands: the quick reference and no more (`plain`), or that and the features it
 * has asked for. Nothing is known before its first `register`.
 */
export type Dialect = 'unknown' | 'plain' | 'features'

/**
 * Whether the other end may be told of this error. Deployed programs of the Python server end at any error that they did
 * not expect, some of them with a job running: so plain peers hear of what is wrong with a `register`, and of the rest
 * only where the operator has said `all`. That their room has ended they never hear, as the original told nobody.
 */
export function mayBeTold(
  { code, context }: SignalingError,
  dialect: Dialect,
  plainPeers: 'all' | 'register',
): boolean {
  if (dialect !== 'plain' || context.isRegister) return true
  return plainPeers === 'all' && code !== 'ROOM_EXPIRED'
}
