import type { Comparison, Rate } from './compare.ts'
import { sizes } from './load/messages.ts'
import { usualWindow } from './load/saturate.ts'
import type { BroadcastResult } from './parts/broadcast.ts'
import type { IdleResult } from './parts/idle.ts'
import type { LatencyResult } from './parts/latency.ts'
import type { RelayResult } from './parts/relay.ts'

export interface Results {
  relay: RelayResult[]
  latency: LatencyResult[]
  broadcast: BroadcastResult[]
  idle: IdleResult[]
}

/** One promise of Parley, and whether it was kept. */
export interface Check {
  readonly what: string
  readonly measured: string
  readonly required: string
  readonly pass: boolean
}

/** What Parley must show on any machine that is not busy with something else. */
const required = {
  /** By the messages under way: where several share a write, it is more than the bare relay does. */
  relayRatio: {
    16: { offer: 1.3, candidate: 1.3 },
    8: { offer: 1.3, candidate: 1.3 },
    1: { offer: 0.85, candidate: 0.9 },
  },
  latencyP99: 3,
  kibPerConnection: { plain: 4, resume: 5 },
  registerSeconds: 4,
  /** Of a core; beyond it, the generator might be what was measured. */
  generatorCores: 0.9,
  /** In the largest rooms; in small ones, most of the cost is reading the message. */
  broadcastRatio: 0.75,
  /** Of a core; below it, the server might have waited for the generator. */
  broadcastServerCores: 0.9,
} as const

export const percent = (share: number): string => `${(share * 100).toFixed(0)} %`
export const ms = (value: number): string => `${value.toFixed(2)} ms`
const rate = (value: number): string => `${Math.round(value).toLocaleString('en')}/s`

/** The promises about what was measured. */
export function checks({ relay, latency, broadcast, idle }: Results): Check[] {
  const found: Check[] = relay.map(({ kind, window, medianRatio }) => {
    const least = required.relayRatio[window.messages as keyof typeof required.relayRatio][kind]
    return {
      what: `relay of ${sizes[kind]} B, ${window.messages} under way, share of a bare relay`,
      measured: percent(medianRatio),
      required: `>= ${percent(least)}`,
      pass: medianRatio >= least,
    }
  })
  for (const { kind, parley, bare } of relay.filter(({ window }) => window === usualWindow)) {
    const busiest = Math.max(parley.generatorCores, bare.generatorCores)
    found.push({
      what: `generator not the limit at ${sizes[kind]} B, its CPU`,
      measured: percent(busiest),
      required: `<= ${percent(required.generatorCores)}`,
      pass: busiest <= required.generatorCores,
    })
  }
  for (const { kind, perSecond, parley } of latency) {
    found.push({
      what: `p99 of ${sizes[kind]} B at ${rate(perSecond)}`,
      measured: ms(parley.p99),
      required: `<= ${required.latencyP99} ms`,
      pass: parley.p99 <= required.latencyP99,
    })
  }
  const most = Math.max(...broadcast.map(({ receivers }) => receivers))
  for (const { bytes, receivers, medianRatio } of broadcast.filter(each => each.receivers === most)) {
    found.push({
      what: `broadcast of ${bytes} B to ${receivers}, share of a bare relay`,
      measured: percent(medianRatio),
      required: `>= ${percent(required.broadcastRatio)}`,
      pass: medianRatio >= required.broadcastRatio,
    })
  }
  if (broadcast.length > 0) {
    const least = Math.min(...broadcast.flatMap(({ parley, bare }) => [parley.serverCores, bare.serverCores]))
    found.push({
      what: 'servers the limit in each broadcast, their CPU',
      measured: percent(least),
      required: `>= ${percent(required.broadcastServerCores)}`,
      pass: least >= required.broadcastServerCores,
    })
  }
  for (const { features, connections, kibPerConnection, registerSeconds } of idle) {
    const most = required.kibPerConnection[features.length === 0 ? 'plain' : 'resume']
    found.push(
      {
        what: `memory of each of ${connections} idle ${idleName(features)}`,
        measured: `${kibPerConnection.toFixed(2)} KiB`,
        required: `<= ${most} KiB`,
        pass: kibPerConnection <= most,
      },
      {
        what: `${connections} registrations of ${idleName(features)}`,
        measured: `${registerSeconds.toFixed(2)} s`,
        required: `<= ${required.registerSeconds} s`,
        pass: registerSeconds <= required.registerSeconds,
      },
    )
  }
  return found
}

const idleName = (features: readonly string[]): string =>
  features.length === 0 ? 'plain peers' : `peers with ${features}`

const relayName = ({ kind, window }: RelayResult): string =>
  `${sizes[kind]} B, ${window.messages} under way, ${window.perWrite} in each write`

/** Everything measured, for people. */
export function describe({ relay, latency, broadcast, idle }: Results): string {
  const lines: string[] = []
  if (relay.length > 0) {
    lines.push(
      '',
      'Relay, saturated',
      ...table([
        ['', 'messages', 'server CPU', 'generator CPU', 'ratio in each round'],
        ...relay.flatMap(each => [
          [`${relayName(each)}  Parley`, ...rateCells(each.parley), list(each.ratios)],
          [`${relayName(each)}  bare`, ...rateCells(each.bare), ''],
        ]),
      ]),
      ...relay.map(each => quietness(relayName(each), each)),
    )
  }
  if (latency.length > 0) {
    lines.push(
      '',
      'Latency at a steady rate, from when a message was due to be sent',
      ...table([
        ['', 'rate', 'p50', 'p99', 'max', 'of that p99, sent late'],
        ...latency.flatMap(({ kind, perSecond, parley, bare }) =>
          Object.entries({ Parley: parley, bare }).map(([name, { p50, p99, max, lateP99 }]) => [
            `${sizes[kind]} B  ${name}`,
            rate(perSecond),
            ...[p50, p99, max, lateP99].map(ms),
          ]),
        ),
      ]),
      ...latency.map(each => quietness(`${sizes[each.kind]} B`, each)),
    )
  }
  if (broadcast.length > 0) {
    lines.push(
      '',
      `Broadcast, saturated (in each room 1 sender with ${usualWindow.messages} messages under way, ${usualWindow.perWrite} in each write)`,
      ...table([
        [
          ...['', 'rooms', 'sent', 'delivered', 'server CPU', 'CPU of a delivery', 'of a peer_message'],
          ...['generator CPU', 'ratio in each round'],
        ],
        ...broadcast.flatMap(each => [
          [
            `${nameOf(each)}  Parley`,
            String(each.rooms),
            ...deliveryCells(each.parley, each.receivers, percent(shareOfUnicast(each, broadcast))),
            list(each.ratios),
          ],
          [`${nameOf(each)}  bare`, '', ...deliveryCells(each.bare, each.receivers, ''), ''],
        ]),
      ]),
      ...broadcast.map(each => quietness(nameOf(each), each)),
    )
  }
  for (const each of idle) {
    const { empty, peak, settled } = each.residentKib
    const mib = (kib: number) => `${(kib / 1024).toFixed(0)} MiB`
    lines.push(
      '',
      `${each.connections} idle ${idleName(each.features)}, in rooms of ${each.roomSize}`,
      ...table([
        ['connecting', `${each.connectSeconds.toFixed(2)} s`],
        [
          'registering, all at once',
          `${each.registerSeconds.toFixed(2)} s (server CPU ${each.registerCpu.toFixed(2)} s, slowest answer after ${ms(each.slowestRegistration)})`,
        ],
        ['resident memory', `empty ${mib(empty)}, after the last registration ${mib(peak)}, settled ${mib(settled)}`],
        [
          'of each connection',
          `${each.kibPerConnection.toFixed(2)} KiB; bare ${each.bareKibPerConnection.toFixed(2)} KiB`,
        ],
      ]),
    )
  }
  return lines.join('\n')
}

/** The verdict, a line for each promise. */
export const verdict = (found: readonly Check[], enforced: boolean): string =>
  table(
    found.map(({ what, measured, required, pass }) => [
      enforced ? (pass ? 'PASS' : 'FAIL') : 'not judged',
      what,
      measured,
      required,
    ]),
  ).join('\n')

const list = (ratios: readonly number[]): string => ratios.map(percent).join('  ')

const rateCells = ({ perSecond, serverCores, generatorCores }: Rate): string[] => [
  rate(perSecond),
  percent(serverCores),
  percent(generatorCores),
]

const nameOf = ({ type, bytes, receivers }: BroadcastResult): string => `${bytes} B, ${type} to ${receivers}`

/** What a delivery costs Parley beside one of a `peer_message` of the same size. */
function shareOfUnicast({ bytes, parley }: BroadcastResult, all: readonly BroadcastResult[]): number {
  const unicast = all.find(each => each.type === 'peer_message' && each.bytes === bytes)
  return parley.serverMicros / (unicast?.parley.serverMicros ?? Number.NaN)
}

const deliveryCells = (measured: Rate, receivers: number, beside: string): string[] => [
  rate(measured.perSecond / receivers),
  rate(measured.perSecond),
  percent(measured.serverCores),
  `${measured.serverMicros.toFixed(2)} µs`,
  beside,
  percent(measured.generatorCores),
]

/** How undisturbed a part was. */
function quietness(name: string, { others, disturbedRounds }: Comparison | LatencyResult): string {
  const most = percent(Math.max(...others))
  return `  ${name}: other processes used at most ${most} of a core in a round; ${disturbedRounds} disturbed rounds not counted`
}

/** Rows in columns of even width. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(0, ...rows.map(row => row.length))
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map(row => row[i]?.length ?? 0)))
  return rows.map(row => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('   ')}`.trimEnd())
}
