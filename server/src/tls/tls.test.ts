import { describe, expect, onTestFinished } from 'bun:test'
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { needs, runs } from '../../../e2e/needs.ts'
import { Authority } from '../../test/authority.ts'
import { startServer, type TestServer } from '../../test/harness.ts'
import type { ClientsServed, ClientsWanted } from '../../test/tls-clients.ts'
import { manualClock } from '../clock.ts'
import { type Certificate, judge } from './certificate.ts'

const hasOpenssl = runs('openssl', 'version')
const withOpenssl = needs({ openssl: hasOpenssl })
const onLinux = needs({ openssl: hasOpenssl, 'Linux with the GNU C library': process.platform === 'linux' })
const root = hasOpenssl ? Authority.root() : undefined

function newCertificate(): Certificate {
  const { cert = '', key = '' } = root?.issue(['DNS:localhost', 'IP:127.0.0.1']) ?? {}
  const { certificate } = judge(cert, key, Date.now() + 60_000)
  if (!certificate) throw new Error('It cannot be used.')
  return certificate
}

/** Opens a TCP connection, which the kernel does at once; TLS comes later. */
function open(url: string): Socket {
  const socket = createConnection({ host: '127.0.0.1', port: Number(new URL(url).port) })
  onTestFinished(() => void socket.destroy())
  return socket
}

/** The certificate that is served on a connection. */
async function servedOn(socket: Socket): Promise<{ pem: string; tls: TLSSocket }> {
  const tls = connect({ socket, servername: 'localhost', ca: root?.cert })
  onTestFinished(() => void tls.destroy())
  await once(tls, 'secureConnect')
  const { raw } = tls.getPeerCertificate()
  return { pem: pemOf(raw), tls }
}

/** How many connect at once. */
const clientsOf = 10

/** Has clients connect, while the server is not let do anything. */
function connectAll(url: string): { url: string; served: Promise<ClientsServed> } {
  const worker = new Worker(join(import.meta.dir, '../../test/tls-clients.ts'))
  onTestFinished(() => worker.terminate())
  const connected = new Int32Array(new SharedArrayBuffer(4))
  const wanted: ClientsWanted = { port: Number(new URL(url).port), count: clientsOf, ca: root?.cert ?? '', connected }
  worker.postMessage(wanted)
  const served = new Promise<ClientsServed>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data)
    worker.onerror = ({ message }) => reject(new Error(message))
  })
  Atomics.wait(connected, 0, 0, 30_000)
  expect(connected[0]).toBe(1)
  return { url, served }
}

/** Without the lines around it. */
const bodyOf = (pem: string): string => pem.split('\n').slice(1, -1).join('')

const pemOf = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----`

const statusOf = async (tls: TLSSocket): Promise<string> => {
  tls.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  const [chunk] = await once(tls, 'data')
  return String(chunk).split('\r\n')[0] ?? ''
}

/** A peer that has registered, over TLS. */
async function registered(server: TestServer) {
  const tls = { ca: root?.cert ?? '' }
  const post = async (path: string, headers = {}) =>
    (await fetch(`${server.http}${path}`, { method: 'POST', headers, tls })).json() as Promise<Record<string, string>>
  const { id_token } = await post('/anonymous-signin')
  const { room_id, token } = await post('/create-room', { Authorization: `Bearer ${id_token}` })
  // Bun's own, with options where a browser's has subprotocols.
  const socket = new WebSocket(server.ws, { tls } as unknown as string[])
  onTestFinished(() => socket.close())
  await once(socket, 'open')
  const ask = async (message: object) => {
    const answered = once(socket, 'message')
    socket.send(JSON.stringify(message))
    return JSON.parse((await answered)[0].data)
  }
  expect(await ask({ type: 'register', peer_id: 'ada', room_id, token, id_token })).toMatchObject({
    type: 'registered_auth',
  })
  return { ask, socket }
}

describe.each(['two ports', 'one port'])('on %s, another certificate', kind => {
  onLinux('is served to all who come later, and costs nobody a connection', async () => {
    const clock = manualClock(Date.now())
    const [first, second, third] = [newCertificate(), newCertificate(), newCertificate()]
    const port = kind === 'one port' ? await freePort() : '0'
    await using server = await startServer(
      { PARLEY_HTTP_PORT: port, PARLEY_WS_PORT: port },
      { clock, certificate: first },
    )
    const peer = await registered(server)
    const kept = await servedOn(open(server.http))
    expect(kept.pem).toBe(first.cert)

    const before = [server.http, server.ws].map(connectAll)
    server.useCertificate(second)
    const after = [server.http, server.ws].map(connectAll)
    // The plain WebSocket port has no /livez.
    const answer = { [server.ws]: 'HTTP/1.1 426 Upgrade Required', [server.http]: 'HTTP/1.1 200 OK' }
    for (const [clients, { cert }] of [[before, first] as const, [after, second] as const]) {
      for (const { url, served } of clients) {
        expect(await served).toEqual(
          Array(clientsOf).fill(`${bodyOf(cert)} ${kind === 'one port' ? 'HTTP/1.1 200 OK' : answer[url]}`),
        )
      }
    }
    // The one before is closed now.
    clock.advance(2_000)
    const later = await servedOn(open(server.http))
    expect([later.pem, await statusOf(later.tls)]).toEqual([second.cert, 'HTTP/1.1 200 OK'])
    expect(await statusOf(kept.tls)).toBe('HTTP/1.1 200 OK')

    server.useCertificate(first)
    server.useCertificate(third)
    for (let count = 0; count < 20; count++) expect((await servedOn(open(server.ws))).pem).toBe(third.cert)
    expect(await peer.ask({ type: 'query' })).toMatchObject({ type: 'available_peers' })
  })

  withOpenssl('that the TLS library refuses leaves the one before in force', async () => {
    const first = newCertificate()
    const port = kind === 'one port' ? await freePort() : '0'
    await using server = await startServer({ PARLEY_HTTP_PORT: port, PARLEY_WS_PORT: port }, { certificate: first })
    expect(() => server.useCertificate({ ...newCertificate(), key: first.key })).toThrow()
    for (const url of [server.http, server.ws]) expect((await servedOn(open(url))).pem).toBe(first.cert)
    const metrics = await fetch(`${server.http}/metrics`, { tls: { ca: root?.cert ?? '' } })
    expect(await metrics.text()).toContain(
      `\nparley_tls_certificate_expires_timestamp_seconds ${first.expiresAt / 1000}\n`,
    )
  })

  withOpenssl('is served after a shortage of descriptors that it came in', async () => {
    const [first, second] = [newCertificate(), newCertificate()]
    const port = kind === 'one port' ? await freePort() : '0'
    await using server = await startServer({ PARLEY_HTTP_PORT: port, PARLEY_WS_PORT: port }, { certificate: first })
    server.spare('all')
    server.useCertificate(second)
    server.spare('none')
    for (const url of [server.http, server.ws]) expect((await servedOn(open(url))).pem).toBe(second.cert)
  })
})

withOpenssl('TLS older than 1.2 is refused', async () => {
  await using server = await startServer({}, { certificate: newCertificate() })
  const { port } = new URL(server.http)
  const offer = (version: string) => {
    const cipher = ['-cipher', 'ALL:@SECLEVEL=0']
    return Bun.spawn(['openssl', 's_client', '-connect', `127.0.0.1:${port}`, version, ...cipher], {
      ...{ stdin: Buffer.alloc(0), stdout: 'ignore', stderr: 'ignore' },
    }).exited
  }
  const codes = await Promise.all(['-tls1', '-tls1_1', '-tls1_2', '-tls1_3'].map(offer))
  expect(codes.map(code => code === 0)).toEqual([false, false, true, true])
})

async function freePort(): Promise<string> {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  listener.stop(true)
  return String(listener.port)
}
