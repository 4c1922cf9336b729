import { quantile } from '../stats.ts'
import { clientFrame, serverFrameBytes } from './frames.ts'
import { type Kind, message, sizes } from './messages.ts'
import type { Pair } from './peers.ts'

export interface Latency {
  /** Milliseconds from the time at which a message was due to be sent until all of it had arrived. */
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** Milliseconds by which the generator sent later than due, 99th percentile: a part of the above. */
  readonly lateP99: number
}

/**
 * Sends `perSecond` messages a second for `seconds`, evenly spaced and whatever comes back: the peers take turns, and
 * message n is due at n / perSecond. Latency counts from then, so that neither a slow server nor a slow generator hides
 * what waited. Frames arrive in order, so the n-th to arrive at a peer is the n-th that was sent to it.
 * @throws Error if not every message arrives within 5 s of the end
 */
export async function steady(pairs: readonly Pair[], kind: Kind, perSecond: number, seconds: number): Promise<Latency> {
  const frameBytes = serverFrameBytes(sizes[kind])
  const flows = pairs.flatMap(({ ids: [a, b], wires: [wireA, wireB] }) => [
    { from: wireA, to: wireB, frame: clientFrame(message(kind, a, b)) },
    { from: wireB, to: wireA, frame: clientFrame(message(kind, b, a)) },
  ])
  const count = Math.round(perSecond * seconds)
  const latencies = new Float64Array(count)
  const late = new Float64Array(count)
  let arrived = 0
  const begin = performance.now() + 20
  const due = (n: number) => begin + (n * 1000) / perSecond

  for (const [turn, { to }] of flows.entries()) {
    let bytes = 0
    let next = turn
    to.onBytes = chunk => {
      const now = performance.now()
      for (bytes += chunk.length; bytes >= frameBytes; bytes -= frameBytes) {
        latencies[arrived++] = now - due(next)
        next += flows.length
      }
    }
  }

  // Timers are too coarse: this looks at the clock again and again, and at the sockets between two looks.
  await new Promise<void>(finished => {
    let sent = 0
    const look = () => {
      for (; sent < count && due(sent) <= performance.now(); sent++) {
        late[sent] = performance.now() - due(sent)
        flows[sent % flows.length]?.from.send(flows[sent % flows.length]?.frame as Buffer)
      }
      if (sent < count) setImmediate(look)
      else finished()
    }
    look()
  })
  const deadline = performance.now() + 5000
  while (arrived < count && performance.now() < deadline) await Bun.sleep(5)
  if (arrived !== count) throw new Error(`${count} messages should have been relayed, but ${arrived} were`)

  latencies.sort()
  late.sort()
  return {
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    max: quantile(latencies, 1),
    lateP99: quantile(late, 0.99),
  }
}
