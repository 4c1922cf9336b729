import { type RoomKey, registerFrame } from '../../load/peers.ts'
import { openWire } from '../../load/wire.ts'
import { type Attack, attackerAddress, type Field } from '../field.ts'
import { createRoomFrom, enterFrom } from '../patience.ts'
import { noteFailure } from '../siege.ts'

/** Connections that come and go one after another, in so many places at once. */
const places = 64

function comeAndGo(field: Field, come: (place: number) => Promise<{ reset(): void }>): () => void {
  const { tally } = field
  const visit = async (place: number) => {
    for (;;) {
      try {
        tally.sent++
        const wire = await come(place)
        tally.accepted++
        wire.reset()
      } catch (error) {
        noteFailure(field, error)
        await new Promise<void>(resolve => setImmediate(resolve))
      }
    }
  }
  return () => {
    for (let place = 0; place < Math.min(places, field.plan.connections); place++) void visit(place)
  }
}

/** Peers of the attacker that connect, enter the room, and are gone. */
export function storm(field: Field, room: RoomKey, more: object): () => void {
  const frameOf = (place: number) => registerFrame(`attacker-${place}`, room, field.idToken, more)
  return comeAndGo(field, place => enterFrom(field.ws, attackerAddress, frameOf(place)))
}

export const connects = {
  connects: async field => comeAndGo(field, () => openWire(field.ws, '/', attackerAddress)),
  async 'connects-registered'(field) {
    const room = await createRoomFrom(field.http, attackerAddress, field.idToken)
    return storm(field, room, { features: ['acks'] })
  },
} satisfies Record<string, Attack>
