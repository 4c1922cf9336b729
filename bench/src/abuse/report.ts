import { type Check, ms, percent, table } from '../report.ts'
import type { Tally } from './field.ts'
import type { AbuseResult } from './measure.ts'

/** What an undisturbed room must be spared, whatever one client does. */
const required = {
  /** Milliseconds. */
  p99: 25,
  /** Times the p99 without the attack. */
  ratio: 5,
  /** Of a core; if others use more, a verdict says little. */
  others: 0.25,
} as const

const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MiB`

/** The promises about one attack. The control is none. */
export function abuseChecks(result: AbuseResult): Check[] {
  if (result.name === 'control') return []
  const { name, quiet, attacked, tally, others, memoryGrowth, queueBudget } = result
  const ratio = attacked.p99 / quiet.p99
  const disturbance = others > required.others ? ` (others used ${percent(others)} of a core)` : ''
  const found: Check[] = [
    {
      what: `${name}: p99 of the undisturbed room`,
      measured: `${ms(attacked.p99)}, ${ratio.toFixed(1)} times ${ms(quiet.p99)}${disturbance}`,
      required: `< ${required.p99} ms and < ${required.ratio} times`,
      pass: attacked.p99 < required.p99 && ratio < required.ratio,
    },
  ]
  if (attacked.lost + quiet.lost > 0) {
    found.push({
      what: `${name}: messages of the undisturbed room that were lost`,
      measured: String(attacked.lost + quiet.lost),
      required: 'none',
      pass: false,
    })
  }
  if (tally.sent === 0) {
    found.push({ what: `${name}: the attack`, measured: tally.failure, required: 'takes place', pass: false })
  }
  found.push({
    what: `${name}: memory`,
    measured: `+ ${mebibytes(memoryGrowth)}`,
    required: queueBudget === undefined ? 'a queue budget, which there is not' : `<= ${mebibytes(queueBudget)}`,
    pass: queueBudget !== undefined && memoryGrowth <= queueBudget,
  })
  return found
}

export const tableHead = [
  ...[
    '',
    'quiet p50',
    'p99',
    'attacked p50',
    'p99',
    'max',
    'times',
    'work before it',
    'accepted/s',
    'refused/s',
    'ended',
  ],
  ...['server CPU', 'memory', 'others'],
]

/** One attack as a line of the table. */
export function cells({ name, quiet, attacked, tally, seconds, serverCpu, others, memoryGrowth }: AbuseResult) {
  const perSecond = (count: number) => Math.round(count / seconds).toLocaleString('en')
  return [
    name,
    ...[quiet.p50, quiet.p99, attacked.p50, attacked.p99, attacked.max].map(ms),
    (attacked.p99 / quiet.p99).toFixed(1),
    ms(attacked.workP99),
    perSecond(tally.accepted),
    refusals(tally, perSecond),
    String(tally.closed + tally.failed),
    percent(serverCpu / seconds),
    `+ ${mebibytes(memoryGrowth)}`,
    percent(others),
  ]
}

const refusals = ({ refused }: Tally, perSecond: (count: number) => string): string =>
  Object.entries(refused)
    .toSorted(([, a], [, b]) => b - a)
    .map(([code, count]) => `${perSecond(count)} ${code}`)
    .join(', ') || '0'

/** Everything measured, for people. */
export const describeAbuse = (results: readonly AbuseResult[]): string =>
  [
    'An undisturbed room before and during each attack (server CPU and what others used: of a core)',
    ...table([tableHead, ...results.map(cells)]),
  ].join('\n')
