import { SignalingError } from '@parley/protocol'
import { atUptime, type Clock } from '../clock.ts'
import { type Identity, identitySilent } from '../identity/identity.ts'
import { withDeadline } from '../resilience/deadline.ts'
import type { Peer } from './room.ts'
import type { Emit } from './room-events.ts'

/** Milliseconds before the end of its ID token at which a peer with `token-refresh` is told. */
const toldBefore = 60_000

/** Milliseconds after that end at which a peer is closed that has shown no newer one, where peers are. */
const grace = 25_000

export interface IdTokenEndParts {
  readonly clock: Clock
  readonly emit: Emit
  readonly identity: Identity
  readonly limits: IdTokenLimits
}

export interface IdTokenLimits {
  /** What becomes of a peer whose ID token has ended: it stays, as on the original, or is closed. */
  readonly expiredTokens: 'keep' | 'close'
}

/**
 * Plans what the end of the ID token means for a peer that has just shown it, instead of what was planned for the one
 * before: with `token-refresh` it is told in time, and where peers do not outlive their tokens, it is closed.
 * @param expiresAt seconds since the epoch
 */
export function planIdTokenEnd(peer: Peer, expiresAt: number, parts: IdTokenEndParts): void {
  const { clock, emit, limits } = parts
  const end = clock.uptime() + expiresAt * 1000 - clock.now()

  const close = () => {
    emit({ type: 'id_token_ended', room: peer.room.id, peer: peer.id })
    peer.session.close(new SignalingError('TOKEN_EXPIRED'))
  }
  const planClose = () => {
    if (limits.expiredTokens === 'close') at(end + grace, close)
  }
  const at = (time: number, act: () => void) => {
    peer.cancelTokenEnd = atUptime(clock, time, act)
  }

  peer.cancelTokenEnd()
  // A token as short as that would be told of again as soon as it is renewed.
  if (!peer.features.has('token-refresh') || end - toldBefore <= clock.uptime()) planClose()
  else
    at(end - toldBefore, () => {
      planClose()
      peer.session.tell(JSON.stringify({ type: 'token_expiring', expires_at: expiresAt }))
    })
}

/**
 * Takes a newer ID token of the peer's identity.
 * @returns seconds since the epoch at which it ends
 * @throws SignalingError INVALID_TOKEN or UNAVAILABLE
 */
export async function renewIdToken(peer: Peer, idToken: string, parts: IdTokenEndParts): Promise<number> {
  const { clock, identity, emit } = parts
  const { subject, expiresAt } = await withDeadline(clock, identity.verify(idToken), identitySilent)
  if (subject !== peer.identity) {
    throw new SignalingError('INVALID_TOKEN', 'This ID token is of another identity than the one that registered.')
  }
  // It may have left meanwhile.
  if (!peer.session.isOver) planIdTokenEnd(peer, expiresAt, parts)
  emit({ type: 'id_token_renewed', room: peer.room.id, peer: peer.id, expiresAt })
  return expiresAt
}
