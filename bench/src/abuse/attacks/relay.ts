import { type Attack, attackerAddress, countRefused, type Field } from '../field.ts'
import { createRoomFrom, enterAsAttacker, gather } from '../patience.ts'
import { besiege, count, hears } from '../siege.ts'
import { frame } from './rooms.ts'

/** A candidate of so many bytes. */
function candidate(sender: string, target: string, bytes: number): Buffer {
  const message = { type: 'candidate', sender, target, candidate: { candidate: '' } }
  const padding = 'x'.repeat(Math.max(0, bytes - JSON.stringify(message).length))
  return frame({ ...message, candidate: { candidate: padding } })
}

/** A candidate of so many bytes, made of many small values, each of which has to be read. */
function dense(sender: string, target: string, bytes: number): Buffer {
  const values = Array<number>(Math.floor(bytes / 2)).fill(1)
  return frame({ type: 'candidate', sender, target, candidate: values })
}

const relaying =
  (make: (sender: string, target: string, field: Field) => Buffer, target = 'reader', most = 1): Attack =>
  async field => {
    const room = await createRoomFrom(field.http, attackerAddress, field.idToken)
    count(field, await enterAsAttacker(field, room, 'reader', hears), 'candidate')
    const connections = Math.min(most, field.plan.connections)
    return besiege(field, { room, connections, accepted: 'candidate', frames: id => [make(id, target, field)] })
  }

/** One peer that speaks to one other, which reads, or to itself. */
export const relay = {
  'relay-200': relaying((sender, target) => candidate(sender, target, 200)),
  'relay-2k': relaying((sender, target) => candidate(sender, target, 2_000)),
  'relay-256k': relaying((sender, target, { plan }) => candidate(sender, target, Math.min(256_000, plan.mostBytes))),
  'relay-dense': relaying((sender, target, { plan }) => dense(sender, target, plan.mostBytes)),
  'relay-self': relaying((sender, target) => candidate(sender, target, 200), 'attacker-0'),
  'relay-nobody': relaying((sender, target) => candidate(sender, target, 200), 'nobody'),
  'relay-connections': relaying((sender, target) => candidate(sender, target, 200), 'reader', 64),
} satisfies Record<string, Attack>

/** Megabytes that one peer sends to each of many that read nothing; what comes after that is refused, or thrown away. */
const unread =
  (readers: (field: Field) => number, messages: number): Attack =>
  async field => {
    const { plan, tally } = field
    const { room, wires } = await gather(field, readers(field))
    for (const wire of wires) wire.stopReading()
    const sender = await enterAsAttacker(field, room, 'attacker-0', hears)
    const message = frame({ type: 'broadcast', request_id: 'b', payload: 'x'.repeat(plan.mostBytes) })
    count(field, sender, 'ack')
    sender.onClose = () => countRefused(tally, 'CLOSED')
    return () => {
      for (let sent = 0; sent < messages; sent++) {
        sender.send(message)
        tally.sent++
      }
    }
  }

export const unreadQueues = {
  'unread-1000': unread(({ plan }) => plan.peers - 1, 2),
  'unread-150': unread(({ plan }) => Math.min(150, plan.peers - 1), 10),
} satisfies Record<string, Attack>
