import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Connection, Parley, type Room } from '@parley/client'
import { nodeDataChannel } from '@parley/client/node-datachannel'
import * as library from 'node-datachannel'
import { lateSocket } from '../../../e2e/late-socket.ts'
import { cleanUp, startParley, temporaryFolder } from '../processes.ts'
import { quantile } from '../stats.ts'

/**
 * How long a connection takes from `connect` to the answer to its first message, how many attempts it takes, and how many stay
 * deaf: between two peers with the SDK whose signals take their time, and with an aiortc that answers or offers, or that is sent
 * more than its socket holds.
 */

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '500' },
    delays: { type: 'string', default: '0,100,255,500' },
    only: { type: 'string', default: 'sdk,aiortc-answers,aiortc-offers,aiortc-volume' },
    json: { type: 'boolean', default: false },
  },
})
const count = Number(values.count)
const wanted = values.only.split(',')

/** Pairs that connect at the same time where signals are late, since one would take too long. */
const mostLanes = 20
/** Milliseconds after which nobody hears any more: an SCTP that is not answered gives up after some 15 s. */
const deafAfter = 30_000
/** Bytes of a connection in the part about volume, of which there are a tenth, and of a message. */
const volume = 2_000_000
const messageBytes = 16_384
const python = '/usr/bin/python3'

class CountedConnection extends nodeDataChannel(library, { bindAddress: '127.0.0.1' }) {
  static made = 0
  constructor(configuration?: RTCConfiguration) {
    super(configuration)
    CountedConnection.made++
  }
}

interface Result {
  readonly name: string
  readonly connections: number
  /** Attempts beyond the first of each connection. */
  readonly again: number
  readonly failed: number
  readonly deaf: number
  /** Those that took 1 s longer than their signals. */
  readonly slow: number
  /** Datagrams that the kernel dropped meanwhile, on the whole machine, as a socket was full. */
  readonly dropped: number
  /** Milliseconds, beyond what the signals took. */
  readonly p50: number
  readonly p99: number
  readonly max: number
}

process.on('exit', cleanUp)
const server = await startParley(temporaryFolder())
const http = server.http ?? ''
const results: Result[] = []
for (const delay of wanted.includes('sdk') ? values.delays.split(',').map(Number) : []) results.push(await sdk(delay))
for (const role of ['answers', 'offers'] as const) {
  if (wanted.includes(`aiortc-${role}`)) results.push(await aiortc(role, `aiortc ${role}`, count, 'hello'))
}
if (wanted.includes('aiortc-volume')) {
  results.push(await aiortc('answers', `aiortc is sent ${volume / 1e6} MB`, Math.ceil(count / 10), 'volume'))
}
await server.stop()

if (values.json) console.log(JSON.stringify(results))
else {
  console.log('| | connections | attempts more | failed | deaf | 1 s late | dropped | p50 | p99 | longest |')
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |')
  for (const { name, connections, again, failed, deaf, slow, dropped, p50, p99, max } of results) {
    const times = [p50, p99, max].map(ms => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`)
    console.log(`| ${[name, connections, again, failed, deaf, slow, dropped, ...times].join(' | ')} |`)
  }
}
process.exit(0)

/** Two processes with the SDK; each message to the server takes `delay` milliseconds longer. */
async function sdk(delay: number): Promise<Result> {
  const lanes = delay === 0 ? 1 : mostLanes
  const room = await new Parley(http, { wsUrl: server.ws }).createRoom()
  const names = Array.from({ length: lanes }, (_, lane) => `worker-${lane}`)
  const script = join(import.meta.dir, 'echo-peer.ts')
  const child = Bun.spawn([process.execPath, script, http, server.ws, room.roomId, room.token, `${delay}`, ...names], {
    stdout: 'pipe',
    stderr: 'inherit',
  })
  await child.stdout.getReader().read()
  const result = await measure(`SDK, signals take ${delay} ms`, 2 * delay, names, name => {
    const parley = new Parley(http, {
      wsUrl: server.ws,
      WebSocket: lateSocket(delay),
      RTCPeerConnection: CountedConnection,
    })
    const joined = parley.join({ ...room, peerId: name.replace('worker', 'ada') })
    return { joined, connect: async ada => ada.connect(name) }
  })
  child.kill('SIGKILL')
  return result
}

async function aiortc(role: 'answers' | 'offers', name: string, times: number, what: 'hello' | 'volume') {
  const room = await new Parley(http, { wsUrl: server.ws }).createRoom()
  const program = join(import.meta.dir, '../../../e2e/aiortc-echo-peer.py')
  const peerId = 'aiortc'
  const kind = role === 'answers' ? 'worker' : 'client'
  const joined = new Parley(http, { wsUrl: server.ws, RTCPeerConnection: CountedConnection }).join({
    ...room,
    peerId: 'ada',
  })
  const ada = await joined
  const arrival = ada.once('peerJoined')
  const child = Bun.spawn([python, program, kind, http, server.ws, room.roomId, room.token, peerId], {
    stdin: 'pipe',
    stdout: 'ignore',
    stderr: 'inherit',
  })
  await arrival
  const begin = () => ({
    joined,
    async connect() {
      if (role === 'answers') return ada.connect(peerId)
      const offered = ada.once('connection')
      child.stdin.write('ada\n')
      void child.stdin.flush()
      const [connection] = await offered
      await connection.ready
      return connection
    },
  })
  const result = await measure(name, 0, [peerId], begin, times, what)
  child.kill('SIGKILL')
  return result
}

interface Lane {
  readonly joined: Promise<Room>
  connect(room: Room): Promise<Connection>
}

async function measure(
  name: string,
  due: number,
  peers: readonly string[],
  lane: (peer: string) => Lane,
  total = count,
  what: 'hello' | 'volume' = 'hello',
): Promise<Result> {
  console.error(`... ${name}`)
  const times: number[] = []
  let [begun, failed, deaf] = [0, 0, 0]
  const rooms = await Promise.all(peers.map(peer => lane(peer)).map(async each => [each, await each.joined] as const))
  const before = { made: CountedConnection.made, dropped: droppedDatagrams() }
  await Promise.all(
    rooms.map(async ([{ connect }, room]) => {
      while (begun < total) {
        begun++
        const start = performance.now()
        try {
          const connection = await connect(room)
          if (await isHeard(connection, what)) times.push(performance.now() - start - due)
          else deaf++
          connection.close()
        } catch (error) {
          failed++
          console.error(`${error}`)
        }
      }
    }),
  )
  for (const [, room] of rooms) room.leave()
  const sorted = Float64Array.from(times).sort()
  return {
    name,
    connections: total,
    again: CountedConnection.made - before.made - total,
    failed,
    deaf,
    slow: what === 'hello' ? times.filter(ms => ms > 1_000).length : 0,
    dropped: droppedDatagrams() - before.dropped,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  }
}

/** Opens a channel, says something at once, perhaps much, and listens for the end of it to come back. */
async function isHeard(connection: Connection, what: 'hello' | 'volume'): Promise<boolean> {
  const talking = connection.open('echo').then(async channel => {
    const echo = new Promise<boolean>(resolve => channel.addEventListener('message', () => resolve(true)))
    channel.bufferedAmountLowThreshold = volume / 8
    for (let sent = 0; what === 'volume' && sent < volume; sent += messageBytes) {
      if (channel.bufferedAmount > volume / 2) {
        await new Promise(resolve => channel.addEventListener('bufferedamountlow', resolve, { once: true }))
      }
      channel.send(new Uint8Array(messageBytes))
    }
    channel.send('hello')
    return echo
  })
  return Promise.race([talking, new Promise<boolean>(resolve => setTimeout(() => resolve(false), deafAfter))])
}

/** RcvbufErrors of UDP, the sixth figure of its second line. */
function droppedDatagrams(): number {
  const [, figures] = readFileSync('/proc/net/snmp', 'utf8').matchAll(/^Udp: (.*)$/gm)
  return Number(figures?.[1]?.split(' ')[4])
}
