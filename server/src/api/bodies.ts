import { canonicalName, isMetadata, isPrintable, limits, nameSchema } from '@parley/protocol'
import { z } from 'zod'

export interface BodyLimits {
  /** Seconds that a room lives if its creator does not say, and at most. */
  readonly roomTtl: number
  /** 0: as long as it likes. */
  readonly maxRoomTtl: number
  readonly peersPerRoom: number
}

/** A hundred years, where the server sets no bound: beyond it, dates are no use to anybody. Seconds. */
const longestTtl = 3_155_760_000

const noEndless = 'this server has no rooms without an end (PARLEY_MAX_ROOM_TTL_SECONDS is not 0)'

/** What `register` takes for a role or a channel: who enters with an invitation gets these as if it had said them. */
const printable = (length: number) =>
  z
    .string()
    .refine(text => isPrintable(text, length), `must be 1 to ${length} printable characters`)
    .overwrite(canonicalName)
    .meta(nameSchema(length))

/** The room's `token` is one way to show a right to the room. */
const token = z.string().nullish().describe("The room's token, if that is the caller's right to it.")
const metadata = z
  .record(z.string(), z.unknown())
  .refine(isMetadata, `must be at most ${limits.metadataBytes} bytes of JSON`)
const name = printable(limits.roomNameLength)

/**
 * What requests have to say, under the names that the OpenAPI document has for it. The original ignored what it did not
 * know, and so do the bodies of its routes; the others are strict, so that no slip passes for done.
 */
export function requestBodies({ roomTtl, maxRoomTtl, peersPerRoom }: BodyLimits) {
  const ttl = z
    .int({ error: ({ input }) => (input === null ? noEndless : undefined) })
    .min(1)
    .max(maxRoomTtl || longestTtl)
  const roomLife: z.ZodType<number | null> = maxRoomTtl === 0 ? ttl.nullable() : ttl
  const maxPeers = z.int().min(1).max(peersPerRoom)
  return {
    RefreshToken: z.strictObject({
      refresh_token: z.string().describe('That of a sign-in, or of the last renewal.'),
    }),

    CreateRoom: z.object({
      ttl_seconds: roomLife
        .optional()
        .describe('Seconds that the room lives; null: it does not end, where the server allows that.')
        .meta({ default: roomTtl }),
      max_peers: maxPeers
        .nullish()
        .describe('Peers that may be in the room at once; otherwise as many as the server allows.'),
      name: name.nullish().describe('A name for people.'),
      metadata: metadata.nullish().describe(`Anything; at most ${limits.metadataBytes} bytes of JSON.`),
    }),

    DeletePeersAndRoom: z.object({
      peer_id: z.string().nullish().describe('A peer that is or was in the room.'),
      room_id: z.string().nullish().describe('The room itself; with both names, this one counts.'),
      token,
    }),

    DeletePeer: z.object({ peer_id: z.string().min(1).describe('The peer.'), token }),

    ChangeRoom: z
      .strictObject({
        ttl_seconds: roomLife
          .optional()
          .describe('Seconds from now to the new end; null: the room does not end, where the server allows that.'),
        name: name.nullable().optional().describe('A name for people; null: none.'),
        max_peers: maxPeers
          .nullable()
          .optional()
          .describe('Peers that may be in the room at once; null: as many as the server allows. Nobody is put out.'),
        locked: z.boolean().optional().describe('Whether nobody new may enter. Who was there may come back.'),
        rotate_token: z
          .boolean()
          .optional()
          .describe(
            'true: the room gets a new token, which the answer tells. The old one deletes nothing and lets nobody new in; who is or was in the room may come back with it, under the same peer_id and identity. Invitations stay.',
          ),
      })
      .refine(body => Object.keys(body).length > 0, 'there is nothing to change')
      .meta({ minProperties: 1 }),

    CreateInvite: z.strictObject({
      single_use: z
        .boolean()
        .optional()
        .describe('Whether only the first peer that enters with it may do so; that one may come back.')
        .meta({ default: true }),
      ttl_seconds: ttl.optional().describe('Seconds that it may be used; otherwise as long as the room.'),
      role: printable(limits.roleLength)
        .optional()
        .describe('The role of who enters with it; otherwise what that peer says itself.'),
      channels: z
        .array(printable(limits.channelLength))
        .max(limits.channels)
        .optional()
        .describe('The channels of who enters with it; otherwise those that the peer says itself.'),
    }),
  }
}
