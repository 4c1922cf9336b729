import { onTestFinished } from 'bun:test'
import { createServer, connect as openSocket, type Socket } from 'node:net'
import { Events, turns } from './events.ts'

export type Direction = 'to' | 'from'

export interface Proxy {
  readonly port: number
  /** Bytes that have come in, per direction. */
  readonly seen: Record<Direction, Buffer>
  /** What is forwarded in place of a piece; `at` says where in its direction it begins. */
  change: (piece: Buffer, direction: Direction, at: number) => Buffer
  /** How many bytes are forwarded at a time, if not as they come. */
  pieceBytes: (() => number) | undefined
  /** Whether what comes is dropped. Neither side hears of that. */
  swallows: boolean
  /** Stops reading what the caller sends, and goes on. */
  pause(): void
  resume(): void
  until<T>(find: () => T | undefined | false): Promise<T>
}

/** Stands between a caller and a node, for one connection at a time. It ends with the test. */
export async function testProxy(target: number): Promise<Proxy> {
  const events = new Events()
  const sockets: Socket[] = []
  let caller: Socket | undefined
  const server = createServer(incoming => {
    caller = incoming
    const outgoing = openSocket(target, '127.0.0.1')
    proxy.seen.to = proxy.seen.from = Buffer.alloc(0)
    forward(incoming, outgoing, 'to')
    forward(outgoing, incoming, 'from')
  })
  const proxy = {
    port: 0,
    seen: { to: Buffer.alloc(0), from: Buffer.alloc(0) },
    change: (piece: Buffer) => piece,
    pieceBytes: undefined,
    swallows: false,
    pause: () => void caller?.pause(),
    resume: () => void caller?.resume(),
    until: <T>(find: () => T | undefined | false) => events.until(find),
  } as Proxy & { port: number }

  function forward(source: Socket, sink: Socket, direction: Direction): void {
    sockets.push(source)
    source.setNoDelay(true)
    let rest = Buffer.alloc(0)
    let isPassing = false
    let at = 0
    const pass = async () => {
      isPassing = true
      while (rest.length > 0) {
        const piece = rest.subarray(0, proxy.pieceBytes?.() ?? rest.length)
        rest = rest.subarray(piece.length)
        sink.write(proxy.change(piece, direction, at))
        at += piece.length
        // Otherwise the pieces come together again.
        if (proxy.pieceBytes) await turns(1)
      }
      isPassing = false
    }
    source.on('data', (chunk: Buffer) => {
      if (proxy.swallows) return
      if (proxy.seen[direction].length < 100_000) proxy.seen[direction] = Buffer.concat([proxy.seen[direction], chunk])
      rest = Buffer.concat([rest, chunk])
      if (!isPassing) void pass()
      events.happened()
    })
    source.on('error', () => {})
    source.on('close', () => {
      // What has been received is to be written first.
      if (!proxy.swallows) sink.end()
      events.happened()
    })
  }

  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  proxy.port = (server.address() as { port: number }).port
  return proxy
}
