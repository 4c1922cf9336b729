import { type Comparison, compare } from '../compare.ts'
import { type Kind, message, sizes } from '../load/messages.ts'
import type { Connected } from '../load/peers.ts'
import { type Flow, flow, type Window } from '../load/saturate.ts'
import type { Plan } from '../plan.ts'

export interface RelayResult extends Comparison {
  readonly kind: Kind
  readonly window: Window
}

/** How many messages a second each server relays when there are always some waiting. */
export async function measureRelay(
  kind: Kind,
  window: Window,
  parley: Connected,
  bare: Connected,
  plan: Plan['relay'],
): Promise<RelayResult> {
  const load = (each: Connected) => ({ subject: each.subject, flows: flowsOf(each, kind, window) })
  return { kind, window, ...(await compare(load(parley), load(bare), sizes[kind], plan)) }
}

/** Both directions of each pair. */
const flowsOf = ({ pairs }: Connected, kind: Kind, window: Window): Flow[] =>
  pairs.flatMap(({ ids: [a, b], wires: [wireA, wireB] }) => [
    flow(wireA, [wireB], message(kind, a, b), window),
    flow(wireB, [wireA], message(kind, b, a), window),
  ])
