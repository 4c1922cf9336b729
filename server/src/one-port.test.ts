import { describe, expect, test } from 'bun:test'
import { recordingLog, startServer, TestPeer, type TestServer } from '../test/harness.ts'
import { rawConnection } from '../test/raw-connection.ts'
import { manualClock } from './clock.ts'

/** A port that nobody uses at the moment. */
function freePort(): string {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  listener.stop(true)
  return String(listener.port)
}

const onePort = (settings: Record<string, string> = {}, parts: Parameters<typeof startServer>[1] = {}) => {
  const port = freePort()
  return startServer({ PARLEY_HTTP_PORT: port, PARLEY_WS_PORT: port, ...settings }, parts)
}

const wsOf = ({ http }: TestServer) => http.replace('http', 'ws')

/** What a request is answered with, as its first line, and the body if there is one. */
async function raw(server: TestServer, lines: readonly string[]): Promise<string> {
  const { port } = new URL(server.http)
  const { promise, resolve } = Promise.withResolvers<string>()
  let received = ''
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port: Number(port),
    socket: {
      data(_, chunk) {
        received += chunk.toString()
        if (received.includes('\r\n\r\n')) resolve(received)
      },
      close: () => resolve(received),
    },
  })
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  const answer = await promise
  socket.end()
  return answer
}

const key = ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13']

/** Two peers at `url` who meet there. */
async function meet(server: TestServer, url: string) {
  const idToken = await server.signIn()
  const room = await server.createRoom(idToken)
  const enter = async (peerId: string) => {
    const peer = await TestPeer.connect(url)
    const { room_id, token } = room
    expect(await peer.ask({ type: 'register', peer_id: peerId, room_id, token, id_token: idToken })).toMatchObject({
      type: 'registered_auth',
    })
    return peer
  }
  return { ada: await enter('ada'), bob: await enter('bob') }
}

describe('one port for both', () => {
  test('relays between WebSockets of any path, and answers HTTP on the same paths', async () => {
    await using server = await onePort()
    expect(server.ws).toBe(wsOf(server))
    for (const path of ['', '/', '/ws', '/ws?a=1', '/health', '/rooms/x', '/create-room', '/no/such/path']) {
      const { ada, bob } = await meet(server, `${server.ws}${path}`)
      ada.send({ type: 'offer', sender: 'ada', target: 'bob', sdp: path })
      expect(await bob.next()).toMatchObject({ type: 'offer', sdp: path })
      ada.socket.close()
      bob.socket.close()
      await Promise.all([ada.closed, bob.closed])
    }
    expect((await fetch(`${server.http}/health`)).status).toBe(200)
    expect((await fetch(`${server.http}/no/such/path`)).status).toBe(404)
    const metrics = await (await fetch(`${server.http}/metrics`)).text()
    expect(metrics).toMatch(/^parley_connections_total 16$/m)
  })

  test('takes other upgrades for HTTP, and the word in any case and beside others', async () => {
    await using server = await onePort()
    const ask = (upgrade: string) =>
      raw(server, ['GET /health HTTP/1.1', 'Host: a', 'Connection: Upgrade', `Upgrade: ${upgrade}`, ...key])
    expect(await ask('h2c')).toStartWith('HTTP/1.1 200')
    expect(await ask('WebSocket')).toStartWith('HTTP/1.1 101')
    expect(await ask('h2c, websocket')).toStartWith('HTTP/1.1 101')
  })

  test('answers an upgrade that is none with what is wrong', async () => {
    await using server = await onePort()
    const post = await raw(server, ['POST / HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket', ...key])
    const keyless = await raw(server, ['GET / HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket'])
    for (const answer of [post, keyless]) {
      expect(answer).toStartWith('HTTP/1.1 426')
      expect(answer).toContain('"code":"UPGRADE_REQUIRED"')
    }
  })

  test('closes both kinds of connection when it stops', async () => {
    const server = await onePort()
    const peer = await server.connect()
    const other = await TestPeer.connect(`${server.http.replace('http', 'ws')}/ws`)
    await server[Symbol.asyncDispose]()
    expect([(await peer.closed).code, (await other.closed).code]).toEqual([1001, 1001])
    await expect(fetch(`${server.http}/health`)).rejects.toThrow()
  })
})

describe('the HTTP port', () => {
  test('takes WebSockets at /ws, and nowhere else while the gateway has a port of its own', async () => {
    await using server = await startServer()
    expect(server.ws).not.toBe(wsOf(server))
    const { ada } = await meet(server, `${wsOf(server)}/ws`)
    const { bob } = await meet(server, server.ws)
    expect([ada.socket.readyState, bob.socket.readyState]).toEqual([WebSocket.OPEN, WebSocket.OPEN])
    const plain = await fetch(`${server.http}/ws`)
    expect([plain.status, plain.headers.get('upgrade')]).toEqual([426, 'websocket'])
    expect(await plain.json()).toMatchObject({ code: 'UPGRADE_REQUIRED' })
    for (const path of ['/', '/ws/x', '/wsx', '/health'])
      await expect(TestPeer.connect(`${wsOf(server)}${path}`)).rejects.toThrow()
  })

  test('refuses WebSockets of pages that the list of origins lacks', async () => {
    await using server = await startServer({ PARLEY_ALLOWED_ORIGINS: 'https://app.example.com' })
    const at = (origin: string) => TestPeer.connect(`${wsOf(server)}/ws`, { Origin: origin })
    await expect(at('https://example.com')).rejects.toThrow()
    using page = await at('https://app.example.com')
    expect(page.socket.readyState).toBe(WebSocket.OPEN)
  })

  test('counts its WebSockets among those that have not registered', async () => {
    await using server = await startServer({ PARLEY_MAX_UNREGISTERED_PER_ADDRESS: '1' }, { clock: manualClock() })
    const first = await TestPeer.connect(`${wsOf(server)}/ws`)
    using second = await server.connect()
    expect((await first.closed).code).toBe(4429)
    expect(second.socket.readyState).toBe(WebSocket.OPEN)
  })

  test('closes one whose message is too big, and one that never registers', async () => {
    const clock = manualClock()
    await using server = await startServer(
      { PARLEY_MAX_MESSAGE_BYTES: '1024', PARLEY_REGISTER_TIMEOUT_SECONDS: '10' },
      { clock },
    )
    const big = await rawConnection(server.http, '/ws')
    big.write(Uint8Array.of(0x81, 0xfe, 0x08, 0x00, 0, 0, 0, 0, ...new Uint8Array(2048)))
    expect(await big.closeCode()).toBe(1009)
    const late = await TestPeer.connect(`${wsOf(server)}/ws`)
    clock.advance(10_000)
    expect((await late.closed).code).toBe(4408)
  })
})

for (const kind of ['one port', 'two ports'] as const) {
  test(`without descriptors to spare, ${kind} refuse new WebSockets and keep the old ones`, async () => {
    const log = recordingLog()
    await using server = await (kind === 'one port' ? onePort({}, { log }) : startServer({}, { log }))
    const url = `${wsOf(server)}/ws`
    const { ada } = await meet(server, url)
    server.spare('gateway')
    const refused = await fetch(`${server.http}/ws`, { headers: { Upgrade: 'websocket' } })
    expect([refused.status, await refused.json()]).toEqual([503, expect.objectContaining({ code: 'UNAVAILABLE' })])
    await expect(TestPeer.connect(url)).rejects.toThrow()
    await expect(TestPeer.connect(server.ws)).rejects.toThrow()
    expect((await fetch(`${server.http}/livez`)).status).toBe(200)
    server.spare('all')
    await expect(fetch(`${server.http}/livez`)).rejects.toThrow()
    expect(await ada.ask({ type: 'nonsense' })).toMatchObject({ type: 'error' })

    server.spare('none')
    using again = await TestPeer.connect(url)
    using other = await server.connect()
    expect([again, other].map(({ socket }) => socket.readyState)).toEqual([WebSocket.OPEN, WebSocket.OPEN])
    expect(log.lines.filter(({ level }) => level === 40)).toHaveLength(1)
  })
}
