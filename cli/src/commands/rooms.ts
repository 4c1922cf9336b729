import type { JsonObject } from '@parley/protocol'
import { command, common } from '../command.ts'
import { identityEvents } from '../events.ts'
import { UsageError } from '../failure.ts'
import { printSeconds } from '../progress.ts'
import { localServer, openServer } from '../server.ts'
import { table } from '../table.ts'
import { printable } from '../terminal.ts'

/** A room as `GET /rooms` describes it. Times are seconds since the epoch. */
interface OwnRoom {
  readonly room_id: string
  readonly token: string
  readonly name: string | null
  /** null: it does not end. */
  readonly expires_at: number | null
  readonly max_peers: number | null
  readonly locked: boolean
  readonly metadata: JsonObject
  readonly peer_count: number
}

const head = ['ROOM', 'PEERS', 'ENDS IN', 'NAME']

export const rooms = command({
  name: 'rooms',
  summary: 'Lists the rooms that you have made, deletes them, or changes their tokens',
  synopsis: [
    'rooms [--server URL] [--json]',
    'rooms delete ROOM… [--server URL] [--json]',
    'rooms rotate ROOM… [--server URL] [--json]',
  ],
  description: [
    'Lists the rooms of your identity, as “parley worker” makes them. Your identity is kept in the folder PARLEY_HOME (else ~/.config/parley); what was made with --anonymous is not yours.',
    '“parley rooms delete” ends rooms at once: all peers leave, and nobody can come in any more. Rooms that nobody deletes end by themselves.',
    '“parley rooms rotate” gives rooms another token, and prints it: with the old one nobody new can come in. Who is or was in the room may still come back with it.',
  ],
  options: { server: common.server, json: common.json, help: common.help },
  examples: [
    ['parley rooms', 'what there is on the server of this machine'],
    ['parley rooms delete 8ngcjnrtf6mjg', 'ends that room'],
    ['parley rooms rotate 8ngcjnrtf6mjg', 'keeps out somebody who knows its token'],
    ['parley rooms --json --server https://parley.example.com | jq .room_id', 'for scripts'],
  ],
  events: {
    room: 'room_id, token, name, expires_at (seconds since the epoch, or null), max_peers, locked, metadata, peer_count',
    room_deleted: 'room_id',
    room_rotated: 'room_id, token',
    ...identityEvents,
  },
  async run({ server }, operands, context) {
    const { out } = context
    const [act, ...roomIds] = operands
    if (act !== undefined && act !== 'delete' && act !== 'rotate') {
      throw new UsageError(`There is no “rooms ${act}”.`, 'rooms')
    }
    if (act && roomIds.length === 0) throw new UsageError('Which rooms?', 'rooms')
    const parley = await openServer({ url: server ?? localServer, ws: undefined, anonymous: false }, context)
    if (act === 'delete') {
      for (const roomId of roomIds) {
        await parley.request({ method: 'DELETE', path: `/rooms/${encodeURIComponent(roomId)}` })
        out.news({ event: 'room_deleted', room_id: roomId }, `${roomId} is deleted.`)
      }
      return 0
    }
    if (act === 'rotate') {
      for (const roomId of roomIds) {
        const path = `/rooms/${encodeURIComponent(roomId)}`
        const { token } = await parley.request<OwnRoom>({ method: 'PATCH', path, body: { rotate_token: true } })
        out.data({ event: 'room_rotated', room_id: roomId, token }, `${roomId}  ${token}`)
      }
      return 0
    }
    const { rooms } = await parley.request<{ rooms: OwnRoom[] }>({ method: 'GET', path: '/rooms' })
    if (out.isJson) for (const room of rooms) out.data({ event: 'room', ...room }, undefined)
    else if (rooms.length === 0) out.hint('You have no rooms there; “parley worker” makes one.')
    else for (const line of table([head, ...rooms.map(row)])) out.show(line)
    return 0
  },
})

const row = ({ room_id, peer_count, max_peers, expires_at, name, locked }: OwnRoom): string[] => [
  room_id,
  max_peers === null ? `${peer_count}` : `${peer_count} of ${max_peers}`,
  expires_at === null ? 'never' : printSeconds(Math.max(0, expires_at - Date.now() / 1000)),
  `${printable(name ?? '')}${locked ? ' (locked)' : ''}`,
]
