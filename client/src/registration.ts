import type { JsonObject } from '@parley/protocol'
import type { JoinOptions } from './room-types.ts'

/** What a peer says of itself when it registers, beside its ID token. */
export const registrationOf = (
  { roomId, token, role, isAdmin }: JoinOptions,
  peerId: string,
  metadata: JsonObject,
  channels: Iterable<string>,
) => ({
  peer_id: peerId,
  room_id: roomId,
  token,
  metadata,
  channels: [...channels],
  features: ['acks', 'presence', 'channels', 'token-refresh', 'resume'],
  role,
  is_admin: isAdmin,
})
