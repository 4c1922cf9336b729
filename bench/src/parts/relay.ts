import type { Kind } from '../load/messages.ts'
import { flowsOf, saturate, type Throughput } from '../load/saturate.ts'
import type { Plan } from '../plan.ts'
import { alternate, type Connected } from '../rounds.ts'
import { median } from '../stats.ts'

/** Medians of the rounds. */
export interface Rate {
  readonly perSecond: number
  /** CPU seconds in each second; 1 is one core. */
  readonly serverCores: number
  readonly generatorCores: number
}

export interface RelayResult {
  readonly kind: Kind
  readonly parley: Rate
  readonly bare: Rate
  /** Parley's rate divided by the bare one's, in each round. */
  readonly ratios: readonly number[]
  readonly medianRatio: number
  /** Cores that other processes used, in each round. */
  readonly others: readonly number[]
  readonly disturbedRounds: number
}

/**
 * How many messages a second each server relays when there are always some waiting. The two are compared within
 * a round: the machine is slower at some times than others.
 */
export async function measureRelay(
  kind: Kind,
  parley: Connected,
  bare: Connected,
  plan: Plan['relay'],
): Promise<RelayResult> {
  const flows = new Map([parley, bare].map(each => [each, flowsOf(each.pairs, kind)]))
  const run = (each: Connected, seconds: number) =>
    saturate(flows.get(each) ?? [], kind, seconds, each.subject.cpuSeconds)

  for (const each of [parley, bare]) await run(each, plan.warmUpSeconds)
  const { kept, disturbed } = await alternate(plan.rounds, parley, bare, each => run(each, plan.seconds))
  const ratios = kept.map(round => perSecond(round.parley) / perSecond(round.bare))
  return {
    kind,
    parley: rate(kept.map(round => round.parley)),
    bare: rate(kept.map(round => round.bare)),
    ratios,
    medianRatio: median(ratios),
    others: kept.map(({ others }) => others),
    disturbedRounds: disturbed,
  }
}

const perSecond = ({ messages, seconds }: Throughput): number => messages / seconds

const rate = (rounds: readonly Throughput[]): Rate => ({
  perSecond: median(rounds.map(perSecond)),
  serverCores: median(rounds.map(({ serverCpu, seconds }) => serverCpu / seconds)),
  generatorCores: median(rounds.map(({ generatorCpu, seconds }) => generatorCpu / seconds)),
})
