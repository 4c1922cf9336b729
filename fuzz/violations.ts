import { connect } from 'node:net'
import { clientFrame } from '../server/test/raw-connection.ts'
import type { Random } from './random.ts'
import type { RawWebSocket } from './raw-websocket.ts'
import { type Fault, fault } from './target.ts'
import { register, type World } from './world.ts'

const violationsPerCase = 4
/** Milliseconds within which a connection has to end. */
const patience = 10_000

const bytes = (...values: number[]) => Buffer.from(values)
const offer = Buffer.from('{"type":"offer","target":"v-plain","sdp":""}')
/** The head of a frame of so many bytes, masked with zeros. */
const head = (opcode: number, length: bigint) => {
  const buffer = Buffer.alloc(14)
  buffer[0] = 128 | opcode
  buffer[1] = 128 | 127
  buffer.writeBigUInt64BE(length, 2)
  return buffer
}
const withBits = (frame: Buffer, bits: number) => Buffer.concat([bytes((frame[0] ?? 0) | bits), frame.subarray(1)])

/** What RFC 6455 does not allow, and with what it may be closed; undefined: without a close frame. */
const violations: readonly {
  readonly what: string
  readonly codes: readonly (number | undefined)[]
  readonly isUnregistered?: true
  make(random: Random): Buffer
}[] = [
  {
    what: 'opcode',
    codes: [1002, undefined],
    make: random => clientFrame(random.pick([3, 4, 5, 6, 7, 11, 13, 15]), offer),
  },
  {
    what: 'reserved bits',
    codes: [1002, undefined],
    make: random => withBits(clientFrame(1, offer), random.pick([0x40, 0x20, 0x10, 0x70])),
  },
  { what: 'no mask', codes: [1002, undefined], make: () => Buffer.concat([bytes(0x81, offer.length), offer]) },
  {
    what: 'length',
    codes: [1002, 1009, undefined],
    make: random => head(1, random.pick([1n << 63n, (1n << 53n) + 1n, 2n ** 64n - 1n, 1_048_577n, 1n << 32n])),
  },
  { what: 'long text', codes: [1009, undefined], make: () => clientFrame(1, Buffer.alloc(1_048_577, 32)) },
  {
    what: 'long ping',
    codes: [1002, undefined],
    make: random => clientFrame(random.pick([9, 10, 8]), Buffer.alloc(126)),
  },
  {
    what: 'ping in parts',
    codes: [1002, undefined],
    make: random => clientFrame(random.pick([9, 10, 8]), bytes(), false),
  },
  { what: 'continuation of nothing', codes: [1002, undefined], make: random => clientFrame(0, offer, random.oneIn(2)) },
  {
    what: 'text in text',
    codes: [1002, undefined],
    make: () => Buffer.concat([clientFrame(1, offer, false), clientFrame(1, offer)]),
  },
  {
    what: 'text not UTF-8',
    codes: [1007, undefined],
    make: random =>
      clientFrame(1, random.pick([bytes(0xff), bytes(0xc0, 0x80), bytes(0xed, 0xa0, 0x80), bytes(0xf0, 0x9f)])),
  },
  {
    what: 'fragments not UTF-8',
    codes: [1007, undefined],
    make: () => Buffer.concat([clientFrame(1, bytes(0xc3), false), clientFrame(0, bytes(0x28))]),
  },
  {
    what: 'much before register',
    codes: [1009],
    isUnregistered: true,
    make: () => clientFrame(1, Buffer.from(JSON.stringify({ type: 'query', padding: 'x'.repeat(65_600) }))),
  },
  {
    what: 'close',
    codes: [1000, 1001, 1002, 1005, 1007, 3000, 4999, undefined],
    make: random =>
      clientFrame(
        8,
        random.pick([
          bytes(),
          bytes(3),
          bytes(3, 0xe8),
          bytes(0, 0),
          bytes(3, 0xed),
          bytes(0x13, 0x88),
          bytes(3, 0xe8, 0xff),
          bytes(0xff, 0xff),
          bytes(0x0b, 0xb8),
        ]),
      ),
  },
]

/** Breaks the WebSocket protocol on connections of its own, registered or not, and expects each of them to end. */
export async function faultOfViolations(
  random: Random,
  world: World,
  count: (inputs: number) => void,
): Promise<Fault | undefined> {
  for (let n = 0; n < violationsPerCase; n++) {
    const socket = await world.connect()
    const { what, codes, make, isUnregistered } = random.pick(violations)
    const isRegistered = !isUnregistered && random.oneIn(2)
    const id_token = await world.signIn()
    if (isRegistered)
      await register(socket, { ...world.room, peer_id: `x-${n}`, id_token, features: random.pick([[], ['acks']]) })
    const frame = make(random)
    const sent = random.oneIn(6) ? frame.subarray(0, random.below(frame.length)) : frame
    socket.write(sent)
    count(1)
    // A frame that is cut off is no violation yet; then this end hangs up.
    if (sent.length < frame.length) socket.cut()
    const code = await ending(socket)
    if (code === 'open') return fault('not closed', `${what}: ${frame.subarray(0, 60).toString('hex')}`)
    if (sent.length === frame.length && !codes.includes(code)) {
      return fault('close code', `${what}: ${code} for ${frame.subarray(0, 60).toString('hex')}`)
    }
  }
  await noise(random, world.ws)
  count(1)
  return undefined
}

async function ending(socket: RawWebSocket): Promise<number | undefined | 'open'> {
  let timer: Timer | undefined
  const late = new Promise<'open'>(resolve => {
    timer = setTimeout(() => resolve('open'), patience)
  })
  try {
    return await Promise.race([socket.ended.then(({ code }) => code), late])
  } finally {
    clearTimeout(timer)
    socket.cut()
  }
}

const requests = [
  'GET / HTTP/1.1\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n{',
  `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  '\u0016\u0003\u0001\u0002\u0000\u0001\u0000',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
]

/** Sends what is no upgrade, and hangs up once the server has had it. */
async function noise(random: Random, ws: string): Promise<void> {
  const { hostname, port } = new URL(ws)
  const text = random.pick(requests)
  const socket = connect({ host: hostname, port: Number(port) })
  // A reset is an answer, too.
  socket.on('error', () => {})
  await new Promise<void>(resolve => {
    socket.once('close', () => resolve())
    socket.write(text.slice(0, random.oneIn(2) ? text.length : random.below(text.length)), () => socket.destroy())
  })
}
