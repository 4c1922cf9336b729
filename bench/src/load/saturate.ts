import { clientFrame, opcodes, serverFrameBytes } from './frames.ts'
import type { Wire } from './wire.ts'

/** Messages that each sender has under way, and how many of them it sends in one write. */
export interface Window {
  readonly messages: number
  readonly perWrite: number
}

/** Always enough for the server to do. */
export const usualWindow: Window = { messages: 16, perWrite: 8 }

/** A peer that sends one message again and again, and all whom it reaches. */
export interface Flow {
  readonly from: Wire
  readonly to: readonly Wire[]
  readonly window: Window
  /** `window.perWrite` frames, ready to send. */
  readonly strip: Buffer
}

export interface Throughput {
  /** Messages that have arrived; one that reaches ten peers counts ten times. */
  readonly messages: number
  readonly seconds: number
  /** CPU seconds that this process, the generator, has used meanwhile. */
  readonly generatorCpu: number
  /** CPU seconds that the server has used meanwhile. */
  readonly serverCpu: number
}

export const flow = (from: Wire, to: readonly Wire[], message: string, window = usualWindow): Flow => ({
  from,
  to,
  window,
  strip: Buffer.concat(Array(window.perWrite).fill(clientFrame(message))),
})

/**
 * Keeps the window of each flow full for `seconds`: whenever `perWrite` of them have reached everybody, as
 * many are sent in one write, so that every server is given the same pattern. Counts bytes, as all messages have
 * `messageBytes` when they arrive.
 * @throws Error if not every message reaches everybody within 5 s of the end
 */
export async function saturate(
  flows: readonly Flow[],
  messageBytes: number,
  seconds: number,
  serverCpuSeconds: () => number,
): Promise<Throughput> {
  const frameBytes = serverFrameBytes(messageBytes)
  let going = true
  const runs = flows.map(each => prepare(each, frameBytes, () => going))
  const arrived = () => runs.reduce((sum, { received }) => received.reduce((all, bytes) => all + bytes, sum), 0)

  const begin = measure(serverCpuSeconds)
  for (const { send, stripsUnderWay } of runs) for (let n = 0; n < stripsUnderWay; n++) send()
  await Bun.sleep(seconds * 1000)
  const bytes = arrived()
  const end = measure(serverCpuSeconds)
  going = false

  const deadline = performance.now() + 5000
  while (runs.some(run => run.received.some(isShort(run))) && performance.now() < deadline) await Bun.sleep(5)
  for (const run of runs) checkComplete(run)
  return {
    messages: bytes / frameBytes,
    seconds: (end.wall - begin.wall) / 1000,
    generatorCpu: end.generator - begin.generator,
    serverCpu: end.server - begin.server,
  }
}

/** Tells the server that a peer which only listens is still there. */
const signOfLife = clientFrame('', opcodes.pong)

/** A flow under way. */
interface Run {
  readonly stripsUnderWay: number
  send(): void
  /** Bytes that each receiver should have got by now. */
  due: number
  /** Bytes that each has. */
  readonly received: number[]
}

/** Readies the receivers of a flow: when the last of them has a strip, the next one is sent, as long as it is `going`. */
function prepare({ from, to, strip, window }: Flow, frameBytes: number, going: () => boolean): Run {
  const stripBytes = frameBytes * window.perWrite
  const stripsUnderWay = window.messages / window.perWrite
  // Of each strip under way, how many have not got it yet. Strips arrive in order, so they take turns in few places.
  const missing: number[] = Array(stripsUnderWay).fill(0)
  let sent = 0
  const run: Run = {
    stripsUnderWay,
    due: 0,
    received: to.map(() => 0),
    send() {
      missing[sent++ % stripsUnderWay] = to.length
      run.due += stripBytes
      from.send(strip)
    },
  }
  for (const [index, wire] of to.entries()) {
    wire.send(signOfLife)
    let bytes = 0
    let strips = 0
    wire.onBytes = chunk => {
      bytes += chunk.length
      run.received[index] = bytes
      for (; bytes >= (strips + 1) * stripBytes; strips++) {
        const place = strips % stripsUnderWay
        missing[place] = (missing[place] ?? 0) - 1
        if (missing[place] === 0 && going()) run.send()
      }
    }
  }
  return run
}

const isShort =
  ({ due }: Run) =>
  (received: number): boolean =>
    received < due

/** @throws Error unless every receiver has every byte, and no more */
function checkComplete({ due, received }: Run): void {
  // Pings of the server, of two bytes each, may have come in between.
  const wrong = received.filter(bytes => bytes < due || bytes > due + 4)
  if (wrong.length === 0) return
  const whom = `${wrong.length} of ${received.length} receivers`
  throw new Error(`each receiver should have got ${due} bytes, but ${whom} got others, such as ${wrong[0]}`)
}

function measure(serverCpuSeconds: () => number) {
  const { user, system } = process.cpuUsage()
  return { wall: performance.now(), generator: (user + system) / 1e6, server: serverCpuSeconds() }
}
