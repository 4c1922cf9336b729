import type { Peer, PeerFilters } from '@parley/client'
import { command, common } from '../command.ts'
import { identityEvents } from '../events.ts'
import { randomPeerId } from '../peer-id.ts'
import { openServer } from '../server.ts'
import { looksLikeSession } from '../session.ts'
import { theSession } from '../session-operand.ts'
import { table } from '../table.ts'
import { printable } from '../terminal.ts'

const head = ['PEER', 'ROLE', 'METADATA']

export const peers = command({
  name: 'peers',
  summary: 'Shows who is in a room',
  synopsis: ['peers SESSION [--role ROLE] [--tag TAG…] [--json]'],
  description: [
    'Shows the peers that are in the room of a session, with their role and what they say of themselves. It enters the room for a moment itself, so the others see it come and go.',
  ],
  options: {
    role: { type: 'string', value: 'ROLE', meaning: 'Only those of this role.' },
    tag: { type: 'string', value: 'TAG', multiple: true, meaning: 'Only those that have one of these tags.' },
    anonymous: common.anonymous,
    json: common.json,
    help: common.help,
  },
  examples: [
    ["parley peers 'http://host:8001#room/token/worker'", 'everybody'],
    ["parley peers 'http://host:8001#room/token/worker' --role worker --tag gpu", 'workers with a GPU'],
  ],
  events: { peer: 'peer_id, role, metadata, connected_at (seconds since the epoch)', ...identityEvents },
  isOperand: looksLikeSession,
  async run({ role, tag, anonymous }, operands, context) {
    const { out } = context
    const { httpUrl, wsUrl, roomId, token } = theSession(operands, 'peers')
    const parley = await openServer({ url: httpUrl, ws: wsUrl, anonymous }, context)
    const peerId = randomPeerId('visitor')
    const room = await parley.join({ roomId, token, peerId, role: 'visitor' })
    let found: Peer[]
    try {
      found = await room.discover(filters(role, tag))
    } finally {
      room.leave()
    }
    found.sort((a, b) => a.connectedAt - b.connectedAt)
    if (out.isJson) {
      for (const { id, role, metadata, connectedAt } of found) {
        out.data({ event: 'peer', peer_id: id, role, metadata, connected_at: connectedAt }, undefined)
      }
    } else if (found.length === 0) out.hint('Nobody of that kind is there.')
    else for (const line of table([head, ...found.map(row)])) out.show(line)
    return 0
  },
})

const filters = (role: string | undefined, tags: readonly string[]): PeerFilters => ({
  ...(role !== undefined && { role }),
  ...(tags.length > 0 && { tags }),
})

const row = ({ id, role, metadata }: Peer): string[] => [
  printable(id),
  printable(role),
  Object.keys(metadata).length === 0 ? '' : printable(JSON.stringify(metadata)),
]
