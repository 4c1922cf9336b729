import { isMetadata, limits } from '@parley/protocol'
import { z } from 'zod'

/**
 * Body of `POST /create-room`. Unknown members are ignored, as the original ignored the whole body.
 * @param maxTtl seconds
 */
export const createRoomBody = (maxTtl: number, maxPeers: number) =>
  z.object({
    ttl_seconds: z.int().min(1).max(maxTtl).nullish(),
    max_peers: z.int().min(1).max(maxPeers).nullish(),
    name: z.string().min(1).max(limits.roomNameLength).nullish(),
    metadata: z
      .record(z.string(), z.unknown())
      .refine(isMetadata, `must be at most ${limits.metadataBytes} bytes of JSON`)
      .nullish(),
  })

/** The room's `token` is one way to show a right to the room. */
const token = z.string().nullish()

/** Body of `POST /delete-peers-and-room`; with both names, the room's counts. */
export const deleteBody = z
  .object({ peer_id: z.string().nullish(), room_id: z.string().nullish(), token })
  .refine(body => Boolean(body.peer_id) || Boolean(body.room_id), 'peer_id or room_id is needed')

/** Body of `POST /delete-peer`. */
export const deletePeerBody = z.object({ peer_id: z.string().min(1), token })
