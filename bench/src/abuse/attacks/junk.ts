import { clientFrame, opcodes } from '../../load/frames.ts'
import { eachOf, registerFrame } from '../../load/peers.ts'
import { openWire } from '../../load/wire.ts'
import { type Attack, attackerAddress, type Field } from '../field.ts'
import { httpRequest } from '../http.ts'
import { flood } from '../pace.ts'
import { createRoomFrom } from '../patience.ts'
import { again, besiege, besiegeHttp, count } from '../siege.ts'
import { frame } from './rooms.ts'

/** Bytes of the largest body of a request, and of the largest message before `register`; a little less. */
const smallBytes = 64_000

/** A token whose signature is wrong, which only verifying it shows. */
const forged = (token: string): string => token.slice(0, -10) + [...token.slice(-10)].reverse().join('')

/** JSON of so many levels; and what would be some, were it not cut off. */
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
const cutOff = (bytes: number): string => '{"a":'.repeat(Math.floor(bytes / 5))

const manyKeys = (bytes: number): string => {
  const keys = Array.from({ length: Math.floor(bytes / 12) }, (_, n) => `"k${n + 100_000}":1`)
  return `{${keys.join(',')}}`
}

/** Faulty messages of registered peers. */
const faulty =
  (make: (field: Field) => readonly Buffer[]): Attack =>
  async field => {
    const room = await createRoomFrom(field.http, attackerAddress, field.idToken)
    const { connections } = field.plan
    return besiege(field, { room, connections, accepted: 'none', frames: () => make(field) })
  }

/** Messages of connections that never register. */
const unregistered =
  (make: (field: Field) => Buffer | Promise<Buffer>): Attack =>
  async field => {
    const frames = [await make(field)]
    const open = () => openWire(field.ws, '/', attackerAddress)
    const wires = await eachOf(field.plan.connections, 8, open)
    return () => {
      for (const wire of wires) {
        void again(field, wire, open, each => {
          count(field, each, 'registered_auth')
          flood(field, each, frames)
        })
      }
    }
  }

const overHttp =
  (make: (field: Field) => readonly Buffer[] | Promise<readonly Buffer[]>): Attack =>
  async field =>
    besiegeHttp(field, { connections: field.plan.connections, requests: await make(field) })

export const junk = {
  'junk-messages': faulty(() => [frame({ type: 'nonsense', of: 'x'.repeat(100) })]),
  'junk-nested': faulty(() => [clientFrame(nested(10_000)), clientFrame(cutOff(smallBytes))]),
  'junk-keys': faulty(() => [clientFrame(manyKeys(smallBytes))]),
  'junk-1m': faulty(({ plan }) => [clientFrame(manyKeys(plan.mostBytes))]),
  pings: faulty(() => [clientFrame('x'.repeat(100), opcodes.ping)]),
  'junk-1m-unregistered': unregistered(({ plan }) => clientFrame(manyKeys(plan.mostBytes))),
  'junk-64k-unregistered': unregistered(() => clientFrame(manyKeys(smallBytes))),
  'junk-registers': unregistered(async field => {
    const room = await createRoomFrom(field.http, attackerAddress, field.idToken)
    return registerFrame('attacker', room, forged(field.idToken))
  }),
  'junk-rooms': unregistered(({ idToken }) =>
    registerFrame('attacker', { room_id: 'aaaaaaaaaaaaa', token: 'none' }, idToken),
  ),
  'sign-ins': overHttp(() => [httpRequest('POST', '/anonymous-signin')]),
  'junk-refresh': overHttp(({ idToken }) => {
    const body = JSON.stringify({ refresh_token: forged(idToken) })
    return [httpRequest('POST', '/refresh-token', { body })]
  }),
  'junk-bearers': overHttp(({ idToken }) => [httpRequest('GET', '/rooms', { bearer: forged(idToken) })]),
  'junk-bodies': overHttp(async field => {
    const { idToken: bearer } = field
    const { room_id } = await createRoomFrom(field.http, attackerAddress, bearer)
    const path = `/rooms/${room_id}`
    return [
      httpRequest('PATCH', path, { bearer, body: manyKeys(smallBytes) }),
      httpRequest('PATCH', path, { bearer, body: nested(10_000) }),
      httpRequest('POST', '/create-room', { bearer, body: JSON.stringify({ name: 'x'.repeat(smallBytes) }) }),
    ]
  }),
} satisfies Record<string, Attack>
