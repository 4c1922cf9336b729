import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import type { Finding } from './check.ts'
import type { Answering } from './ice-checks.ts'
import { decode, type Endpoint, encode, MalformedStun, printEndpoint } from './stun.ts'

/** Milliseconds after which each request is sent once more, and after the last of which no answer is waited for. */
const pauses = [200, 400, 600]

/**
 * Whether the NAT of this network gives a port one outside address for all (RFC 4787 section 4.1), for which the same
 * port has to ask two servers.
 */
export async function checkNat(servers: readonly Answering[], signal: AbortSignal): Promise<Finding<void>> {
  const seen = await addressesSeen(distinct(servers), signal)
  const value = undefined
  const [one, another] = seen
  if (!one || !another) {
    return { status: 'skipped', detail: 'It takes two STUN servers, over UDP, to tell the kind of the NAT.', value }
  }
  if (isOwn(one.ip)) return { detail: 'There is no NAT between this machine and the servers.', value }
  const different = seen.find(each => printEndpoint(each) !== printEndpoint(one))
  if (!different) {
    return {
      detail: `The NAT shows one address to all, ${printEndpoint(one)}: most peers can be reached directly.`,
      value,
    }
  }
  const detail = `The NAT shows each server another address (${printEndpoint(one)}, ${printEndpoint(different)}): this network needs TURN`
  if (servers.some(({ kind }) => kind === 'turn')) return { detail: `${detail}, which works.`, value }
  return {
    ...{ status: 'warning', detail: `${detail}.`, value },
    advice: 'Set PARLEY_TURN_URLS and PARLEY_TURN_SECRET: with other networks like this one there is no direct way.',
  }
}

/** Those that can be asked from one IPv4 socket, each once. */
function distinct(servers: readonly Answering[]): readonly Endpoint[] {
  const endpoints = new Map<string, Endpoint>()
  for (const { udp } of servers) if (udp && !udp.ip.includes(':')) endpoints.set(printEndpoint(udp), udp)
  return [...endpoints.values()]
}

/** Where those of the servers that answer see one and the same port of this machine. */
async function addressesSeen(servers: readonly Endpoint[], signal: AbortSignal): Promise<readonly Endpoint[]> {
  if (servers.length < 2) return []
  const socket = createSocket('udp4')
  const asked = new Map(servers.map(server => [randomBytes(12).toString('hex'), server]))
  const seen: Endpoint[] = []
  const done = new Promise<void>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    socket.on('error', resolve)
    socket.on('message', bytes => {
      const answer = read(bytes)
      if (!answer?.mapped || !asked.delete(answer.transactionId.toString('hex'))) return
      seen.push(answer.mapped)
      if (asked.size === 0) resolve()
    })
    const ask = ([pause, ...later]: readonly number[]) => {
      for (const [id, { ip, port }] of asked) {
        const request = {
          method: 'binding',
          kind: 'request',
          transactionId: Buffer.from(id, 'hex'),
          attributes: [],
        } as const
        socket.send(encode(request), port, ip, () => {})
      }
      const timer = setTimeout(() => (later.length > 0 ? ask(later) : resolve()), pause)
      socket.once('close', () => clearTimeout(timer))
    }
    socket.bind(0, () => ask(pauses))
  })
  try {
    await done
    return seen
  } finally {
    socket.close()
    await once(socket, 'close')
  }
}

function read(bytes: Buffer): ReturnType<typeof decode> | undefined {
  try {
    return decode(bytes)
  } catch (error) {
    if (error instanceof MalformedStun) return undefined
    throw error
  }
}

/** Whether this machine has that address itself. */
const isOwn = (ip: string): boolean =>
  Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === ip))
