import { readFileSync } from 'node:fs'
import { clientFrame, FrameReader, opcodes } from '../load/frames.ts'
import { message } from '../load/messages.ts'
import { createRoom, enter, registerFrame, signIn } from '../load/peers.ts'
import type { Wire } from '../load/wire.ts'
import { quantile } from '../stats.ts'

/** What the two peers of the undisturbed room noticed. */
export interface Relayed {
  /** Milliseconds from when a message was sent until all of it had arrived. */
  readonly p50: number
  readonly p99: number
  readonly max: number
  /**
   * Milliseconds of CPU time that the server's main thread used meanwhile, 99th percentile, in steps of up to 4 ms: what it did
   * before it came to this message. Unlike the above, it does not grow because other processes keep the server waiting.
   */
  readonly workP99: number
  /** Milliseconds by which this process sent later than due, 99th percentile: what it was itself kept waiting. */
  readonly lateP99: number
  readonly sent: number
  /** Messages that had not arrived 5 s after the last was sent; they count as if they had just then. */
  readonly lost: number
}

/** What this process is asked. */
export interface RelayQuestion {
  readonly perSecond: number
  readonly seconds: number
}

/**
 * The undisturbed room, in a process of its own: two peers that send each other candidates of 200 B at a steady rate, and
 * one clock at both ends. It waits for timers, since looking at the clock all the time would take a core from the server.
 * So latency counts from when a message was sent, not from when it was due: timers are a millisecond late on a good day.
 */
const [ws = '', http = '', server = ''] = process.argv.slice(2)
const ids = ['ada', 'bob'] as const
const room = await createRoom(http, await signIn(http))
const wires: readonly Wire[] = await Promise.all(
  ids.map(async id => enter(ws, registerFrame(id, room, await signIn(http), { features: ['acks'] }))),
)

/** A number of ten digits, in place of the padding at the end of each message. */
const digits = 10
const templates = [message('candidate', ids[0], ids[1]), message('candidate', ids[1], ids[0])]
const end = templates[0]?.indexOf('x"') ?? -1
const numberAt = end + 1 - digits

let arrived = (_n: number) => {}
for (const wire of wires) {
  const reader = new FrameReader()
  wire.onBytes = chunk =>
    reader.push(chunk, (opcode, payload) => {
      if (opcode === opcodes.ping) wire.send(clientFrame(payload, opcodes.pong))
      else if (payload.length === templates[0]?.length) arrived(Number(payload.toString('latin1', numberAt, end + 1)))
    })
  wire.onClose = () => console.error('... the undisturbed room has lost a connection')
}

process.on('message', async ({ perSecond, seconds }: RelayQuestion) => {
  process.send?.(await relay(perSecond, seconds))
})
process.send?.('ready')

async function relay(perSecond: number, seconds: number): Promise<Relayed> {
  const count = Math.round(perSecond * seconds)
  const sentAt = new Float64Array(count)
  const latencies = new Float64Array(count).fill(Number.NaN)
  const workBefore = new Float64Array(count)
  const work = new Float64Array(count).fill(Number.POSITIVE_INFINITY)
  const late = new Float64Array(count)
  let missing = count
  arrived = n => {
    latencies[n] = performance.now() - (sentAt[n] ?? 0)
    work[n] = workOfServer() - (workBefore[n] ?? 0)
    missing--
  }
  const begin = performance.now()
  for (let sent = 0; sent < count; ) {
    const due = begin + (sent * 1000) / perSecond
    if (due > performance.now()) {
      await new Promise<void>(resolve => setTimeout(resolve, Math.max(0, due - performance.now())))
      continue
    }
    const text = templates[sent % 2] ?? ''
    const frame = clientFrame(text.slice(0, numberAt) + String(sent).padStart(digits, '0') + text.slice(end + 1))
    late[sent] = performance.now() - due
    workBefore[sent] = workOfServer()
    sentAt[sent] = performance.now()
    wires[sent % 2]?.send(frame)
    sent++
  }
  const deadline = performance.now() + 5000
  while (missing > 0 && performance.now() < deadline) await Bun.sleep(5)
  const lost = missing
  arrived = () => {}
  const sorted = latencies.map((latency, n) => (Number.isNaN(latency) ? performance.now() - (sentAt[n] ?? 0) : latency))
  sorted.sort()
  late.sort()
  const workInAll = workOfServer() - (workBefore[0] ?? 0)
  const works = work.map(each => Math.min(each, workInAll)).sort()
  return {
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
    workP99: quantile(works, 0.99),
    lateP99: quantile(late, 0.99),
    sent: count,
    lost,
  }
}

/** Milliseconds that the server's main thread has run: the first figure of its schedstat, in nanoseconds. */
function workOfServer(): number {
  return Number(readFileSync(`/proc/${server}/schedstat`, 'latin1').split(' ', 1)[0]) / 1e6
}
