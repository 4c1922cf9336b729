import type { RoomKey } from '../../load/peers.ts'
import type { Attack, Field } from '../field.ts'
import { type Crowd, gather } from '../patience.ts'
import { besiege, type Siege } from '../siege.ts'
import { storm } from './connects.ts'
import { frame } from './rooms.ts'

const present = { features: ['acks', 'presence'] }

/** A room whose peers are all told who comes, goes and changes. */
const gatherPresent = (field: Field, connections = 1): Promise<Crowd> =>
  gather(field, field.plan.peers - connections, { more: { features: ['presence'] } })

/** Bytes of metadata, of which 16 KiB are let through. */
const metadataBytes = 16_000

function smallUpdates(room: RoomKey): Siege {
  const update = (n: number) => frame({ type: 'update_metadata', metadata: { n }, request_id: 'u' })
  return { room, more: present, accepted: 'metadata_updated', frames: () => [update(1), update(2)] }
}

export const presence = {
  async 'presence-updates'(field) {
    const { room } = await gatherPresent(field)
    const update = (letter: string) =>
      frame({ type: 'update_metadata', metadata: { note: letter.repeat(metadataBytes) }, request_id: 'u' })
    return besiege(field, {
      room,
      more: present,
      accepted: 'metadata_updated',
      frames: () => [update('a'), update('b')],
    })
  },
  async 'presence-updates-small'(field) {
    const { room } = await gatherPresent(field)
    return besiege(field, smallUpdates(room))
  },
  async 'presence-connections'(field) {
    const { connections } = field.plan
    const { room } = await gatherPresent(field, connections)
    return besiege(field, { ...smallUpdates(room), connections })
  },
  async 'presence-channels'(field) {
    const { room } = await gatherPresent(field)
    const toggle = ['join_channel', 'leave_channel'].map(type => frame({ type, channel: 'apart', request_id: 'c' }))
    return besiege(field, { room, more: present, accepted: 'ack', frames: () => toggle })
  },
  async 'presence-reconnects'(field) {
    const { room } = await gatherPresent(field, field.plan.connections)
    return storm(field, room, present)
  },
} satisfies Record<string, Attack>
