import { type Flow, saturate, type Throughput } from './load/saturate.ts'
import type { Saturation } from './plan.ts'
import type { Subject } from './processes.ts'
import { alternate } from './rounds.ts'
import { median } from './stats.ts'

/** A server, and all that is sent through it at once. */
export interface Loaded {
  readonly subject: Subject
  readonly flows: readonly Flow[]
}

/** Medians of the rounds. */
export interface Rate {
  /** Messages that arrive. */
  readonly perSecond: number
  /** CPU seconds in each second; 1 is one core. */
  readonly serverCores: number
  readonly generatorCores: number
  /** Microseconds of the server's CPU time for each message that arrives. */
  readonly serverMicros: number
}

export interface Comparison {
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
 * How many messages of `messageBytes` a second each server delivers when there are always some waiting. The two are
 * compared within a round: the machine is slower at some times than others.
 */
export async function compare(
  parley: Loaded,
  bare: Loaded,
  messageBytes: number,
  plan: Saturation,
): Promise<Comparison> {
  const run = ({ flows, subject }: Loaded, seconds: number) =>
    saturate(flows, messageBytes, seconds, subject.cpuSeconds)

  for (const each of [parley, bare]) await run(each, plan.warmUpSeconds)
  const { kept, disturbed } = await alternate(plan.rounds, parley, bare, each => run(each, plan.seconds))
  const ratios = kept.map(round => perSecond(round.parley) / perSecond(round.bare))
  return {
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
  serverMicros: median(rounds.map(({ serverCpu, messages }) => (serverCpu / messages) * 1e6)),
})
