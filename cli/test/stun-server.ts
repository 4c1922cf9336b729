import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import {
  type Attribute,
  attributes,
  decode,
  type Endpoint,
  encode,
  headerBytes,
  type IncomingMessage,
  longTermKey,
  text,
} from '../src/doctor/stun.ts'

/** A STUN and TURN server as small as can be, with which the rare answers can be had. It relays nothing. */
export interface StunServer {
  readonly port: number
  /** What it was asked, in order: method, and whether with credentials. */
  readonly requests: string[]
  close(): Promise<void>
}

export interface StunBehaviour {
  /** Bytes, as they have arrived, of which nothing is known: over UDP so many are lost. */
  readonly losesFirst?: number
  /** What it says of where requests come from. */
  readonly mapped?: (from: Endpoint) => Endpoint
  /** With it, Allocate needs the credentials. */
  readonly password?: string
  /** Times that it finds the nonce outdated. */
  readonly staleNonces?: number
  /** It refuses with this, once the credentials are right. */
  readonly refusal?: readonly [code: number, reason: string]
  /** It signs with something else. */
  readonly forges?: boolean
}

const realm = 'parley.example'

/** Answers on 127.0.0.1, on a free port. */
export async function serveUdp(behaviour: StunBehaviour = {}): Promise<StunServer> {
  const socket = createSocket('udp4')
  const answer = answering(behaviour)
  let losses = behaviour.losesFirst ?? 0
  socket.on('message', (bytes, { address, port }) => {
    if (losses-- > 0) return
    socket.send(answer(bytes, { ip: address, port }), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const close = async () => {
    socket.close()
    await once(socket, 'close')
  }
  return { port: socket.address().port, requests: answer.requests, close }
}

export async function serveTcp(behaviour: StunBehaviour = {}): Promise<StunServer> {
  const answer = answering(behaviour)
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    let bytes: Buffer = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      while (bytes.length >= headerBytes && bytes.length >= headerBytes + bytes.readUInt16BE(2)) {
        const length = headerBytes + bytes.readUInt16BE(2)
        const from = { ip: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
        // In two pieces, as streams may come.
        const reply = answer(bytes.subarray(0, length), from)
        socket.write(reply.subarray(0, 7))
        setImmediate(() => socket.write(reply.subarray(7)))
        bytes = bytes.subarray(length)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  }
  return { port: (server.address() as AddressInfo).port, requests: answer.requests, close }
}

/** Makes the answer to each request. */
function answering(behaviour: StunBehaviour): ((bytes: Buffer, from: Endpoint) => Buffer) & { requests: string[] } {
  let staleNonces = behaviour.staleNonces ?? 0
  let nonces = 0
  const requests: string[] = []
  const respond = (bytes: Buffer, from: Endpoint) => {
    const request = decode(bytes)
    const { method, transactionId, username, nonce } = request
    const key = username === undefined ? undefined : longTermKey(username, realm, behaviour.password ?? '')
    requests.push(key ? `${method} with credentials` : method)
    const reply = (kind: 'success' | 'error', list: readonly Attribute[], signature?: Uint8Array) =>
      encode({ method, kind, transactionId, attributes: list }, signature)
    const challenge = (code: number, reason: string) =>
      reply('error', [
        failure(code, reason),
        text(attributes.realm, realm),
        text(attributes.nonce, `nonce ${nonces++}`),
      ])
    const mapped = endpoint(attributes.xorMappedAddress, behaviour.mapped?.(from) ?? from)
    if (method === 'binding') return reply('success', [mapped])
    if (behaviour.password !== undefined) {
      if (!isAuthentic(request, key)) return challenge(401, 'Unauthorized')
      if (nonce !== `nonce ${nonces - 1}` || staleNonces-- > 0) return challenge(438, 'Stale Nonce')
    }
    if (behaviour.refusal) return reply('error', [failure(...behaviour.refusal)], key)
    const relayed = endpoint(attributes.xorRelayedAddress, { ip: '192.0.2.9', port: 50_000 })
    return reply('success', method === 'allocate' ? [relayed, mapped] : [], behaviour.forges ? Buffer.from('x') : key)
  }
  return Object.assign(respond, { requests })
}

const isAuthentic = (request: IncomingMessage, key: Uint8Array | undefined): boolean =>
  key !== undefined && request.isSignedWith(key)

function failure(code: number, reason: string): Attribute {
  const head = Buffer.of(0, 0, Math.floor(code / 100), code % 100)
  return { type: attributes.errorCode, value: Buffer.concat([head, Buffer.from(reason)]) }
}

/** XOR'd with the magic cookie; IPv4 only. */
function endpoint(type: number, { ip, port }: Endpoint): Attribute {
  const cookie = [0x21, 0x12, 0xa4, 0x42]
  const plain = [port >> 8, port & 0xff, ...ip.split('.').map(Number)]
  const masks = [...cookie.slice(0, 2), ...cookie]
  return { type, value: Buffer.of(0, 1, ...plain.map((byte, i) => byte ^ (masks[i] ?? 0))) }
}
