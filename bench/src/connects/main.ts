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
 * deaf: between two peers with the SDK whose signals take their time, and with an aiortc that answers or offers.
 */

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '500' },
    delays: { type: 'string', default: '0,100,255,500' },
    only: { type: 'string', default: 'sdk,aiortc-answers,aiortc-offers' },
    json: { type: 'boolean', default: false },
  },
})
const count = Number(values.count)
const wanted = values.only.split(',')

/** Pairs that connect at the same time where signals are late, since one would take too long. */
const mostLanes = 20
/** Milliseconds after which nobody hears any more. */
const deafAfter = 8_000
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
  if (wanted.includes(`aiortc-${role}`)) results.push(await aiortc(role))
}
await server.stop()

if (values.json) console.log(JSON.stringify(results))
else {
  console.log('| | connections | attempts more | failed | deaf | 1 s late | p50 | p99 | longest |')
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |')
  for (const { name, connections, again, failed, deaf, slow, p50, p99, max } of results) {
    const times = [p50, p99, max].map(ms => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`)
    console.log(`| ${[name, connections, again, failed, deaf, slow, ...times].join(' | ')} |`)
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

async function aiortc(role: 'answers' | 'offers'): Promise<Result> {
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
  const result = await measure(`aiortc ${role}`, 0, [peerId], () => ({
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
  }))
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
): Promise<Result> {
  console.error(`... ${name}`)
  const times: number[] = []
  let [begun, failed, deaf] = [0, 0, 0]
  const rooms = await Promise.all(peers.map(peer => lane(peer)).map(async each => [each, await each.joined] as const))
  const before = CountedConnection.made
  await Promise.all(
    rooms.map(async ([{ connect }, room]) => {
      while (begun < count) {
        begun++
        const start = performance.now()
        try {
          const connection = await connect(room)
          if (await isHeard(connection)) times.push(performance.now() - start - due)
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
    connections: count,
    again: CountedConnection.made - before - count,
    failed,
    deaf,
    slow: times.filter(ms => ms > 1_000).length,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  }
}

/** Opens a channel, says something at once, and listens for it to come back. */
async function isHeard(connection: Connection): Promise<boolean> {
  const opening = connection.open('echo').then(
    channel =>
      new Promise<boolean>(resolve => {
        channel.addEventListener('message', () => resolve(true))
        channel.send('hello')
      }),
  )
  return Promise.race([opening, new Promise<boolean>(resolve => setTimeout(() => resolve(false), deafAfter))])
}
