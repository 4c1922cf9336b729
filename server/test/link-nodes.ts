import { onTestFinished } from 'bun:test'
import { connect as openSocket } from 'node:net'
import pino from 'pino'
import { type Clock, manualClock } from '../src/clock.ts'
import type { NodeAddress } from '../src/links/calls.ts'
import { callerHandshake, type Message, versions } from '../src/links/handshake.ts'
import type { FrameTypes, Link } from '../src/links/link.ts'
import { type Links, type LinksOptions, openLinks } from '../src/links/links.ts'
import type { Log } from '../src/log.ts'
import { Events } from './events.ts'

export const text = 16
export const bytes = 17
const types: FrameTypes = new Map([
  [text, 'text'],
  [bytes, 'bytes'],
])
export const secret = 'a secret that all nodes know'

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
