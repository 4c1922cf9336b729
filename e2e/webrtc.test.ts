import { afterAll, expect } from 'bun:test'
import { createHash, randomBytes } from 'node:crypto'
import { type AiortcProcess, python, startAiortc } from './aiortc-process.ts'
import { createRoom, signIn } from './api.ts'
import { type Channel, DataChannelPeer, endDataChannels } from './datachannel-peer.ts'
import { hasDataChannel, needs, runs } from './needs.ts'
import { startParley } from './parley-process.ts'

const dataChannel = { 'node-datachannel': await hasDataChannel() }
const aiortc = { [`${python} with aiortc and websockets`]: runs(python, '-c', 'import aiortc, websockets') }

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

afterAll(async () => {
  if (await hasDataChannel()) await endDataChannels()
})

/** Text in both directions and 100 KB there and back, over an open channel with an aiortc program. */
async function converse(channel: Channel, program: AiortcProcess): Promise<void> {
  expect(await channel.received.next()).toBe('hello from aiortc')
  channel.sendText('hello from node-datachannel')
  expect((await program.expect('text')).text).toBe('hello from node-datachannel')

  const bytes = randomBytes(100_000)
  const [, echo] = await Promise.all([channel.sendBytes(bytes), channel.receiveBytes()])
  expect(await program.expect('bytes')).toEqual({ event: 'bytes', count: bytes.length, sha256: sha256(bytes) })
  expect(sha256(echo)).toBe(sha256(bytes))
}

needs(dataChannel)('two peers trickle candidates, open a data channel and exchange text and 5 MB', async () => {
  const parley = await startParley()
  const { httpUrl, wsUrl } = parley
  const clientToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, clientToken)
  const workerToken = await signIn(httpUrl)
  const worker = await DataChannelPeer.register({ wsUrl, peerId: 'worker', idToken: workerToken, room })
  const client = await DataChannelPeer.register({ wsUrl, peerId: 'client', idToken: clientToken, room })

  const clientChannel = await client.offer('worker')
  const workerChannel = await worker.channel
  expect(worker.candidatesReceived).toBeGreaterThan(0)

  clientChannel.sendText('hello from the client')
  expect(await workerChannel.received.next()).toBe('hello from the client')
  workerChannel.sendText('hello from the worker')
  expect(await clientChannel.received.next()).toBe('hello from the worker')

  const bytes = randomBytes(5_000_000)
  const [, received] = await Promise.all([clientChannel.sendBytes(bytes), workerChannel.receiveBytes()])
  expect(received.length).toBe(bytes.length)
  expect(sha256(received)).toBe(sha256(bytes))
})

needs({ ...dataChannel, ...aiortc })('an aiortc worker answers a client that trickles', async () => {
  const parley = await startParley()
  const { httpUrl, wsUrl } = parley
  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)
  const worker = startAiortc('worker', httpUrl, wsUrl, room.room_id, room.token)
  const { peer_id } = await worker.expect('registered')
  const client = await DataChannelPeer.register({ wsUrl, peerId: 'client', idToken, room })

  const channel = await client.offer(String(peer_id))
  await worker.expect('open')
  await converse(channel, worker)
  channel.sendText('goodbye')
  expect(await worker.ended).toEqual({ code: 0, stderr: '' })
})

needs({ ...dataChannel, ...aiortc })('an aiortc client goes the whole way of deployed clients', async () => {
  const parley = await startParley()
  const { httpUrl, wsUrl } = parley
  const client = startAiortc('client', httpUrl, wsUrl)
  const { room_id, token } = await client.expect('room')
  const room = { room_id: String(room_id), token: String(token) }
  const worker = await DataChannelPeer.register({ wsUrl, peerId: 'worker', idToken: await signIn(httpUrl), room })
  client.tell('worker')
  await client.expect('registered')

  const channel = await worker.channel
  await client.expect('open')
  await converse(channel, client)
  channel.sendText('goodbye')
  expect((await client.expect('deleted')).status).toBe('peer deleted successfully')
  expect(await client.ended).toEqual({ code: 0, stderr: '' })
  expect(await worker.signaling.closed).toBeGreaterThanOrEqual(4500)
})
