import { eachOf, registerFrame } from '../../load/peers.ts'
import { type Attack, addressOf, attackerAddress, type Field, type Furniture } from '../field.ts'
import { httpRequest } from '../http.ts'
import { createRoomFrom, enterPatiently, signInFrom } from '../patience.ts'
import { ask, besiegeHttp, persist } from '../siege.ts'

/** Requests under way at once. */
const atOnce = 16

function furnitureOf({ furniture }: Field): Furniture {
  if (!furniture) throw new Error('this attack needs rooms that were made before')
  return furniture
}

/** The attacker asks for what is its own, of which there is as much as may be. */
const asking =
  (path: (furniture: Furniture) => string): Attack =>
  async field => {
    const furniture = furnitureOf(field)
    const request = httpRequest('GET', path(furniture), { bearer: furniture.idToken })
    return besiegeHttp(field, { connections: atOnce, requests: [request] })
  }

/** The peer that is in all of the rooms, under different identities. */
const commonName = 'worker'
/** Rooms that one identity is in, of which it may be in a thousand. */
const roomsTogether = 500

/** Deletions of a peer of that name, to which nothing gives a right. */
const deleting =
  (path: string): Attack =>
  async field => {
    const { room, copies } = furnitureOf(field)
    const groups = Math.ceil(copies.length / roomsTogether)
    const tokens = await eachOf(groups, 8, group => signInFrom(field.http, addressOf(group)))
    const wires = await eachOf(copies.length, 32, index => {
      const group = Math.floor(index / roomsTogether)
      const copy = { ...room, room_id: copies[index] ?? '' }
      return enterPatiently(field.ws, addressOf(group), registerFrame(commonName, copy, tokens[group] ?? ''))
    })
    for (const wire of wires) wire.onBytes = () => {}
    const body = JSON.stringify({ peer_id: commonName, token: 'x'.repeat(room.token.length) })
    // Not that of the rooms' creator.
    const bearer = await signInFrom(field.http, attackerAddress)
    const requests = [httpRequest('POST', path, { body }), httpRequest('POST', path, { body, bearer })]
    return besiegeHttp(field, { connections: atOnce, requests })
  }

/** Bytes of metadata, of which 16 KiB are let through. */
const metadata = { note: 'x'.repeat(16_000) }

export const overHttp = {
  rooms: asking(() => '/rooms'),
  room: asking(({ room }) => `/rooms/${room.room_id}`),
  'delete-peer': deleting('/delete-peer'),
  'delete-peers-and-room': deleting('/delete-peers-and-room'),
  async 'create-rooms'(field) {
    const { idToken: bearer } = field
    const create = httpRequest('POST', '/create-room', { bearer, body: JSON.stringify({ metadata }) })
    return besiegeHttp(field, { connections: atOnce, requests: [create] })
  },
  async 'create-delete'(field) {
    const { idToken: bearer, plan } = field
    const create = httpRequest('POST', '/create-room', { bearer, body: JSON.stringify({ metadata }) })
    return persist(field, plan.connections, async connection => {
      const { status, body } = await ask(field, connection, create)
      if (status < 300) {
        await ask(field, connection, httpRequest('DELETE', `/rooms/${JSON.parse(body).room_id}`, { bearer }))
      }
    })
  },
  async 'change-room'(field) {
    const { idToken: bearer } = field
    const room = await createRoomFrom(field.http, attackerAddress, bearer, { metadata })
    const change = (locked: boolean) =>
      httpRequest('PATCH', `/rooms/${room.room_id}`, {
        bearer,
        body: JSON.stringify({ locked, name: 'x'.repeat(128) }),
      })
    return besiegeHttp(field, { connections: atOnce, requests: [change(true), change(false)] })
  },
  /** Each invitation is refused as the room has as many as it may, but only when all of them have been read. */
  async invites(field) {
    const { room, idToken: bearer } = furnitureOf(field)
    const invite = httpRequest('POST', `/rooms/${room.room_id}/invites`, { bearer, body: '{}' })
    const lock = httpRequest('PATCH', `/rooms/${room.room_id}`, { bearer, body: '{"locked":true}' })
    return besiegeHttp(field, { connections: atOnce, requests: [invite, lock] })
  },
  ice: async field =>
    besiegeHttp(field, {
      connections: field.plan.connections,
      requests: [httpRequest('GET', '/ice-servers', { bearer: field.idToken })],
    }),
  documents: async field =>
    besiegeHttp(field, {
      connections: field.plan.connections,
      requests: ['/docs', '/openapi.json', '/metrics', '/health', '/nothing'].map(path => httpRequest('GET', path)),
    }),
} satisfies Record<string, Attack>
