import { expect, test } from 'bun:test'
import { post } from './api.ts'
import { Inbox } from './inbox.ts'
import { startParley } from './parley-process.ts'

/** A WebSocket that knows nothing of the protocol. */
async function connect(url: string) {
  const socket = new WebSocket(url)
  const inbox = new Inbox<Record<string, unknown>>()
  socket.onmessage = ({ data }) => inbox.push(JSON.parse(String(data)))
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = reject
  })
  return {
    send: (message: object) => socket.send(JSON.stringify(message)),
    receive: () => inbox.next(),
    close: () => socket.close(),
  }
}

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
  const client = await connect(wsUrl)
  client.send({ type: 'register', peer_id: 'Client-123', room_id, token, id_token })
  expect(await client.receive()).toMatchObject({ type: 'registered_auth', peer_id: 'Client-123', room_id, token })

  const { body: other } = await post(`${httpUrl}/anonymous-signin`)
  const worker = await connect(wsUrl)
  worker.send({ type: 'register', peer_id: 'Worker-456', room_id, token, id_token: other.id_token })
  expect(await worker.receive()).toMatchObject({ type: 'registered_auth', peer_id: 'Worker-456', room_id, token })

  // SDP Exchange, and Exchange SDP & ICE
  const offer = { type: 'offer', sender: 'Client-123', target: 'Worker-456', sdp: 'v=0...' }
  const answer = { type: 'answer', sender: 'Worker-456', target: 'Client-123', sdp: 'v=0...' }
  client.send(offer)
  expect(await worker.receive()).toEqual(offer)
  worker.send(answer)
  expect(await client.receive()).toEqual(answer)
  const candidate = {
    candidate: 'candidate:1 1 UDP 2122252543 192.0.2.7 50000 typ host',
    sdpMid: '0',
    sdpMLineIndex: 0,
  }
  const fromClient = { type: 'candidate', sender: 'Client-123', target: 'Worker-456', candidate }
  const fromWorker = { type: 'candidate', sender: 'Worker-456', target: 'Client-123', candidate }
  client.send(fromClient)
  worker.send(fromWorker)
  expect(await worker.receive()).toEqual(fromClient)
  expect(await client.receive()).toEqual(fromWorker)

  // Error notification
  client.send({ ...offer, target: 'Worker-789' })
  expect(await client.receive()).toMatchObject({ type: 'error', reason: 'There is no such peer in the room.' })

  // Cleanup
  const cleanup = () => post(`${httpUrl}/delete-peers-and-room`, { peer_id: 'Worker-456' })
  expect(await cleanup()).toEqual({ status: 200, body: { status: 'peer deleted successfully' } })
  expect(await cleanup()).toEqual({ status: 200, body: { status: 'peer not found' } })
  const late = await connect(wsUrl)
  late.send({ type: 'register', peer_id: 'Client-123', room_id, token, id_token })
  expect(await late.receive()).toMatchObject({ type: 'error', reason: 'Room not found' })
  for (const each of [client, worker, late]) each.close()

  // None of it is for the log.
  await parley.stop()
  const log = parley.stderr.join('\n')
  expect(log).toContain('peer registered')
  for (const secret of [id_token, other.id_token, token, 'v=0', 'candidate:']) expect(log).not.toContain(String(secret))
})
