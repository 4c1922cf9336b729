import { expect, test } from 'bun:test'
import { post } from './api.ts'
import { startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'

test('the flows and workflows of the quick reference work, to the letter', async () => {
  const parley = await startParley({ settings: { PARLEY_LOG_LEVEL: 'trace' } })
  const { httpUrl, wsUrl } = parley

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
  client.send({ ...offer, target: 'Worker-789' })
  expect(await client.messages.next()).toMatchObject({ type: 'error', reason: 'There is no such peer in the room.' })

  // Cleanup
  const cleanup = () => post(`${httpUrl}/delete-peers-and-room`, { peer_id: 'Worker-456' })
  expect(await cleanup()).toEqual({ status: 200, body: { status: 'peer deleted successfully' } })
  expect(await cleanup()).toEqual({ status: 200, body: { status: 'peer not found' } })
  const late = await PlainPeer.connect(wsUrl, 'Client-123')
  late.send({ type: 'register', peer_id: 'Client-123', room_id, token, id_token })
  expect(await late.messages.next()).toMatchObject({ type: 'error', reason: 'Room not found' })

  // None of it is for the log.
  await parley.stop()
  const log = parley.stderr.join('\n')
  expect(log).toContain('peer registered')
  for (const secret of [id_token, other.id_token, token, 'v=0', 'candidate:']) expect(log).not.toContain(String(secret))
})
