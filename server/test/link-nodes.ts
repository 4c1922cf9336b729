import { onTestFinished } from 'bun:test'
import { createServer, connect as openSocket, type Socket } from 'node:net'
import pino from 'pino'
import { type Clock, manualClock } from '../src/clock.ts'
import type { NodeAddress } from '../src/links/calls.ts'
import { callerHandshake, type Message, versions } from '../src/links/handshake.ts'
import type { FrameTypes, Link } from '../src/links/link.ts'
import { type Links, type LinksOptions, openLinks } from '../src/links/links.ts'
import type { Log } from '../src/log.ts'

export const text = 16
export const bytes = 17
const types: FrameTypes = new Map([
  [text, 'text'],
  [bytes, 'bytes'],
])
export const secret = 'a secret that all nodes know'

/** Resolves what waits for something, whenever that may have come about. */
class Events {
  readonly #waiting = new Set<() => void>()

  happened(): void {
    for (const look of [...this.#waiting]) look()
  }

  /** What `find` gives as soon as that is not undefined or false. */
  until<T>(find: () => T | undefined | false): Promise<T> {
    return new Promise(resolve => {
      const look = () => {
        const found = find()
        if (found === undefined || found === false) return
        this.#waiting.delete(look)
        resolve(found)
      }
      this.#waiting.add(look)
      look()
    })
  }
}

export interface Received {
  readonly link: Link
  readonly type: number
  readonly handle: number
  readonly body: string | Uint8Array
}

export interface TestNode {
  readonly links: Links
  /** How others call it. */
  readonly node: NodeAddress
  readonly opened: Link[]
  readonly received: Received[]
  readonly lines: Record<string, unknown>[]
  until<T>(find: () => T | undefined | false): Promise<T>
  /** The log's first line with this message. */
  said(msg: string): Promise<Record<string, unknown>>
}

/** Links of a node with this id, on a free port; they end with the test. Time stands still unless a clock is given. */
export function testNode(id: string, changes: Partial<LinksOptions> = {}): TestNode {
  const events = new Events()
  const opened: Link[] = []
  const received: Received[] = []
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => {
    lines.push(JSON.parse(line))
    events.happened()
  }
  const log: Log = Object.assign(pino({ base: null, level: 'debug' }, { write }), {
    droppedLines: () => 0,
    flush: async () => {},
  })
  const clock: Clock = manualClock()
  const links = openLinks({
    id,
    hostname: '127.0.0.1',
    port: 0,
    secrets: () => [secret],
    types,
    clock,
    log,
    ...changes,
    listener: {
      opened(link) {
        opened.push(link)
        events.happened()
        changes.listener?.opened(link)
      },
      received(link, type, handle, body) {
        received.push({ link, type, handle, body })
        events.happened()
        changes.listener?.received(link, type, handle, body)
      },
    },
  })
  onTestFinished(() => links.close())
  return {
    links,
    node: { id, address: `127.0.0.1:${links.port}` },
    opened,
    received,
    lines,
    until: find => events.until(find),
    said: msg => events.until(() => lines.find(line => line.msg === msg)),
  }
}

/** Resolves when the link has ended, with the reason. */
export const closedBy = (link: Link): Promise<string> => new Promise(resolve => link.onClosed(resolve))

/** Lets the event loop turn so many times. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

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

/** A connection of somebody who is no node. */
export interface Stranger {
  readonly heard: Buffer
  send(data: Uint8Array): void
  closed: Promise<void>
  until<T>(find: () => T | undefined | false): Promise<T>
}

export async function stranger(port: number): Promise<Stranger> {
  const events = new Events()
  const socket = openSocket(port, '127.0.0.1')
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  const self = {
    heard: Buffer.alloc(0),
    send: (data: Uint8Array) => void socket.write(data),
    closed,
    until: <T>(find: () => T | undefined | false) => events.until(find),
  }
  socket.on('data', (chunk: Buffer) => {
    self.heard = Buffer.concat([self.heard, chunk])
    events.happened()
  })
  socket.on('error', () => {})
  socket.on('close', () => resolve())
  onTestFinished(() => void socket.destroy())
  await new Promise<void>(connected => socket.on('connect', connected))
  return self
}

/** A connection that has gone through the handshake as node `id`, and then says what it is told to. */
export async function badNode(id: string, node: NodeAddress): Promise<Stranger> {
  const self = await stranger(Number(node.address.split(':').at(-1)))
  const handshake = callerHandshake({ id, secrets: () => [secret], versions }, node.id, 'link')
  let read = 0
  const say = ({ type, body }: Message) => self.send(frame(type, 0, body))
  const hear = async () => {
    const length = await self.until(() => self.heard.length >= read + 9 && 9 + self.heard.readUInt32BE(read))
    await self.until(() => self.heard.length >= read + length)
    const step = handshake.receive(self.heard[read + 4] ?? 0, 0, self.heard.subarray(read + 9, read + length))
    read += length
    return step
  }
  say(handshake.first)
  const { answer } = await hear()
  if (answer) say(answer)
  if (!(await hear()).agreed) throw new Error('The handshake has failed.')
  return self
}

/** A frame as it stands on the wire. */
export function frame(type: number, handle: number, body: string | Uint8Array): Buffer {
  const content = Buffer.from(body as string)
  const header = Buffer.alloc(9)
  header.writeUInt32BE(content.length)
  header.writeUInt8(type, 4)
  header.writeUInt32BE(handle, 5)
  return Buffer.concat([header, content])
}
