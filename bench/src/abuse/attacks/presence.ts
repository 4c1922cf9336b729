import type { Attack } from '../field.ts'
import { type Crowd, gather } from '../patience.ts'
import { besiege } from '../siege.ts'
import { storm } from './connects.ts'
import { frame } from './rooms.ts'

const present = { features: ['acks', 'presence'] }

/** A room whose peers are all told who comes, goes and changes. */
const gatherPresent = (field: Parameters<Attack>[0]): Promise<Crowd> =>
  gather(field, field.plan.peers - 1, { more: { features: ['presence'] } })

/** Bytes of metadata, of which 16 KiB are let through. */
const metadataBytes = 16_000

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
    const update = (n: number) => frame({ type: 'update_metadata', metadata: { n }, request_id: 'u' })
    return besiege(field, { room, more: present, accepted: 'metadata_updated', frames: () => [update(1), update(2)] })
  },
  async 'presence-channels'(field) {
    const { room } = await gatherPresent(field)
    const toggle = ['join_channel', 'leave_channel'].map(type => frame({ type, channel: 'apart', request_id: 'c' }))
    return besiege(field, { room, more: present, accepted: 'ack', frames: () => toggle })
  },
  async 'presence-reconnects'(field) {
    const { room } = await gatherPresent(field)
    return storm(field, room, present)
  },
} satisfies Record<string, Attack>
