import { expect } from 'bun:test'
import { createHash, randomBytes } from 'node:crypto'
import { type AiortcProcess, python, startAiortc } from './aiortc-process.ts'
import { createRoom, post, signIn } from './api.ts'
import { type Channel, DataChannelPeer } from './datachannel-peer.ts'
import { hasDataChannel, runs } from './needs.ts'
import type { ParleyProcess } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'

// What must work on every set-up: embedded, on AWS, in a container.

/** Where a server is. */
export type Server = Pick<ParleyProcess, 'httpUrl' | 'wsUrl'>

/** What the scenarios with data channels need beside a server, for `needs`. */
export const webrtcNeeds = {
  'node-datachannel': await hasDataChannel(),
  [`${python} with aiortc and websockets`]: runs(python, '-c', 'import aiortc, websockets'),
}

/**
 * The flows and workflows of the quick reference, to the letter.
 * @returns all that was sent and that no log may have
 */
export async function quickReference({ httpUrl, wsUrl }: Server): Promise<readonly string[]> {
  // Initialize Connection
  const { body: signedIn } = await post(`${httpUrl}/anonymous-signin`)
  const { id_token, username } = signedIn
  expect([typeof id_token, typeof username]).toEqual(['string', 'string'])
  const { status, body: room } = await post(`${httpUrl}/create-room`, undefined, {
    Authorization: `Bearer ${id_token}`,
  })
  const { room_id, token } = room
  expect([status, typeof room_id, typeof token]).toEqual([200, 'string', 'string'])
  const lifetime = Number(room.expires_at) - Date.now() / 1000
  expect(lifetime).toBeWithin(7190, 7201)

  // Registration
  const client = await PlainPeer.connect(wsUrl, 'Client-123')
  client.send({ type: 'register', peer_id: 'Client-123', room_id, token, id_token })
  expect(await client.messages.next()).toMatchObject({ type: 'registered_auth', peer_id: 'Client-123', room_id, token })

  const { body: other } = await post(`${httpUrl}/anonymous-signin`)
  const worker = await PlainPeer.connect(wsUrl, 'Worker-456')
  worker.send({ type: 'register', peer_id: 'Worker-456', room_id, token, id_token: other.id_token })
  expect(await worker.messages.next()).toMatchObject({ type: 'registered_auth', peer_id: 'Worker-456', room_id, token })

  // SDP Exchange, and Exchange SDP & ICE
  const offer = { type: 'offer', sender: 'Client-123', target: 'Worker-456', sdp: 'v=0...' }
  const answer = { type: 'answer', sender: 'Worker-456', target: 'Client-123', sdp: 'v=0...' }
  client.send(offer)
  expect(await worker.messages.next()).toEqual(offer)
  worker.send(answer)
  expect(await client.messages.next()).toEqual(answer)
  const candidate = {
    candidate: 'candidate:1 1 UDP 2122252543 192.0.2.7 50000 typ host',
    sdpMid: '0',
    sdpMLineIndex: 0,
  }
  const fromClient = { type: 'candidate', sender: 'Client-123', target: 'Worker-456', candidate }
  const fromWorker = { type: 'candidate', sender: 'Worker-456', target: 'Client-123', candidate }
  client.send(fromClient)
  worker.send(fromWorker)
  expect(await worker.messages.next()).toEqual(fromClient)
  expect(await client.messages.next()).toEqual(fromWorker)

  // Error notification
  const stranger = await PlainPeer.connect(wsUrl, 'Client-124')
  stranger.send({ type: 'register', peer_id: 'Client-124', room_id, token: 'abc', id_token })
  expect(await stranger.messages.next()).toMatchObject({ type: 'error', reason: 'Invalid token' })

  // Cleanup
  const cleanup = () => post(`${httpUrl}/delete-peers-and-room`, { peer_id: 'Worker-456' })
  expect(await cleanup()).toEqual({ status: 200, body: { status: 'peer deleted successfully' } })
  expect(await cleanup()).toEqual({ status: 200, body: { status: 'peer not found' } })
  const late = await PlainPeer.connect(wsUrl, 'Client-123')
  late.send({ type: 'register', peer_id: 'Client-123', room_id, token, id_token })
  expect(await late.messages.next()).toMatchObject({ type: 'error', reason: 'Room not found' })

  return [id_token, other.id_token, token, 'v=0', 'candidate:'].map(String)
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

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

/** Two peers trickle candidates, open a data channel and exchange text and 5 MB. */
export async function dataChannel({ httpUrl, wsUrl }: Server): Promise<void> {
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
}

/** An aiortc worker answers a client that trickles. */
export async function aiortcWorker({ httpUrl, wsUrl }: Server): Promise<void> {
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
}

/** An aiortc client goes the whole way of deployed clients. */
export async function aiortcClient({ httpUrl, wsUrl }: Server): Promise<void> {
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
  // The client has cleaned up after itself; the worker stays.
  const next = await PlainPeer.register({ wsUrl, peerId: 'next', idToken: await signIn(httpUrl), room })
  expect(next.registration).toMatchObject({ peer_list: ['worker'] })
}
