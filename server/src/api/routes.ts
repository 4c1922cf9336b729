import type { ErrorCode } from '@parley/protocol'
import type { ZodType } from 'zod'
import { answers } from './answers.ts'
import { type BodyLimits, requestBodies } from './bodies.ts'

/** Who may call. `identity`: who proves one; `owner`: the creator of the room; `claimant`: who shows a right to it. */
export type Access = 'anybody' | 'identity' | 'owner' | 'claimant'

export const tags = {
  start: 'To start with',
  owner: 'For the owner of a room',
  operation: 'For who runs the server',
  documents: 'Documents',
} as const

/** One row of the table: what the API promises of a route. What comes of it is in api.ts. */
export interface Route<Path extends string, Who extends Access, Body, Answer> {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** As Hono has it: `:name` stands for one segment. */
  readonly path: Path
  readonly tag: (typeof tags)[keyof typeof tags]
  readonly summary: string
  readonly description?: string
  readonly access: Who
  /** What the body must be; without it, the body is ignored. */
  readonly body?: ZodType<Body>
  readonly status: 200 | 201 | 204 | 302
  /** What the body of the answer is, as JSON; without it, there is none. */
  readonly answer?: ZodType<Answer>
  /** The content type of an answer that is not JSON, or need not be. */
  readonly text?: string
  /** Whether the answer carries tokens or credentials, so that no cache may keep it. */
  readonly secret?: boolean
  /** What may go wrong beside what follows from the rest (`errorsOf` in openapi.ts). */
  readonly errors?: readonly ErrorCode[]
}

export type AnyRoute = Route<string, Access, unknown, unknown>

const route = <const Path extends string, const Who extends Access, Body = undefined, Answer = void>(
  route: Route<Path, Who, Body, Answer>,
) => route

/** The HTTP API, route by route, and the schemas in it by name. */
export function apiTable(limits: BodyLimits) {
  const bodies = requestBodies(limits)
  const routes = {
    signIn: route({
      method: 'POST',
      path: '/anonymous-signin',
      tag: tags.start,
      summary: 'Gives out a new anonymous identity.',
      description: 'The body is ignored.',
      access: 'anybody',
      status: 200,
      answer: answers.SignIn,
      secret: true,
      errors: ['SIGN_IN_ELSEWHERE', 'RATE_LIMITED', 'UNAVAILABLE'],
    }),
    refreshToken: route({
      method: 'POST',
      path: '/refresh-token',
      tag: tags.start,
      summary: 'Gives a new id_token of the same identity, and the refresh_token to use from then on.',
      access: 'anybody',
      body: bodies.RefreshToken,
      status: 200,
      answer: answers.SignIn,
      secret: true,
      errors: ['SIGN_IN_ELSEWHERE', 'INVALID_TOKEN', 'RATE_LIMITED', 'UNAVAILABLE'],
    }),
    createRoom: route({
      method: 'POST',
      path: '/create-room',
      tag: tags.start,
      summary: 'Creates a room.',
      description: 'Whoever knows its room_id and its token may enter.',
      access: 'identity',
      body: bodies.CreateRoom,
      status: 200,
      answer: answers.CreatedRoom,
      secret: true,
      errors: ['LIMIT_REACHED'],
    }),
    getIceServers: route({
      method: 'GET',
      path: '/ice-servers',
      tag: tags.start,
      summary: 'Tells the STUN and TURN servers, with credentials for the caller.',
      description: 'Peers in a room are told with registered_auth, and may ask with get_ice_servers.',
      access: 'identity',
      status: 200,
      answer: answers.IceServers,
      secret: true,
    }),
    deletePeersAndRoom: route({
      method: 'POST',
      path: '/delete-peers-and-room',
      tag: tags.start,
      summary: 'Deletes a room, disconnects its peers and signs out its anonymous identities.',
      description:
        'Without a proof, it may delete a peer that has left alone. A peer_id that is not there, and, for a caller that proves no identity, one that it has no right to, is “peer not found”.',
      access: 'claimant',
      body: bodies.DeletePeersAndRoom,
      status: 200,
      answer: answers.RoomDeletion,
    }),
    deletePeer: route({
      method: 'POST',
      path: '/delete-peer',
      tag: tags.start,
      summary: 'Disconnects a peer and signs out its identity; with its last peer the room goes, too.',
      description:
        'A caller that proves no identity and has no right to the peer is answered as for one that is not there.',
      access: 'claimant',
      body: bodies.DeletePeer,
      status: 200,
      answer: answers.PeerDeletion,
    }),

    listRooms: route({
      method: 'GET',
      path: '/rooms',
      tag: tags.owner,
      summary: 'Lists the live rooms that the caller has created.',
      access: 'identity',
      status: 200,
      answer: answers.Rooms,
      secret: true,
    }),
    inspectRoom: route({
      method: 'GET',
      path: '/rooms/:room_id',
      tag: tags.owner,
      summary: 'Tells all of a room: its peers, its invitations, who was removed.',
      access: 'owner',
      status: 200,
      answer: answers.RoomDetails,
      secret: true,
    }),
    changeRoom: route({
      method: 'PATCH',
      path: '/rooms/:room_id',
      tag: tags.owner,
      summary: 'Changes the end, the name, the size or the token of a room, or locks it.',
      description: 'What the body does not name stays.',
      access: 'owner',
      body: bodies.ChangeRoom,
      status: 200,
      answer: answers.RoomDetails,
      secret: true,
    }),
    deleteRoom: route({
      method: 'DELETE',
      path: '/rooms/:room_id',
      tag: tags.owner,
      summary: 'Deletes a room, disconnects its peers and signs out its anonymous identities.',
      access: 'owner',
      status: 204,
    }),
    removePeer: route({
      method: 'DELETE',
      path: '/rooms/:room_id/peers/:peer_id',
      tag: tags.owner,
      summary: 'Disconnects a peer, with all others of its identity, and keeps that identity out.',
      description: 'Peers of the owner itself are disconnected, but may come back.',
      access: 'owner',
      status: 204,
      errors: ['PEER_NOT_FOUND', 'LIMIT_REACHED'],
    }),
    readmitPeer: route({
      method: 'POST',
      path: '/rooms/:room_id/peers/:peer_id/readmit',
      tag: tags.owner,
      summary: 'Lets the identity of a removed peer in again.',
      access: 'owner',
      status: 204,
      errors: ['PEER_NOT_FOUND'],
    }),
    createInvite: route({
      method: 'POST',
      path: '/rooms/:room_id/invites',
      tag: tags.owner,
      summary: "Makes an invitation: a token that lets somebody in who does not know the room's.",
      access: 'owner',
      body: bodies.CreateInvite,
      status: 201,
      answer: answers.CreatedInvite,
      secret: true,
      errors: ['LIMIT_REACHED'],
    }),
    revokeInvite: route({
      method: 'DELETE',
      path: '/rooms/:room_id/invites/:invite_id',
      tag: tags.owner,
      summary: 'Takes an invitation back. Whoever has entered with it stays.',
      access: 'owner',
      status: 204,
      errors: ['INVITE_NOT_FOUND'],
    }),

    getHealth: route({
      method: 'GET',
      path: '/health',
      tag: tags.operation,
      summary: 'Tells the time and the version, as the Python server did.',
      access: 'anybody',
      status: 200,
      answer: answers.Health,
    }),
    getLiveness: route({
      method: 'GET',
      path: '/livez',
      tag: tags.operation,
      summary: 'Answers if the process does.',
      access: 'anybody',
      status: 200,
      answer: answers.Liveness,
    }),
    getReadiness: route({
      method: 'GET',
      path: '/readyz',
      tag: tags.operation,
      summary: 'Tells whether this node may be sent traffic.',
      access: 'anybody',
      status: 200,
      answer: answers.Readiness,
      errors: ['UNAVAILABLE', 'SHUTTING_DOWN'],
    }),
    getMetrics: route({
      method: 'GET',
      path: '/metrics',
      tag: tags.operation,
      summary:
        "Gives metrics in Prometheus' text format; with Accept: application/json, the numbers of the Python server.",
      access: 'anybody',
      status: 200,
      answer: answers.Metrics,
      text: 'text/plain; version=0.0.4; charset=utf-8',
    }),
    getKeys: route({
      method: 'GET',
      path: '/.well-known/jwks.json',
      tag: tags.operation,
      summary: 'Gives the public keys of the ID tokens, for others who want to verify them.',
      access: 'anybody',
      status: 200,
      answer: answers.Keys,
      errors: ['UNAVAILABLE'],
    }),

    getRoot: route({
      method: 'GET',
      path: '/',
      tag: tags.documents,
      summary: 'Sends browsers to /docs.',
      access: 'anybody',
      status: 302,
    }),
    getDocs: route({
      method: 'GET',
      path: '/docs',
      tag: tags.documents,
      summary: 'Describes HTTP and WebSocket on one page, for people.',
      access: 'anybody',
      status: 200,
      text: 'text/html; charset=utf-8',
    }),
    getOpenApi: route({
      method: 'GET',
      path: '/openapi.json',
      tag: tags.documents,
      summary: 'Describes the HTTP API, as OpenAPI 3.1.',
      access: 'anybody',
      status: 200,
      answer: answers.Document,
    }),
    getAsyncApi: route({
      method: 'GET',
      path: '/asyncapi.json',
      tag: tags.documents,
      summary: 'Describes the messages of the WebSocket, as AsyncAPI 3.0.',
      access: 'anybody',
      status: 200,
      answer: answers.Document,
    }),
  }
  return { routes, schemas: { ...bodies, ...answers } }
}
