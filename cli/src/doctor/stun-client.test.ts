import { describe, expect, onTestFinished, test } from 'bun:test'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type StunBehaviour, type StunServer, serveTcp, serveUdp } from '../../test/stun-server.ts'
import type { IceTransport } from './ice-url.ts'
import { bind, StunClient, StunRefusal } from './stun-client.ts'
import { codeOf, Trouble } from './trouble.ts'
import { allocate } from './turn.ts'

const host = '127.0.0.1'
const credentials = { username: '1700003600:me', credential: 'pass word' }
const here = { ip: host, port: expect.any(Number) }

async function started(server: Promise<StunServer>): Promise<StunServer> {
  const running = await server
  onTestFinished(() => running.close())
  return running
}

/** A client that ends with the test. */
async function open(port: number, transport: IceTransport = 'udp'): Promise<StunClient> {
  const ending = new AbortController()
  onTestFinished(() => ending.abort())
  return StunClient.open({ kind: 'turn', host, port, transport }, ending.signal)
}

async function turnServer(behaviour: StunBehaviour = {}): Promise<{ server: StunServer; client: StunClient }> {
  const server = await started(serveUdp({ password: credentials.credential, ...behaviour }))
  return { server, client: await open(server.port) }
}

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'nothing was thrown',
    error => error,
  )

describe('a binding', () => {
  test('is answered over UDP', async () => {
    const { port } = await started(serveUdp())
    const client = await open(port)
    expect(await bind(client)).toEqual(here)
    expect(client.remote).toEqual({ ip: host, port })
  })

  test('is asked for again when datagrams are lost', async () => {
    const { port, requests } = await started(serveUdp({ losesFirst: 2 }))
    expect(await bind(await open(port))).toEqual(here)
    expect(requests).toEqual(['binding'])
  })

  test('is answered over TCP, whatever pieces the stream comes in', async () => {
    const { port } = await started(serveTcp())
    const client = await open(port, 'tcp')
    expect([await bind(client), await bind(client)]).toEqual([here, here])
  })

  test('is not taken from an answer to something else', async () => {
    const server = createSocket('udp4')
    onTestFinished(() => void server.close())
    const answer = Buffer.from('0101000c2112a442', 'hex')
    const address = Buffer.from('002000080001a147e112a643', 'hex')
    server.on('message', (request, { port }) => {
      const id = request.subarray(8, 20)
      const reply = (transactionId: Buffer) => Buffer.concat([answer, transactionId, address])
      for (const bytes of [Buffer.from('no STUN'), reply(Buffer.alloc(12)), reply(id)]) server.send(bytes, port, host)
    })
    server.bind(0, host)
    await once(server, 'listening')
    expect(await bind(await open(server.address().port))).toEqual({ ip: '192.0.2.1', port: 32853 })
  })

  test('says that a UDP port is closed', async () => {
    const { port, close } = await serveUdp()
    await close()
    expect(codeOf(await rejection(open(port).then(bind)))).toBe('ECONNREFUSED')
  })

  test('says that a TCP port is closed', async () => {
    const { port, close } = await serveTcp()
    await close()
    expect(codeOf(await rejection(open(port, 'tcp')))).toBe('ECONNREFUSED')
  })

  test.each(['SSH-2.0-OpenSSH_9.6\r\n', 'HTTP/1.1 400 Bad Request\r\n\r\n'])(
    'notices that %p is no STUN',
    async greeting => {
      const server = createServer(socket => void socket.on('error', () => {}).end(greeting)).listen(0, host)
      onTestFinished(() => void server.close())
      await once(server, 'listening')
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      expect(await rejection(open(port, 'tcp').then(bind))).toEqual(
        new Trouble('What answers there does not speak STUN.'),
      )
    },
  )

  test('ends when it is told to, and later ones at once', async () => {
    const silent = createSocket('udp4')
    onTestFinished(() => void silent.close())
    silent.bind(0, host)
    await once(silent, 'listening')
    const ending = new AbortController()
    const url = { kind: 'stun', host, port: silent.address().port, transport: 'udp' } as const
    const client = await StunClient.open(url, ending.signal)
    const arrived = once(silent, 'message')
    const request = rejection(bind(client))
    await arrived
    ending.abort(new Error('enough'))
    expect(await request).toEqual(new Error('enough'))
    expect(await rejection(bind(client))).toEqual(new Error('enough'))
  })
})

describe('an allocation', () => {
  test('takes two requests, and is given back', async () => {
    const { server, client } = await turnServer()
    const allocation = await allocate(client, credentials)
    expect(allocation).toMatchObject({ relayed: { ip: '192.0.2.9', port: 50_000 }, isOpen: false })
    await allocation.release()
    expect(server.requests).toEqual(['allocate', 'allocate with credentials', 'refresh with credentials'])
  })

  test('takes a new nonce when its own is outdated', async () => {
    const { server, client } = await turnServer({ staleNonces: 2 })
    expect(await allocate(client, credentials)).toMatchObject({ isOpen: false })
    expect(server.requests).toHaveLength(4)
  })

  test('does not do so for ever', async () => {
    const { client } = await turnServer({ staleNonces: 1000 })
    expect(await rejection(allocate(client, credentials))).toEqual(new StunRefusal(438, 'Stale Nonce'))
  })

  test('is refused with another password', async () => {
    const { client } = await turnServer({ password: 'another' })
    expect(await rejection(allocate(client, credentials))).toEqual(new StunRefusal(401, 'Unauthorized'))
  })

  test('is refused when there are no relays left', async () => {
    const { client } = await turnServer({ refusal: [508, 'Insufficient Capacity'] })
    expect(await rejection(allocate(client, credentials))).toEqual(new StunRefusal(508, 'Insufficient Capacity'))
  })

  test('is not believed without the signature of the server', async () => {
    const { client } = await turnServer({ forges: true })
    expect(await rejection(allocate(client, credentials))).toHaveProperty(
      'message',
      'Its answer is not signed with the credentials.',
    )
  })

  test('shows that a server asks for no credentials', async () => {
    const { port } = await started(serveUdp())
    expect(await allocate(await open(port), credentials)).toMatchObject({ isOpen: true })
  })
})
