import { onTestFinished } from 'bun:test'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const host = '127.0.0.1'

/**
 * Where its relays are. A TURN server admits addresses, whatever the port: were the peers and the relays on the same
 * address, a peer could send to the relay of the other without one of its own.
 */
const relayHost = '127.0.0.2'

/** A running coturn, the TURN server that most people use, on loopback. */
export interface CoturnProcess {
  /** For UDP, as TURN clients are told it. */
  readonly url: string
}

/** How it differs from others. */
export interface CoturnOptions {
  /** Allocations that one user may have at once. */
  readonly userQuota?: number
}

/**
 * Starts a TURN server that lets peers in whose time-limited credentials are made with one of the `secrets`, and
 * resolves when it answers. It ends with the test at the latest.
 * @throws Error with its log, if it ends before that
 */
export async function startCoturn(
  secrets: readonly string[],
  { userQuota }: CoturnOptions = {},
): Promise<CoturnProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-coturn-'))
  const log = join(folder, 'log')
  const port = await freePort()
  const server = spawn(
    'turnserver',
    [
      '-n', // no configuration file
      ...['--listening-ip', host, '--listening-port', String(port), '--relay-ip', relayHost, '--relay-threads', '1'],
      ...['--use-auth-secret', '--realm', 'parley.example'],
      ...secrets.flatMap(secret => ['--static-auth-secret', secret]),
      ...(userQuota === undefined ? [] : ['--user-quota', String(userQuota)]),
      ...['--allow-loopback-peers', '--no-tcp', '--no-tls', '--no-dtls', '--no-cli'],
      ...['--log-file', log, '--simple-log', '--no-stdout-log'],
      ...['--pidfile', join(folder, 'pid'), '--userdb', join(folder, 'database')],
    ],
    { stdio: 'ignore' },
  )
  const ended = once(server, 'close')
  onTestFinished(async () => {
    server.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  const failure = ended.then(async () => {
    throw new Error(`coturn ended with code ${server.exitCode} and said:\n${await readFile(log, 'utf8')}`)
  })
  await answersStun(port, failure)
  return { url: `turn:${host}:${port}?transport=udp` }
}

/** A UDP port that nobody uses at the moment. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, host)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/**
 * Resolves when a STUN server on that port has answered a binding request (RFC 5389 section 7). Datagrams that come
 * before it listens are lost, so the request is repeated.
 */
async function answersStun(port: number, failure: Promise<never>): Promise<void> {
  const request = Buffer.concat([Buffer.from('000100002112a442', 'hex'), randomBytes(12)])
  const socket = createSocket('udp4')
  const repeat = setInterval(() => socket.send(request, port, host), 20)
  const answered = new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', answer => {
      const isToThis = answer.subarray(8, 20).equals(request.subarray(8))
      if (isToThis && answer.readUInt16BE(0) === 0x0101) resolve()
    })
  })
  try {
    await Promise.race([answered, failure])
  } finally {
    clearInterval(repeat)
    socket.close()
  }
}
