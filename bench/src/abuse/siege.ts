import { eachOf, type RoomKey, registerFrame } from '../load/peers.ts'
import type { Wire } from '../load/wire.ts'
import { attackerAddress, countRefused, type Field } from './field.ts'
import { HttpConnection } from './http.ts'
import { enterAsAttacker, enterFrom, NotLetIn } from './patience.ts'
import { skim } from './skim.ts'

/** Bytes that are written at once, so that small messages do not cost the attacker a call each. */
const stripBytes = 32_768
/** Strips written in one turn of the event loop. */
const perTurn = 16
/** Milliseconds before the next try, if the server lets nobody in. */
const pause = 20

/** Peers of the attacker that all send the same again and again, as fast as the server reads. */
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
  /** Whether they read nothing. */
  readonly isDeaf?: boolean
}

/** Errors are told to those only that ask for a feature. */
export const hears = { features: ['acks'] } as const

/** Gets ready for a siege. A peer whose connection is ended comes back at once, and goes on. */
export async function besiege(field: Field, siege: Siege): Promise<() => void> {
  const { room, connections = 1, more = hears } = siege
  const ids = Array.from({ length: connections }, (_, index) => `attacker-${index}`)
  const wires = await eachOf(connections, 8, index => enterAsAttacker(field, room, ids[index] ?? '', more))
  return () => {
    for (const [index, id] of ids.entries()) {
      const register = registerFrame(id, room, field.idToken, more)
      const strip = stripOf(siege.frames(id))
      void again(
        field,
        wires[index],
        () => enterFrom(field.ws, attackerAddress, register),
        wire => {
          if (siege.isDeaf) wire.stopReading()
          else count(field, wire, siege.accepted)
          flood(field, wire, strip)
        },
      )
    }
  }
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

/** Counts what the server answers over `wire`. */
export function count({ tally }: Field, wire: Wire, accepted: string): void {
  skim(wire, head => {
    if (head.startsWith('{"type":"error"')) countRefused(tally, /"code":"(\w+)"/.exec(head)?.[1] ?? 'error')
    else if (head.startsWith(`{"type":"${accepted}"`)) tally.accepted++
  })
}

interface Strip {
  readonly bytes: Buffer
  readonly messages: number
}

export function stripOf(frames: readonly Buffer[]): Strip {
  const round = Buffer.concat(frames)
  const rounds = Math.max(1, Math.floor(stripBytes / round.length))
  return { bytes: Buffer.concat(Array<Buffer>(rounds).fill(round)), messages: rounds * frames.length }
}

/** Sends as much as the server takes, until the connection ends. */
export function flood({ tally }: Field, wire: Wire, { bytes, messages }: Strip): void {
  const pump = () => {
    wire.onDrain = () => {}
    for (let turn = 0; turn < perTurn && wire.open && !wire.isFull; turn++) {
      wire.send(bytes)
      tally.sent += messages
    }
    if (!wire.open) return
    if (wire.isFull) wire.onDrain = pump
    else setImmediate(pump)
  }
  pump()
}

/** Connections that ask for the same over HTTP, each again as soon as it is answered. */
export interface HttpSiege {
  readonly connections: number
  /** What is asked in turn. */
  readonly requests: readonly Buffer[]
}

export function besiegeHttp(field: Field, { connections, requests }: HttpSiege): () => void {
  const { http, tally } = field
  const ask = async (connection: HttpConnection) => {
    for (let n = 0; connection.open; n++) {
      tally.sent++
      const { status } = await connection.request(requests[n % requests.length] as Buffer)
      if (status < 300) tally.accepted++
      else countRefused(tally, String(status))
    }
  }
  const persist = async () => {
    for (;;) {
      try {
        await ask(await HttpConnection.connect(http, attackerAddress))
        tally.closed++
      } catch (error) {
        noteFailure(field, error)
        await Bun.sleep(pause)
      }
    }
  }
  return () => {
    for (let index = 0; index < connections; index++) void persist()
  }
}
