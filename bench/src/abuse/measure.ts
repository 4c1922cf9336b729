import { join } from 'node:path'
import { type Assistant, type Subject, startAssistant, startDefaultParley, temporaryFolder } from '../processes.ts'
import { machineCpuSeconds, ownCpuSeconds } from '../rounds.ts'
import type { AttackerQuestion, Orders } from './attacker.ts'
import type { AttackName } from './attacks/index.ts'
import type { Tally } from './field.ts'
import { furnish } from './furnish.ts'
import { full, quick } from './plan.ts'
import { rows } from './rows.ts'
import type { Relayed, RelayQuestion } from './victim.ts'

/** What an attack did to an undisturbed room and to the server. */
export interface AbuseResult {
  readonly name: AttackName
  readonly quiet: Relayed
  readonly attacked: Relayed
  readonly tally: Tally
  /** Seconds of the attack. */
  readonly seconds: number
  /** CPU seconds of the server meanwhile. */
  readonly serverCpu: number
  /** Cores that processes of others used meanwhile. */
  readonly others: number
  /** Bytes that the server's memory grew by at most. */
  readonly memoryGrowth: number
  /** Bytes that may wait for those that do not read; undefined: the server has no such budget. */
  readonly queueBudget: number | undefined
}

/** Steps of niceness: on two cores the attacker must not keep the measuring process or the server waiting for a core. */
const niceAttacker = 10
/** Root alone may take precedence. */
const niceVictim = process.getuid?.() === 0 ? -5 : 0
/** Milliseconds between two looks at the server's memory. */
const lookEvery = 50
const warmUpSeconds = 1

/** Measures one attack on a server of its own: the same room before and during it, in one run. */
export async function measureAbuse(name: AttackName, isQuick: boolean): Promise<AbuseResult> {
  const plan = isQuick ? quick : full
  const folder = temporaryFolder()
  const wanted = rows[name].furniture?.(plan)
  const furniture = wanted && (await furnish(folder, wanted.invites, wanted.copies))
  const parley = await startDefaultParley(folder)
  const { ws, http = '' } = parley
  const orders: Orders = { name, ws, http, isQuick, furniture }
  const victim = startAssistant(join(import.meta.dir, 'victim.ts'), [ws, http, `${parley.pid}`], niceVictim)
  const attacker = startAssistant(join(import.meta.dir, 'attacker.ts'), [JSON.stringify(orders)], niceAttacker)
  const relay = (seconds: number) => victim.ask<Relayed>({ perSecond: plan.perSecond, seconds } satisfies RelayQuestion)
  const attack = (question: AttackerQuestion) => attacker.ask<Tally>(question)
  try {
    await Promise.all([victim.ask(), attacker.ask()])
    await relay(Math.min(warmUpSeconds, plan.quietSeconds))
    const quiet = await relay(plan.quietSeconds)
    const budget = await queueBudget(http)

    const cpuOfOthers = () => others(parley, victim, attacker)
    const begin = { time: performance.now(), cpu: parley.cpuSeconds(), others: cpuOfOthers() }
    const memory = watchMemory(parley)
    await attack({ begin: true })
    const attacked = await relay(plan.attackSeconds)
    const tally = await attack({ report: true })
    const memoryGrowth = memory.stop()
    const seconds = (performance.now() - begin.time) / 1000
    return {
      name,
      quiet,
      attacked,
      tally,
      seconds,
      serverCpu: parley.cpuSeconds() - begin.cpu,
      others: Math.max(0, cpuOfOthers() - begin.others) / seconds,
      memoryGrowth,
      queueBudget: budget,
    }
  } finally {
    await Promise.all([victim.stop(), attacker.stop()])
    await parley.stop()
  }
}

const others = (parley: Subject, ...assistants: readonly Assistant[]): number =>
  machineCpuSeconds() -
  ownCpuSeconds() -
  [parley, ...assistants].reduce((sum, process) => sum + process.cpuSeconds(), 0)

/** Until it is stopped; then the bytes by which the server's memory was above what it is now, at most. */
function watchMemory(parley: Subject): { stop(): number } {
  const before = parley.residentKib()
  let most = before
  const look = () => {
    most = Math.max(most, parley.residentKib())
  }
  const timer = setInterval(look, lookEvery)
  return {
    stop() {
      clearInterval(timer)
      look()
      return (most - before) * 1024
    },
  }
}

/** The server's own word on it, if it has one. */
async function queueBudget(http: string): Promise<number | undefined> {
  const metrics = await (await fetch(`${http}/metrics`)).text()
  const bytes = /^parley_queue_budget_bytes (\S+)$/m.exec(metrics)?.[1]
  return bytes === undefined ? undefined : Number(bytes)
}
