import { createRoom, eachOf, enter, registerFrame, signIn } from './peers.ts'
import { openWire, type Wire } from './wire.ts'

/** A room in which one peer speaks and the others listen, with a `T` for each of them. */
export interface Audience<T> {
  readonly sender: T
  readonly receivers: readonly T[]
}

/** The names of the peers, the same in every room. */
export const idsOf = (receivers: number): Audience<string> => ({
  sender: 'sender',
  receivers: Array.from({ length: receivers }, (_, index) => `receiver-${index}`),
})

/** What registers the peers of `count` rooms, each with an identity of its own. */
export async function registrations(http: string, count: number, receivers: number): Promise<Audience<Buffer>[]> {
  const creator = await signIn(http)
  return eachOf(count, 8, async () => {
    const room = await createRoom(http, creator)
    return forEachPeer(idsOf(receivers), async id => registerFrame(id, room, await signIn(http)))
  })
}

/** The peers, connected and registered. */
export const parleyAudiences = (ws: string, rooms: readonly Audience<Buffer>[]): Promise<Audience<Wire>[]> =>
  eachOf(rooms.length, 8, index => forEachPeer(rooms[index] as Audience<Buffer>, frame => enter(ws, frame)))

/** As many connections to the bare relay, where the path makes the room. */
export const bareAudiences = (ws: string, count: number, receivers: number): Promise<Audience<Wire>[]> =>
  eachOf(count, 8, index => forEachPeer(idsOf(receivers), () => openWire(ws, `/room/${receivers}-${index}`)))

const forEachPeer = async <T, U>(
  { sender, receivers }: Audience<T>,
  make: (of: T) => Promise<U>,
): Promise<Audience<U>> => ({
  sender: await make(sender),
  receivers: await eachOf(receivers.length, 8, index => make(receivers[index] as T)),
})
