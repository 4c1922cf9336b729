import type { Wire } from '../load/wire.ts'
import type { Field } from './field.ts'

/** Bytes that are written at once, so that small messages do not cost the attacker a call each. */
const stripBytes = 32_768
/** Strips written in one turn of the event loop. */
const perTurn = 16

/** So many rounds are under way, each of which ends with an answer like this; or one is sent every so often. */
export type Pace = { readonly rounds: number; readonly answer: RegExp } | { readonly everyMs: number }

/** Sends the frames again and again, as much as the server takes, until the connection ends. */
export function flood({ tally }: Field, wire: Wire, frames: readonly Buffer[]): void {
  const round = Buffer.concat(frames)
  const rounds = Math.max(1, Math.floor(stripBytes / round.length))
  const strip = Buffer.concat(Array<Buffer>(rounds).fill(round))
  const pump = () => {
    wire.onDrain = () => {}
    for (let turn = 0; turn < perTurn && wire.open && !wire.isFull; turn++) {
      wire.send(strip)
      tally.sent += rounds * frames.length
    }
    if (!wire.open) return
    if (wire.isFull) wire.onDrain = pump
    else setImmediate(pump)
  }
  pump()
}

/** Sends the frames again whenever a round of them has been answered. @returns what is to be told of each answer */
export function inTurn(
  { tally }: Field,
  wire: Wire,
  frames: readonly Buffer[],
  { rounds, answer }: Extract<Pace, { rounds: number }>,
): (head: string) => void {
  const round = Buffer.concat(frames)
  const send = () => {
    wire.send(round)
    tally.sent += frames.length
  }
  for (let n = 0; n < rounds; n++) send()
  return head => {
    if (answer.test(head)) send()
  }
}

/** Sends the frames again every so often, unless the last ones still wait for the kernel. */
export function evenly(
  { tally }: Field,
  wire: Wire,
  frames: readonly Buffer[],
  { everyMs }: Extract<Pace, { everyMs: number }>,
): void {
  const round = Buffer.concat(frames)
  const timer = setInterval(() => {
    if (!wire.open) clearInterval(timer)
    else if (!wire.isFull) {
      wire.send(round)
      tally.sent += frames.length
    }
  }, everyMs)
}
