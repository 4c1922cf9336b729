import { type Attack, attackerAddress, countRefused, type Field } from '../field.ts'
import { createRoomFrom, enterAsAttacker, gather } from '../patience.ts'
import { besiege, count, hears } from '../siege.ts'
import { frame } from './rooms.ts'

/** A candidate of so many bytes. */
function candidate(target: string, bytes: number): Buffer {
  const message = { type: 'candidate', sender: 'attacker-0', target, candidate: { candidate: '' } }
  const padding = 'x'.repeat(Math.max(0, bytes - JSON.stringify(message).length))
  return frame({ ...message, candidate: { candidate: padding } })
}

/** A candidate of so many bytes, made of many small values, each of which has to be read. */
function dense(target: string, bytes: number): Buffer {
  const values = Array<number>(Math.floor(bytes / 2)).fill(1)
  return frame({ type: 'candidate', sender: 'attacker-0', target, candidate: values })
}

const relaying =
  (make: (target: string, field: Field) => Buffer, target = 'reader'): Attack =>
  async field => {
    const room = await createRoomFrom(field.http, attackerAddress, field.idToken)
    count(field, await enterAsAttacker(field, room, 'reader', hears), 'candidate')
    return besiege(field, { room, accepted: 'candidate', frames: () => [make(target, field)] })
  }

/** One peer that speaks to one other, which reads, or to itself. */
export const relay = {
  'relay-200': relaying(target => candidate(target, 200)),
  'relay-2k': relaying(target => candidate(target, 2_000)),
  'relay-256k': relaying((target, { plan }) => candidate(target, Math.min(256_000, plan.mostBytes))),
  'relay-dense': relaying((target, { plan }) => dense(target, plan.mostBytes)),
  'relay-self': relaying(target => candidate(target, 200), 'attacker-0'),
  'relay-nobody': relaying(target => candidate(target, 200), 'nobody'),
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
