import { eachOf, type RoomKey, registerFrame } from '../load/peers.ts'
import type { Wire } from '../load/wire.ts'
import { attackerAddress, countRefused, type Field } from './field.ts'
import { type HttpAnswer, HttpConnection } from './http.ts'
import { evenly, flood, inTurn, type Pace } from './pace.ts'
import { enterAsAttacker, enterFrom, NotLetIn } from './patience.ts'
import { skim } from './skim.ts'

/** Milliseconds before the next try, if the server lets nobody in. */
const pause = 20
/** Milliseconds after which one that reads nothing comes back on another connection. */
const deafMs = 2000

/** Peers of the attacker that all send the same again and again. */
export interface Siege {
  readonly room: RoomKey
  /** Peers, with a connection each; otherwise one. */
  readonly connections?: number
  /** What they say in `register` besides. */
  readonly more?: object
  /** What each sends in turn. */
  frames(peerId: string): readonly Buffer[]
  /** The type of the message that says that one of these was accepted. */
  readonly accepted: string
  /** How fast; otherwise as fast as the server reads. */
  readonly pace?: Pace
  /** Whether they read nothing. */
  readonly isDeaf?: boolean
}

/** Errors are told to those only that ask for a feature. */
export const hears = { features: ['acks'] } as const

/** Gets ready for a siege. A peer whose connection is ended comes back at once, and goes on. */
export async function besiege(field: Field, siege: Siege): Promise<() => void> {
  const { room, connections = 1, more = hears, pace } = siege
  const ids = Array.from({ length: connections }, (_, index) => `attacker-${index}`)
  const wires = await eachOf(connections, 8, index => enterAsAttacker(field, room, ids[index] ?? '', more))
  return () => {
    for (const [index, id] of ids.entries()) {
      const register = registerFrame(id, room, field.idToken, more)
      const frames = siege.frames(id)
      void again(
        field,
        wires[index],
        () => enterFrom(field.ws, attackerAddress, register),
        wire => {
          const answered = pace && 'answer' in pace ? inTurn(field, wire, frames, pace) : undefined
          if (siege.isDeaf) stayDeaf(wire)
          else count(field, wire, siege.accepted, answered)
          if (pace && 'everyMs' in pace) evenly(field, wire, frames, pace)
          else if (!pace) flood(field, wire, frames)
        },
      )
    }
  }
}

/** Reads nothing, for a while: so it does not even see that the server has ended the connection. */
function stayDeaf(wire: Wire): void {
  wire.stopReading()
  setTimeout(() => wire.reset(), deafMs)
}

/** Has `use` use a connection, and the next one as soon as that has been ended by the server. */
export async function again(
  { tally }: Field,
  first: Wire | undefined,
  open: () => Promise<Wire>,
  use: (wire: Wire) => void,
): Promise<never> {
  for (let next = first; ; next = undefined) {
    try {
      const wire = next ?? (await open())
      const closed = new Promise<void>(resolve => {
        wire.onClose = resolve
      })
      use(wire)
      if (wire.open) await closed
      tally.closed++
    } catch (error) {
      noteFailure({ tally }, error)
      await Bun.sleep(pause)
    }
  }
}

export function noteFailure({ tally }: Pick<Field, 'tally'>, error: unknown): void {
  tally.failed++
  tally.failure = (error as Error).message.slice(0, 200)
  if (error instanceof NotLetIn) countRefused(tally, error.code)
}

/** Counts what the server answers over `wire`. @param answered called with the beginning of each answer */
export function count({ tally }: Field, wire: Wire, accepted: string, answered = (_head: string) => {}): void {
  skim(wire, head => {
    if (head.startsWith('{"type":"error"')) countRefused(tally, /"code":"(\w+)"/.exec(head)?.[1] ?? 'error')
    else if (head.startsWith(`{"type":"${accepted}"`)) tally.accepted++
    answered(head)
  })
}

/** Opens connections over HTTP that `use` is to use again and again. One that has ended is replaced. */
export async function persist(
  field: Field,
  connections: number,
  use: (connection: HttpConnection) => Promise<void>,
): Promise<() => void> {
  const connect = () => HttpConnection.connect(field.http, attackerAddress)
  const first = await eachOf(connections, 8, connect)
  const inOnePlace = async (place: number) => {
    for (let next = first[place]; ; next = undefined) {
      try {
        const connection = next ?? (await connect())
        while (connection.open) await use(connection)
        field.tally.closed++
      } catch (error) {
        noteFailure(field, error)
        await Bun.sleep(pause)
      }
    }
  }
  return () => {
    for (let place = 0; place < connections; place++) void inOnePlace(place)
  }
}

/** Sends a request, and counts how it is answered. */
export async function ask({ tally }: Field, connection: HttpConnection, request: Buffer): Promise<HttpAnswer> {
  tally.sent++
  const answer = await connection.request(request)
  if (answer.status < 300) tally.accepted++
  else countRefused(tally, String(answer.status))
  return answer
}

/** Connections that ask for the same over HTTP, each again as soon as it is answered. */
export interface HttpSiege {
  readonly connections: number
  /** What is asked in turn. */
  readonly requests: readonly Buffer[]
}

export const besiegeHttp = (field: Field, { connections, requests }: HttpSiege): Promise<() => void> =>
  persist(field, connections, async connection => {
    for (const request of requests) await ask(field, connection, request)
  })
