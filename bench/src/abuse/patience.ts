import { eachOf, type RoomKey, registerFrame } from '../load/peers.ts'
import { openWire, type Wire } from '../load/wire.ts'
import { addressOf, attackerAddress, type Field, groupOf } from './field.ts'
import { HttpConnection, httpRequest } from './http.ts'
import { skim } from './skim.ts'

/**
 * Getting ready, as an attacker does who has all evening: what is refused for now is tried again when the server says.
 * So an attack begins from the same state, however much the server bounds in a second.
 */

/** Seconds that one step of it may take. */
const longest = 60

/** @returns the body of the answer @throws Error if it is not a good one within a minute */
export async function askPatiently(http: string, from: string, bytes: Buffer): Promise<Record<string, string>> {
  const connection = await HttpConnection.connect(http, from)
  const deadline = performance.now() + longest * 1000
  try {
    for (;;) {
      const { status, retryAfter, body } = await connection.request(bytes)
      if (status < 300) return body === '' ? {} : JSON.parse(body)
      const isLate = performance.now() > deadline
      if (status !== 429 || isLate) throw new Error(`not ready to attack: ${status} ${body}`)
      await Bun.sleep(Math.max(1, retryAfter) * 1000)
    }
  } finally {
    connection.close()
  }
}

export async function signInFrom(http: string, from: string): Promise<string> {
  const { id_token = '' } = await askPatiently(http, from, httpRequest('POST', '/anonymous-signin'))
  return id_token
}

export async function createRoomFrom(http: string, from: string, bearer: string, body: object = {}): Promise<RoomKey> {
  const request = httpRequest('POST', '/create-room', { bearer, body: JSON.stringify(body) })
  const { room_id = '', token = '' } = await askPatiently(http, from, request)
  return { room_id, token }
}

/** Why somebody is not let in; the message is all that the server said. */
export class NotLetIn extends Error {
  readonly code: string
  readonly retryAfter: number

  constructor(answer: string) {
    super(answer)
    this.code = /"code":"(\w+)"/.exec(answer)?.[1] ?? 'CLOSED'
    this.retryAfter = Number(/"retry_after":(\d+)/.exec(answer)?.[1] ?? 1)
  }
}

/** Connects and registers at once. @throws NotLetIn if that is refused @throws Error if there is no connection */
export async function enterFrom(ws: string, from: string, frame: Buffer): Promise<Wire> {
  const wire = await openWire(ws, '/', from)
  const answer = await new Promise<string>(resolve => {
    wire.onClose = () => resolve('the connection was closed')
    skim(wire, resolve)
    wire.send(frame)
  })
  wire.onClose = () => {}
  if (answer.startsWith('{"type":"registered_auth"')) return wire
  wire.reset()
  throw new NotLetIn(answer)
}

/** The same, again and again while the server says that it may work later. */
export async function enterPatiently(ws: string, from: string, frame: Buffer): Promise<Wire> {
  const deadline = performance.now() + longest * 1000
  for (;;) {
    try {
      return await enterFrom(ws, from, frame)
    } catch (error) {
      if (!(error instanceof NotLetIn) || error.code !== 'RATE_LIMITED' || performance.now() > deadline) throw error
      await Bun.sleep(error.retryAfter * 1000)
    }
  }
}

/** What strangers say of themselves. */
export interface CrowdOptions {
  readonly name?: (index: number) => string
  readonly more?: object
}

export interface Crowd {
  readonly room: RoomKey
  readonly ids: readonly string[]
  readonly wires: readonly Wire[]
}

const usualName = (index: number): string => `peer-${index}`

/**
 * A room with `count` peers that have nothing to do with the attacker: they have other identities and addresses, fifty of
 * them one each. They read whatever they are sent.
 */
export async function gather({ ws, http }: Field, count: number, options: CrowdOptions = {}): Promise<Crowd> {
  const { name = usualName, more = {} } = options
  const tokens = await eachOf(groupOf(count - 1) + 1, 8, group => signInFrom(http, addressOf(group)))
  const room = await createRoomFrom(http, addressOf(0), tokens[0] ?? '')
  const ids = Array.from({ length: count }, (_, index) => name(index))
  const wires = await eachOf(count, 16, index => {
    const group = groupOf(index)
    return enterPatiently(ws, addressOf(group), registerFrame(ids[index] ?? '', room, tokens[group] ?? '', more))
  })
  for (const wire of wires) wire.onBytes = () => {}
  return { room, ids, wires }
}

/** A peer of the attacker. */
export const enterAsAttacker = ({ ws, idToken }: Field, room: RoomKey, peerId: string, more: object): Promise<Wire> =>
  enterPatiently(ws, attackerAddress, registerFrame(peerId, room, idToken, more))
