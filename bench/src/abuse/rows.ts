import type { AttackName } from './attacks/index.ts'
import type { AbusePlan } from './plan.ts'

export interface Row {
  /** What the attacker does, for people. */
  readonly what: string
  /** Invitations of the attacker's room, and copies of that room, which are made before. */
  readonly furniture?: (plan: AbusePlan) => { readonly invites: number; readonly copies: number }
}

const owner = ({ invites, ownRooms }: AbusePlan) => ({ invites, copies: ownRooms - 1 })
const namesakes = (plan: AbusePlan) => ({ invites: 0, copies: plan.namesakes })

/** Every attack: one client that does its worst. */
export const rows: Readonly<Record<AttackName, Row>> = {
  control: { what: 'no attack: the attacker computes, and sends nothing' },

  discover: { what: 'discover_peers in a room of 1,000 with long names and much metadata' },
  'discover-filtered': { what: 'the same with a filter that has much to compare, and finds nobody' },
  'discover-connections': { what: 'discover_peers over 64 connections' },
  'discover-deaf': { what: 'discover_peers, and the answers are not read' },
  query: { what: 'query in that room' },

  register: { what: 'register again, on one connection, as the same peer of that room' },
  'register-deaf': { what: 'the same, and the answers are not read' },
  'register-connections': { what: 'the same over 64 connections' },
  'register-broadcast': { what: 'broadcast and register in turns' },

  'presence-updates': { what: 'update_metadata with 16 KB, and 999 are told' },
  'presence-updates-small': { what: 'update_metadata with a few bytes, and 999 are told' },
  'presence-connections': { what: 'the same over 64 connections' },
  'presence-channels': { what: 'join_channel and leave_channel in turns, and 999 are told' },
  'presence-reconnects': { what: '64 peers come and go, and 999 are told' },

  'broadcast-200': { what: 'broadcasts of 200 B to 999 that read' },
  'broadcast-2k': { what: 'broadcasts of 2 KB' },
  'broadcast-64k': { what: 'broadcasts of 64 KB' },
  'broadcast-1m': { what: 'broadcasts of 1 MB' },
  'broadcast-connections': { what: 'broadcasts of 200 B over 64 connections' },

  rooms: { what: 'GET /rooms with 100 rooms of 100 long invitations each', furniture: owner },
  room: { what: 'GET /rooms/{id} of such a room', furniture: owner },
  invites: { what: 'invitations that such a room refuses, and PATCH, in turns', furniture: owner },
  'create-rooms': { what: 'POST /create-room with 16 KB of metadata' },
  'create-delete': { what: 'such rooms, created and deleted in turns' },
  'change-room': { what: 'PATCH of a room with 16 KB of metadata' },
  'delete-peer': { what: 'POST /delete-peer of a name in 8,000 rooms, without a right', furniture: namesakes },
  'delete-peers-and-room': { what: 'POST /delete-peers-and-room, likewise', furniture: namesakes },
  ice: { what: 'GET /ice-servers' },
  documents: { what: '/docs, /openapi.json, /metrics, /health and a path that there is not' },

  'junk-messages': { what: 'messages of an unknown type over 64 connections' },
  'junk-nested': { what: 'JSON nested 10,000 deep and more, half of it cut off' },
  'junk-keys': { what: '64 KB of JSON without a type' },
  'junk-1m': { what: '1 MB of it' },
  pings: { what: 'pings over 64 connections' },
  'junk-1m-unregistered': { what: '1 MB of it before register' },
  'junk-64k-unregistered': { what: '64 KB of it before register' },
  'junk-registers': { what: 'register with a forged ID token over 64 connections' },
  'junk-rooms': { what: 'register for a room that there is not' },
  'sign-ins': { what: 'POST /anonymous-signin' },
  'junk-refresh': { what: 'POST /refresh-token with a forged token' },
  'junk-bearers': { what: 'GET /rooms with a forged token' },
  'junk-bodies': { what: 'PATCH and POST with 64 KB of junk' },

  'relay-200': { what: 'candidates of 200 B to a peer that reads' },
  'relay-2k': { what: 'candidates of 2 KB' },
  'relay-256k': { what: 'candidates of 256 KB' },
  'relay-dense': { what: 'candidates of 1 MB made of many numbers' },
  'relay-self': { what: 'candidates of 200 B to itself' },
  'relay-nobody': { what: 'candidates of 200 B to nobody' },
  'relay-connections': { what: 'candidates of 200 B from 64 connections' },

  'unread-1000': { what: '2 MB to each of 999 that do not read' },
  'unread-150': { what: '10 MB to each of 150 that do not read' },

  connects: { what: 'connections that come and go' },
  'connects-registered': { what: 'connections that come, register and go' },
}
