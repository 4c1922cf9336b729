import { clientFrame, serverFrameBytes } from './frames.ts'
import { type Kind, message, sizes } from './messages.ts'
import type { Pair } from './peers.ts'
import type { Wire } from './wire.ts'

/** Messages that each peer has under way, and how many of them it sends in one write. */
export const window = { messages: 16, perWrite: 8 } as const

/** One direction of a pair. */
export interface Flow {
  readonly from: Wire
  readonly to: Wire
  /** `window.perWrite` frames, ready to send. */
  readonly strip: Buffer
}

export interface Throughput {
  readonly messages: number
  readonly seconds: number
  /** CPU seconds that this process, the generator, has used meanwhile. */
  readonly generatorCpu: number
  /** CPU seconds that the server has used meanwhile. */
  readonly serverCpu: number
}

/** Both directions of each pair. */
export function flowsOf(pairs: readonly Pair[], kind: Kind): Flow[] {
  return pairs.flatMap(({ ids: [a, b], wires: [wireA, wireB] }) => [
    { from: wireA, to: wireB, strip: strip(kind, a, b) },
    { from: wireB, to: wireA, strip: strip(kind, b, a) },
  ])
}

const strip = (kind: Kind, sender: string, target: string): Buffer =>
  Buffer.concat(Array(window.perWrite).fill(clientFrame(message(kind, sender, target))))

/**
 * Keeps `window.messages` under way on each flow for `seconds`: whenever `perWrite` of them have arrived, as many are
 * sent in one write, so that every server is given the same pattern. Counts bytes, as all frames have one size.
 * @throws Error if not every message arrives within 5 s of the end
 */
export async function saturate(
  flows: readonly Flow[],
  kind: Kind,
  seconds: number,
  serverCpuSeconds: () => number,
): Promise<Throughput> {
  const frameBytes = serverFrameBytes(sizes[kind])
  const stripBytes = frameBytes * window.perWrite
  let going = true
  let sent = 0
  let received = 0
  for (const { from, to, strip } of flows) {
    let arrived = 0
    to.onBytes = chunk => {
      received += chunk.length
      arrived += chunk.length
      for (; arrived >= stripBytes; arrived -= stripBytes) {
        if (!going) continue
        sent += stripBytes
        from.send(strip)
      }
    }
  }
  const begin = measure(serverCpuSeconds)
  for (const { from, strip } of flows) {
    for (let n = 0; n < window.messages; n += window.perWrite) {
      sent += stripBytes
      from.send(strip)
    }
  }
  await Bun.sleep(seconds * 1000)
  const bytes = received
  const end = measure(serverCpuSeconds)
  going = false

  const deadline = performance.now() + 5000
  while (received < sent && performance.now() < deadline) await Bun.sleep(5)
  // Pings of the server, of two bytes each, may have come in between.
  if (received < sent || received > sent + 4 * flows.length) {
    throw new Error(`${sent} bytes should have been relayed, but ${received} were`)
  }
  return {
    messages: bytes / frameBytes,
    seconds: (end.wall - begin.wall) / 1000,
    generatorCpu: end.generator - begin.generator,
    serverCpu: end.server - begin.server,
  }
}

function measure(serverCpuSeconds: () => number) {
  const { user, system } = process.cpuUsage()
  return { wall: performance.now(), generator: (user + system) / 1e6, server: serverCpuSeconds() }
}
