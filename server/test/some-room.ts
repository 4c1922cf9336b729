import type { Invite, RoomRecord, RoomSummary } from '../src/room-store/room-store.ts'

/** When the rooms of the tests were created. Seconds since the epoch. */
export const now = 1_700_000_000

let rooms = 0
export const someRoom = (members: Partial<RoomRecord> = {}): RoomRecord => ({
  room_id: `room-${++rooms}`,
  created_by: `creator-${rooms}`,
  token: 'xyz789',
  created_at: now,
  expires_at: now + 7200,
  max_peers: null,
  name: null,
  metadata: {},
  locked: false,
  removed: [],
  invites: [],
  revision: 0,
  ...members,
})

export const someInvite = (members: Partial<Invite> = {}): Invite => ({
  invite_id: 'invite-1',
  digest: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  expires_at: null,
  single_use: false,
  role: null,
  channels: null,
  used_by: null,
  ...members,
})

/** What `createdBy` gives of a room. */
export const summaryOf = ({ removed: _, invites: __, ...summary }: RoomRecord): RoomSummary => summary
