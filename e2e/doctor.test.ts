import { describe, expect, onTestFinished, test } from 'bun:test'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { serverAddress } from '@parley/client'
import type { CheckResult } from '../cli/src/doctor/check.ts'
import { type ExamineOptions, examine } from '../cli/src/doctor/examine.ts'
import { summary } from '../cli/src/doctor/report.ts'
import { signIn } from './api.ts'
import { startCoturn } from './coturn-process.ts'
import { freePorts } from './free-ports.ts'
import { needs, runs } from './needs.ts'
import { type ParleyProcess, startParley } from './parley-process.ts'

const host = '127.0.0.1'
const coturn = { 'coturn (turnserver)': runs('turnserver', '--version') }

/** What was said to the server and by it, so that it can be asked afterwards, and what must not be told. */
interface Recording {
  readonly options: Pick<ExamineOptions, 'httpUrl' | 'wsUrl' | 'WebSocket'>
  /** Rooms that were made, and whose they are. */
  readonly rooms: { roomId: string; idToken: string }[]
  readonly secrets: Set<string>
}

/** Puts a proxy before the HTTP API, and listens in to the WebSocket. */
function record({ httpUrl, wsUrl }: Pick<ParleyProcess, 'httpUrl' | 'wsUrl'>): Recording {
  const rooms: Recording['rooms'] = []
  const secrets = new Set<string>()
  const proxy = Bun.serve({
    port: 0,
    hostname: host,
    async fetch(request) {
      const { pathname } = new URL(request.url)
      const { method, headers } = request
      const response = await fetch(`${httpUrl}${pathname}`, { method, headers, body: await request.text() })
      const text = await response.text()
      if (text.startsWith('{')) {
        const { id_token, room_id, token } = JSON.parse(text) as Record<string, string | undefined>
        for (const secret of [id_token, token]) if (secret) secrets.add(secret)
        const idToken = headers.get('authorization')?.replace('Bearer ', '')
        if (room_id && idToken) rooms.push({ roomId: room_id, idToken })
      }
      return new Response(response.status === 204 ? null : text, response)
    },
  })
  onTestFinished(() => proxy.stop(true))
  class RecordingSocket extends WebSocket {
    constructor(url: string) {
      super(url)
      this.addEventListener('message', ({ data }) => {
        if (!String(data).includes('"ice_servers"')) return
        const { ice_servers = [] } = JSON.parse(String(data)) as { ice_servers?: Record<string, string>[] }
        for (const { username, credential } of ice_servers) {
          for (const secret of [username, credential]) if (secret) secrets.add(secret)
        }
      })
    }
  }
  return { options: { httpUrl: `http://${host}:${proxy.port}`, wsUrl, WebSocket: RecordingSocket }, rooms, secrets }
}

async function all(options: ExamineOptions): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = []
  for await (const result of examine(options)) results.push(result)
  return results
}

/** Examines a server, and makes sure that nothing is left there, and that nothing is told that nobody may know. */
async function examined(server: Pick<ParleyProcess, 'httpUrl' | 'wsUrl'>, deadline = 5000): Promise<Findings> {
  const { options, rooms, secrets } = record(server)
  const results = await all({ ...options, deadline })
  await expectGone(server, rooms)
  for (const secret of secrets) expect(JSON.stringify(results)).not.toContain(secret)
  return { results, secrets }
}

interface Findings {
  readonly results: readonly CheckResult[]
  readonly secrets: ReadonlySet<string>
}

async function expectGone({ httpUrl }: Pick<ParleyProcess, 'httpUrl'>, rooms: Recording['rooms']): Promise<void> {
  expect(rooms).toHaveLength(1)
  for (const { roomId, idToken } of rooms) {
    const headers = { Authorization: `Bearer ${idToken}` }
    expect((await fetch(`${httpUrl}/rooms/${roomId}`, { headers })).status).toBe(404)
  }
}

/** The status of each check, by its name. */
const statuses = (results: readonly CheckResult[]): Record<string, string> =>
  Object.fromEntries(results.map(({ name, status }) => [name, status]))

const named = (results: readonly CheckResult[], name: string): CheckResult | undefined =>
  results.find(result => result.name === name)

/** A server of which only the connections matter. Ends with the test. */
async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  }).listen(0, host)
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Where nobody listens: a port that was free just now. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const withoutIce = {
  ...{ address: 'ok', health: 'ok', clock: 'ok', readiness: 'ok', 'sign-in': 'ok', room: 'ok', WebSocket: 'ok' },
  ...{ registration: 'ok', 'round trip': 'ok', signaling: 'ok', 'clean-up': 'ok' },
}

describe('a server that works', () => {
  needs(coturn)('is told from first to last, with its TURN server', async () => {
    const { url } = await startCoturn(['secret'])
    const stun = url.replace('turn:', 'stun:').replace('?transport=udp', '')
    const settings = { PARLEY_STUN_URLS: stun, PARLEY_TURN_URLS: url, PARLEY_TURN_SECRET: 'secret' }
    const { results, secrets } = await examined(await startParley({ settings }))
    expect(statuses(results)).toEqual({ ...withoutIce, 'ICE servers': 'ok', [stun]: 'ok', [url]: 'ok', NAT: 'skipped' })
    expect(named(results, url)?.detail).toMatch(/^It gives a relay at 127\.0\.0\.2:\d+\.$/)
    expect(named(results, stun)?.detail).toMatch(/^This machine is seen as 127\.0\.0\.1:\d+\.$/)
    for (const name of ['health', 'round trip', 'signaling', url]) expect(named(results, name)?.ms).toBeNumber()
    expect(results.filter(({ advice }) => advice !== undefined)).toEqual([])
    expect(summary(results)).toEqual({ sentence: 'Everything works.', exitCode: 0 })
    // ID token, the room's token, and user name and password for TURN of two peers: those were what must not be told. The
    // peers have one identity, so within one second they have the same.
    expect([4, 6]).toContain(secrets.size)
  })

  needs(coturn)('looks at the NAT with two STUN servers', async () => {
    const servers = [await startCoturn(['secret']), await startCoturn(['secret'])]
    const stun = servers.map(({ url }) => url.replace('turn:', 'stun:').replace('?transport=udp', ''))
    const { results } = await examined(await startParley({ settings: { PARLEY_STUN_URLS: stun.join() } }))
    expect(named(results, 'NAT')).toMatchObject({ status: 'ok', detail: expect.stringContaining('no NAT') })
    expect(named(results, 'ICE servers')).toMatchObject({ status: 'warning', advice: expect.stringContaining('TURN') })
  })

  test('on one port, or with its WebSocket at /ws, is found by its HTTP address', async () => {
    const [port = ''] = (await freePorts(1)).map(String)
    const onePort = await startParley({ settings: { PARLEY_HTTP_PORT: port, PARLEY_WS_PORT: port } })
    for (const { httpUrl } of [onePort, await startParley()]) {
      const { wsUrl } = serverAddress(httpUrl)
      expect(wsUrl).toBe(`${httpUrl.replace('http', 'ws')}/ws`)
      const { results } = await examined({ httpUrl, wsUrl })
      expect(statuses(results)).toMatchObject(withoutIce)
    }
  })

  test('is warned of without ICE servers, but works', async () => {
    const { results } = await examined(await startParley())
    expect(statuses(results)).toEqual({ ...withoutIce, 'ICE servers': 'warning', NAT: 'skipped' })
    expect(named(results, 'ICE servers')?.advice).toContain('set PARLEY_STUN_URLS and PARLEY_TURN_URLS')
    expect(summary(results)).toMatchObject({ exitCode: 0 })
  })
})

describe('a TURN server', () => {
  needs(coturn)('with another secret is told from one that is not there', async () => {
    const { url } = await startCoturn(['one secret'])
    const settings = { PARLEY_TURN_URLS: url, PARLEY_TURN_SECRET: 'another secret' }
    const { results } = await examined(await startParley({ settings }))
    expect(named(results, url)).toEqual({
      ...{ name: url, status: 'failed' },
      detail: 'It refuses the credentials that Parley gives out (401 Unauthorized).',
      advice: expect.stringMatching(/^PARLEY_TURN_SECRET .*static-auth-secret.* clocks/),
    })
    expect(statuses(results)).toMatchObject(withoutIce)
    expect(JSON.stringify(results)).not.toContain('another secret')
  })

  needs(coturn)('that does not know the user name is told, too', async () => {
    const { url } = await startCoturn(['secret'])
    const settings = { PARLEY_TURN_URLS: url, TURN_USERNAME: 'ada', TURN_PASSWORD: 'pass word' }
    const { results } = await examined(await startParley({ settings }))
    expect(named(results, url)).toMatchObject({ status: 'failed', advice: expect.stringContaining('TURN_PASSWORD') })
  })

  test('whose port is closed is refused', async () => {
    const port = await closedPort()
    const [udp, tcp] = [`turn:${host}:${port}?transport=udp`, `turn:${host}:${port}?transport=tcp`]
    const settings = { PARLEY_TURN_URLS: `${udp},${tcp}`, PARLEY_TURN_SECRET: 'secret' }
    const { results } = await examined(await startParley({ settings }))
    const detail = `${host}:${port} refuses the connection.`
    expect(named(results, udp)).toMatchObject({ status: 'failed', detail, advice: expect.stringContaining('UDP') })
    expect(named(results, tcp)).toMatchObject({ status: 'failed', detail, advice: expect.stringContaining('TCP') })
    expect(summary(results)).toMatchObject({ exitCode: 1 })
  })

  test('that is silent, as behind a firewall, is given up', async () => {
    const silent = createSocket('udp4')
    onTestFinished(() => void silent.close())
    silent.bind(0, host)
    await once(silent, 'listening')
    const url = `turn:${host}:${silent.address().port}?transport=udp`
    const settings = { PARLEY_TURN_URLS: url, PARLEY_TURN_SECRET: 'secret' }
    const { results } = await examined(await startParley({ settings }), 2000)
    expect(named(results, url)).toMatchObject({
      detail: `${host}:${silent.address().port} does not answer.`,
      advice: expect.stringMatching(/UDP port \d+.* relay ports .*firewall/),
    })
  })
})

describe('a server that cannot be reached', () => {
  const skipped = {
    ...{ clock: 'skipped', readiness: 'skipped', 'sign-in': 'skipped', room: 'skipped', registration: 'skipped' },
    ...{ 'round trip': 'skipped', signaling: 'skipped', 'ICE servers': 'skipped', NAT: 'skipped' },
    'clean-up': 'skipped',
  }

  test('because it is down is told by what refuses', async () => {
    const port = await closedPort()
    const results = await all({ httpUrl: `http://${host}:${port}`, wsUrl: `ws://${host}:${port}`, WebSocket })
    expect(statuses(results)).toEqual({ address: 'failed', health: 'skipped', WebSocket: 'failed', ...skipped })
    for (const name of ['address', 'WebSocket']) {
      expect(named(results, name)?.detail).toBe(`${host}:${port} refuses the connection.`)
    }
    expect(named(results, 'signaling')?.detail).toBe('It needs “WebSocket”.')
    expect(summary(results)).toEqual({ sentence: '2 things do not work. Begin with “address”.', exitCode: 1 })
  })

  test('because the name has no address is told so', async () => {
    const results = await all({ httpUrl: 'http://parley.invalid', wsUrl: 'ws://parley.invalid', WebSocket })
    expect(named(results, 'address')?.detail).toMatch(/^(The host of|No name server answers for) parley\.invalid:80/)
  })

  test('because something else has its port is told so', async () => {
    const port = await listen(socket => socket.end('SSH-2.0-OpenSSH_9.6\r\n'))
    const results = await all({ httpUrl: `http://${host}:${port}`, wsUrl: `ws://${host}:${port}`, WebSocket })
    expect(statuses(results)).toEqual({ address: 'ok', health: 'failed', WebSocket: 'failed', ...skipped })
    expect(named(results, 'health')?.detail).toBe(`What is at ${host}:${port} does not answer HTTP.`)
    expect(named(results, 'WebSocket')?.detail).toBe(
      `What is at ${host}:${port} does not answer HTTP, so it is no WebSocket.`,
    )
  })

  test('because it hangs is given up', async () => {
    const port = await listen(() => {})
    const addresses = { httpUrl: `http://${host}:${port}`, wsUrl: `ws://${host}:${port}` }
    const results = await all({ ...addresses, WebSocket, deadline: 500 })
    expect(statuses(results)).toEqual({ address: 'ok', health: 'failed', WebSocket: 'failed', ...skipped })
    for (const name of ['health', 'WebSocket']) {
      expect(named(results, name)?.detail).toBe(`${host}:${port} does not answer.`)
    }
  })

  needs({ openssl: runs('openssl', 'version') })('because nobody trusts its certificate is told so', async () => {
    const port = await listenWithOwnCertificate()
    const results = await all({ httpUrl: `https://${host}:${port}`, wsUrl: `wss://${host}:${port}`, WebSocket })
    for (const name of ['address', 'WebSocket']) {
      expect(named(results, name)).toMatchObject({
        detail: `The certificate of ${host}:${port} is not trusted: it is signed by itself.`,
        advice: expect.stringContaining('from an authority that is trusted'),
      })
    }
  })

  test('because it has no TLS is told so', async () => {
    const { httpUrl, wsUrl } = await startParley()
    const secure = { httpUrl: httpUrl.replace('http', 'https'), wsUrl: wsUrl.replace('ws', 'wss') }
    const results = await all({ ...secure, WebSocket })
    for (const name of ['address', 'WebSocket']) expect(named(results, name)?.detail).toContain('There is no TLS with')
  })
})

describe('a WebSocket', () => {
  const failed = { ...withoutIce, WebSocket: 'failed', registration: 'skipped', 'round trip': 'skipped' }
  const expected = { ...failed, signaling: 'skipped', 'ICE servers': 'skipped', NAT: 'skipped' }

  test('on the wrong port is told from the rest', async () => {
    const { httpUrl } = await startParley()
    const { results } = await examined({ httpUrl, wsUrl: httpUrl.replace('http', 'ws') })
    expect(statuses(results)).toEqual(expected)
    expect(named(results, 'WebSocket')?.detail).toContain('answers 404 instead of upgrading to a WebSocket.')
  })

  test('behind a closed port is told so', async () => {
    const { httpUrl } = await startParley()
    const { results } = await examined({ httpUrl, wsUrl: `ws://${host}:${await closedPort()}` })
    expect(statuses(results)).toEqual(expected)
    expect(named(results, 'WebSocket')?.detail).toContain('refuses the connection.')
  })

  test('behind a proxy that does not upgrade is told so', async () => {
    const { httpUrl } = await startParley()
    const proxy = Bun.serve({ port: 0, hostname: host, fetch: () => new Response('Welcome!') })
    onTestFinished(() => proxy.stop(true))
    const { results } = await examined({ httpUrl, wsUrl: `ws://${host}:${proxy.port}/` })
    expect(statuses(results)).toEqual(expected)
    expect(named(results, 'WebSocket')).toMatchObject({
      detail: `${host}:${proxy.port} answers 200 instead of upgrading to a WebSocket.`,
      advice: expect.stringContaining('pass Upgrade and Connection on'),
    })
  })

  test('behind a proxy that takes the headers away is told so', async () => {
    const { httpUrl, wsUrl } = await startParley()
    const target = wsUrl.replace('ws', 'http')
    const proxy = Bun.serve({ port: 0, hostname: host, fetch: () => fetch(target) })
    onTestFinished(() => proxy.stop(true))
    const { results } = await examined({ httpUrl, wsUrl: `ws://${host}:${proxy.port}/` })
    expect(named(results, 'WebSocket')).toMatchObject({
      detail: expect.stringContaining('answers 426 instead of upgrading'),
      advice: expect.stringContaining('a proxy takes the headers away'),
    })
  })

  test('that is somebody else’s is told so', async () => {
    const { httpUrl } = await startParley()
    const websocket = { message: (socket: Bun.ServerWebSocket) => void socket.send('hello') }
    const other = Bun.serve({
      ...{ port: 0, hostname: host, websocket },
      fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('')),
    })
    onTestFinished(() => other.stop(true))
    const { results } = await examined({ httpUrl, wsUrl: `ws://${host}:${other.port}/` })
    expect(statuses(results)).toEqual({ ...expected, WebSocket: 'ok', registration: 'failed' })
    expect(named(results, 'registration')?.detail).toContain("does not speak Parley's protocol")
  })
})

describe('the room', () => {
  test('is deleted when the caller leaves early', async () => {
    const server = await startParley()
    const { options, rooms } = record(server)
    for await (const { name } of examine(options)) if (name === 'signaling') break
    await expectGone(server, rooms)
  })

  test('is deleted when the caller wants no more', async () => {
    const server = await startParley()
    const { options, rooms } = record(server)
    const ending = new AbortController()
    const names: string[] = []
    const run = async () => {
      for await (const { name } of examine({ ...options, signal: ending.signal })) {
        names.push(name)
        if (name === 'room') ending.abort(new Error('enough'))
      }
    }
    await expect(run()).rejects.toThrow('enough')
    expect(names.at(-1)).toBe('room')
    await expectGone(server, rooms)
  })

  test('is deleted when the caller wants no more at the very end', async () => {
    const server = await startParley()
    const { options, rooms } = record(server)
    const ending = new AbortController()
    const names: string[] = []
    for await (const { name } of examine({ ...options, signal: ending.signal })) {
      names.push(name)
      // The NAT is the last thing that is looked at.
      if (name === 'NAT') ending.abort(new Error('enough'))
    }
    expect(names.at(-1)).toBe('clean-up')
    await expectGone(server, rooms)
  })

  test('is not made when nobody may sign in', async () => {
    const { httpUrl, wsUrl } = await startParley({ settings: { PARLEY_SIGN_INS_PER_MINUTE: '1' } })
    await signIn(httpUrl)
    const results = await all({ httpUrl, wsUrl, WebSocket })
    expect(named(results, 'sign-in')).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining('RATE_LIMITED'),
      advice: expect.stringMatching(/^Wait for \d+ s/),
    })
    expect(statuses(results)).toMatchObject({ room: 'skipped', WebSocket: 'ok', registration: 'skipped' })
    expect(named(results, 'clean-up')).toMatchObject({ status: 'skipped', detail: 'There is no room to delete.' })
  })
})

/** With TLS, and a certificate that was made just now. */
async function listenWithOwnCertificate(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-doctor-'))
  const [key, cert] = [join(folder, 'key'), join(folder, 'cert')]
  const how = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${host}`]
  const made = Bun.spawnSync(['openssl', 'req', '-x509', ...how, '-keyout', key, '-out', cert])
  if (!made.success) throw new Error(`openssl said: ${made.stderr}`)
  const server = createTlsServer({ key: await readFile(key), cert: await readFile(cert) })
  await rm(folder, { recursive: true })
  server.on('tlsClientError', () => {})
  server.listen(0, host)
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
