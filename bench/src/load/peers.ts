import type { Subject } from '../processes.ts'
import { clientFrame, FrameReader, opcodes } from './frames.ts'
import { openWire, type Wire } from './wire.ts'

export interface RoomKey {
  readonly room_id: string
  readonly token: string
}

/** A new anonymous identity's token. */
export async function signIn(http: string): Promise<string> {
  const { id_token } = (await post(`${http}/anonymous-signin`)) as { id_token: string }
  return id_token
}

/** A room that `idToken` has created. */
export async function createRoom(http: string, idToken: string): Promise<RoomKey> {
  return (await post(`${http}/create-room`, idToken)) as RoomKey
}

async function post(url: string, bearer?: string): Promise<unknown> {
  const response = await fetch(url, { method: 'POST', headers: bearer ? { Authorization: `Bearer ${bearer}` } : {} })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return response.json()
}

/** The frame that registers `peerId`, and says what is in `more` besides. */
export const registerFrame = (peerId: string, room: RoomKey, idToken: string, more: object = {}): Buffer =>
  clientFrame(JSON.stringify({ type: 'register', peer_id: peerId, ...room, id_token: idToken, ...more }))

/** Answers pings from now on, and resolves with the first text that comes. @throws Error if the wire ends before */
export function firstText(wire: Wire): Promise<string> {
  const reader = new FrameReader()
  return new Promise((resolve, reject) => {
    wire.onClose = () => reject(new Error('the server closed a connection instead of answering'))
    wire.onBytes = chunk =>
      reader.push(chunk, (opcode, payload) => {
        if (opcode === opcodes.ping) wire.send(clientFrame(payload, opcodes.pong))
        else if (opcode === opcodes.text) resolve(payload.toString())
      })
  })
}

/** Registers over `wire`, which answers pings from then on. @throws Error with what the server said instead */
export async function register(wire: Wire, frame: Buffer): Promise<void> {
  const answer = firstText(wire)
  wire.send(frame)
  const text = await answer
  if (!text.startsWith('{"type":"registered_auth"')) throw new Error(`not registered: ${text}`)
}

/** Connects, and registers with `frame`. @throws Error as `openWire` and `register` do */
export async function enter(ws: string, frame: Buffer): Promise<Wire> {
  const wire = await openWire(ws)
  await register(wire, frame)
  return wire
}

/** Two connections that a message of one reaches the other on. */
export interface Pair {
  readonly ids: readonly [string, string]
  readonly wires: readonly [Wire, Wire]
}

/** A server and the pairs of peers that are connected to it. */
export interface Connected {
  readonly subject: Subject
  readonly pairs: readonly Pair[]
}

/** Pairs of peers, each pair in a room of its own, registered and ready. */
export async function parleyPairs(ws: string, http: string, count: number): Promise<Pair[]> {
  const creator = await signIn(http)
  return eachOf(count, 8, async index => {
    const room = await createRoom(http, creator)
    return pair(index, async id => enter(ws, registerFrame(id, room, await signIn(http))))
  })
}

/** The same on the bare relay, where the path makes the pair. */
export const barePairs = (ws: string, count: number): Promise<Pair[]> =>
  eachOf(count, 8, index => pair(index, id => openWire(ws, `/${id}`)))

async function pair(index: number, open: (id: string) => Promise<Wire>): Promise<Pair> {
  const ids = [`peer-${index}-a`, `peer-${index}-b`] as const
  return { ids, wires: [await open(ids[0]), await open(ids[1])] }
}

/** What `act` makes of 0 to `count` - 1, with at most `atOnce` under way. */
export async function eachOf<T>(count: number, atOnce: number, act: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const worker = async () => {
    while (next < count) {
      const index = next++
      results[index] = await act(index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker))
  return results
}
