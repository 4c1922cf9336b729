import type { Kind } from '../load/messages.ts'
import type { Connected } from '../load/peers.ts'
import { type Latency, steady } from '../load/steady.ts'
import type { Plan } from '../plan.ts'
import { alternate } from '../rounds.ts'
import { median } from '../stats.ts'

export interface LatencyResult {
  readonly kind: Kind
  readonly perSecond: number
  readonly parley: Latency
  readonly bare: Latency
  /** Cores that other processes used, in each round. */
  readonly others: readonly number[]
  readonly disturbedRounds: number
}

/** How long a message takes at a steady rate, on the two servers in turns; of each figure, the median of the rounds. */
export async function measureLatency(
  kind: Kind,
  parley: Connected,
  bare: Connected,
  plan: Plan['latency'],
): Promise<LatencyResult> {
  const run = (each: Connected, seconds: number) => steady(each.pairs, kind, plan.perSecond, seconds)
  for (const each of [parley, bare]) await run(each, plan.seconds / 3)
  const { kept, disturbed } = await alternate(plan.rounds, parley, bare, each => run(each, plan.seconds))
  return {
    kind,
    perSecond: plan.perSecond,
    parley: medians(kept.map(round => round.parley)),
    bare: medians(kept.map(round => round.bare)),
    others: kept.map(({ others }) => others),
    disturbedRounds: disturbed,
  }
}

function medians(rounds: readonly Latency[]): Latency {
  const of = (figure: keyof Latency) => median(rounds.map(latency => latency[figure]))
  return { p50: of('p50'), p99: of('p99'), max: of('max'), lateP99: of('lateP99') }
}
