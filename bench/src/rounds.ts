import { readFileSync } from 'node:fs'
import type { Subject } from './processes.ts'

/** A server, with whatever is connected to it. */
interface Loaded {
  readonly subject: Subject
}

/** One measurement on each of the two servers, right after each other. */
export interface Round<T> {
  readonly parley: T
  readonly bare: T
  /** Cores that processes other than the servers and this one used meanwhile. */
  readonly others: number
}

export interface Rounds<T> {
  readonly kept: readonly Round<T>[]
  /** Rounds not counted because other processes disturbed them. */
  readonly disturbed: number
}

/** Cores; with more than that used by others, a round on two cores is disturbed. */
const quiet = 0.25

/**
 * Measures in `count` rounds, each beginning with the other server than the one before. Rounds that other processes
 * disturbed are repeated; after three times `count` rounds, the least disturbed count. A round is judged by what the
 * others did, never by its own outcome.
 */
export async function alternate<S extends Loaded, T>(
  count: number,
  parley: S,
  bare: S,
  measure: (server: S) => Promise<T>,
): Promise<Rounds<T>> {
  const rounds: Round<T>[] = []
  while (rounds.filter(({ others }) => others <= quiet).length < count && rounds.length < 3 * count) {
    const cpu = () => machineCpuSeconds() - ownCpuSeconds() - parley.subject.cpuSeconds() - bare.subject.cpuSeconds()
    const begin = { time: performance.now(), cpu: cpu() }
    const bareFirst = rounds.length % 2 === 1
    const first = await measure(bareFirst ? bare : parley)
    const second = await measure(bareFirst ? parley : bare)
    // The sources count in ticks of 10 ms, and so may differ by some of them.
    const others = Math.max(0, cpu() - begin.cpu) / ((performance.now() - begin.time) / 1000)
    rounds.push(bareFirst ? { parley: second, bare: first, others } : { parley: first, bare: second, others })
  }
  const kept = rounds.toSorted((a, b) => a.others - b.others).slice(0, count)
  return { kept, disturbed: rounds.length - kept.length }
}

/** CPU seconds that the whole machine has been busy: user, nice, system, irq, softirq and steal of proc(5). */
export function machineCpuSeconds(): number {
  const fields = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]?.split(/ +/).map(Number) ?? []
  return [1, 2, 3, 6, 7, 8].reduce((sum, field) => sum + (fields[field] ?? 0), 0) / 100
}

export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
