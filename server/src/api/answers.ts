import { errorKinds } from '@parley/protocol'
import { z } from 'zod'

const seconds = (meaning: string) => z.number().describe(`${meaning} Seconds since the epoch.`)
const roomEnd = z.number().nullable().describe('When the room ends, in seconds since the epoch; null: it does not.')
/** The original's: ISO 8601, in UTC. */
const timestamp = z.iso.datetime({ offset: true }).describe('Now.')
/** What the rooms hand out is not for changing. */
const listOf = <T extends z.ZodType>(item: T) => z.array(item).readonly()
const anyObject = z.record(z.string(), z.unknown())
/** An object that somebody else's standard describes. */
const foreign = () => z.custom<object>().meta({ type: 'object' })

const IceServer = z
  .object({ urls: listOf(z.string()), username: z.string().optional(), credential: z.string().optional() })
  .describe('An RTCIceServer.')

const Room = z.object({
  room_id: z.string(),
  token: z.string().describe('Who knows it may enter.'),
  expires_at: roomEnd,
  name: z.string().nullable(),
  max_peers: z.int().nullable().describe('null: as many as the server allows.'),
  locked: z.boolean().describe('Whether nobody new may enter.'),
  metadata: anyObject,
  peer_count: z.int().describe('Peers that are in it now.'),
})

const PeerInRoom = z.object({
  peer_id: z.string(),
  role: z.string(),
  metadata: anyObject,
  connected_at: seconds('When it registered.'),
  channels: listOf(z.string()),
})

const Invite = z.object({
  invite_id: z.string().describe('Names the invitation; nobody can enter with it.'),
  expires_at: z.number().nullable().describe('When it ends, in seconds since the epoch; null: with the room.'),
  single_use: z.boolean(),
  role: z.string().nullable().describe('The role of who enters with it; null: what that peer says itself.'),
  channels: listOf(z.string())
    .nullable()
    .describe('The channels of who enters with it; null: those that it says itself.'),
  used_by: z.string().nullable().describe('The peer_id that has used up a single use.'),
})

/** What requests are answered with, under the names that the OpenAPI document has for it. */
export const answers = {
  SignIn: z.object({
    id_token: z.string().describe('Proves the identity: as Bearer token here, and in register.'),
    username: z.string(),
    expires_at: seconds('When the id_token ends.'),
    refresh_token: z
      .string()
      .describe(
        'Gives the next id_token of the same identity, at POST /refresh-token. It proves nothing anywhere else.',
      ),
  }),
  CreatedRoom: z.object({
    room_id: z.string(),
    token: z.string().describe('Who knows it may enter.'),
    expires_at: roomEnd,
  }),
  RoomDeletion: z.object({
    status: z.enum(['peer deleted successfully', 'peer not found', 'room not found']),
  }),
  PeerDeletion: z.object({
    status: z.enum([
      'peer deleted successfully. Room status: active',
      'peer deleted successfully. Room status: deleted',
      'peer deleted from Cognito (already removed from room)',
    ]),
  }),
  Room,
  Rooms: z.object({ rooms: listOf(Room).describe('In order of their end.') }),
  PeerInRoom,
  Invite,
  RoomDetails: Room.extend({
    peers: listOf(PeerInRoom),
    admin_peer_id: z.string().nullable(),
    removed: listOf(z.string()).describe('The peers that may not come back, by id.'),
    invites: listOf(Invite),
  }),
  CreatedInvite: Invite.extend({
    token: z.string().describe("What who is invited sends as token in register, instead of the room's. Told only now."),
  }),
  IceServer,
  IceServers: z.object({
    ice_servers: listOf(IceServer),
    mesh_ice_servers: listOf(IceServer).describe('Without TURN.'),
    expires_at: seconds('When the TURN credentials end; absent if they do not.').optional(),
  }),
  Keys: z.object({ keys: listOf(foreign()) }).describe('A JSON Web Key Set (RFC 7517).'),
  Health: z.object({ status: z.literal('healthy'), timestamp, version: z.string() }),
  Liveness: z.object({ status: z.literal('alive') }),
  Readiness: z.object({
    status: z
      .enum(['ready', 'degraded'])
      .describe('`degraded`: no node has Redis at the moment, so rooms that this one does not know cannot be entered.'),
  }),
  Metrics: z.object({
    timestamp,
    active_rooms: z.int().describe('Rooms with somebody in them.'),
    active_connections: z.int(),
    peers_by_role: z.record(z.string(), z.int()),
    total_connections: z.int(),
    total_messages: z.int(),
    rooms_created: z.int(),
  }),
  Document: foreign().describe('What OpenAPI or AsyncAPI says that it is.'),
  Problem: z
    .object({
      type: z.literal('about:blank'),
      title: z.string().describe('The name of the HTTP status.'),
      status: z.int().describe('The HTTP status.'),
      detail: z.string().describe('What went wrong, in a sentence.'),
      code: z.literal(Object.keys(errorKinds)).describe('What went wrong, for programs.'),
      retryable: z.boolean().describe('Whether the same request may succeed later, unchanged.'),
    })
    .describe('Problem details (RFC 9457).'),
}
