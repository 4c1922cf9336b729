import { afterAll, expect } from 'bun:test'
import { type AiortcProcess, startDeployedWorker } from './aiortc-process.ts'
import { createRoom, post, type Room, signIn } from './api.ts'
import { DataChannelPeer, endDataChannels } from './datachannel-peer.ts'
import { hasDataChannel, needs } from './needs.ts'
import { type ParleyProcess, startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'
import { webrtcNeeds } from './scenarios.ts'

// Workers of the Python server's time end at an error and at a closed socket. With the default settings, nothing that
// they cannot help may end them: they may be in the middle of a job.

afterAll(async () => {
  if (await hasDataChannel()) await endDataChannels()
})

const withAiortc = needs(webrtcNeeds)
const worker = 'Worker-3108'

/** A server with the default settings, a room, and a peer that is told who comes and goes in it. */
async function start() {
  const parley = await startParley()
  const { httpUrl, wsUrl } = parley
  const owner = await signIn(httpUrl)
  const room = await createRoom(httpUrl, owner)
  const members = { features: ['presence'] }
  const watcher = await PlainPeer.register({ wsUrl, peerId: 'watcher', idToken: owner, room, members })
  return { ...parley, owner, room, watcher }
}

const register = async ({ httpUrl, wsUrl, room }: ParleyProcess & { room: Room }, peerId: string) =>
  DataChannelPeer.register({ wsUrl, peerId, idToken: await signIn(httpUrl), room })

/** Opens a data channel to the worker, which is told when to answer. */
async function open(client: DataChannelPeer, program: AiortcProcess) {
  const opening = client.offer(worker)
  await program.expect('offered')
  program.tell('answer')
  await program.expect('answered')
  return opening
}

const keptBack = async ({ httpUrl }: ParleyProcess) =>
  (await (await fetch(`${httpUrl}/metrics`)).text()).match(/^parley_errors_kept_back_total\{.*$/gm)

withAiortc('a job goes on past the end of its room, and so does the room for those who are in it', async () => {
  const parley = await start()
  const { httpUrl, wsUrl, room, owner, watcher } = parley
  const program = startDeployedWorker(httpUrl, wsUrl, room.room_id, room.token)
  await program.expect('registered')
  const [first, second] = [await register(parley, 'Client-1'), await register(parley, 'Client-2')]
  const channel = await open(first, program)
  channel.sendText('job')
  expect(await channel.received.next()).toBe('working')

  const headers = { Authorization: `Bearer ${owner}` }
  const end = { method: 'PATCH', headers, body: JSON.stringify({ ttl_seconds: 1 }) }
  expect((await fetch(`${httpUrl}/rooms/${room.room_id}`, end)).status).toBe(200)
  await watcher.messages.find(({ type }) => type === 'room_closed')
  expect(await watcher.messages.next()).toMatchObject({ type: 'error', code: 'ROOM_EXPIRED' })
  const late = await PlainPeer.connect(wsUrl, 'late')
  late.send({ type: 'register', peer_id: 'late', ...room, id_token: await signIn(httpUrl) })
  expect(await late.messages.next()).toMatchObject({ type: 'error', code: 'ROOM_EXPIRED', reason: 'Room expired' })

  // Another connection, as after a change of the network; and workers register again from time to time.
  program.tell('register')
  await program.expect('registered')
  const other = await open(second, program)
  other.sendText('job')
  expect(await other.received.next()).toBe('working')

  channel.sendText('done?')
  expect(await channel.received.next()).toBe('result')
  program.tell('stop')
  expect((await program.ended).code).toBe(0)
})

for (const [version, ...role] of [['v1'], ['v2', 'worker']] as const) {
  withAiortc(`a client that is gone before the answer does not end a worker (${version})`, async () => {
    const parley = await start()
    const { httpUrl, wsUrl, room, watcher } = parley
    const program = startDeployedWorker(httpUrl, wsUrl, room.room_id, room.token, ...role)
    await program.expect('registered')
    const gone = await register(parley, 'gone')
    gone.offer(worker).catch(() => {})
    await program.expect('offered')
    gone.signaling.abort()
    await watcher.messages.find(({ type, peer_id }) => type === 'peer_left' && peer_id === 'gone')
    program.tell('answer')
    await program.expect('answered')

    const client = await register(parley, 'Client-1')
    const channel = await open(client, program)
    channel.sendText('done?')
    expect(await channel.received.next()).toBe('result')
    expect(await keptBack(parley)).toEqual(['parley_errors_kept_back_total{code="PEER_NOT_FOUND"} 1'])
    program.tell('stop')
    expect((await program.ended).code).toBe(0)
  })
}

withAiortc('a client that cleans up after itself does not end the workers that stay', async () => {
  const parley = await start()
  const { httpUrl, wsUrl, room } = parley
  const program = startDeployedWorker(httpUrl, wsUrl, room.room_id, room.token)
  await program.expect('registered')
  for (const visit of [1, 2]) {
    const client = await register(parley, 'Client-1')
    const channel = await open(client, program)
    channel.sendText('done?')
    expect(await channel.received.next()).toBe('result')
    client.signaling.close()
    await client.signaling.closed
    const cleanUp = () => post(`${httpUrl}/delete-peers-and-room`, { peer_id: 'Client-1' })
    expect([visit, await cleanUp()]).toEqual([visit, { status: 200, body: { status: 'peer deleted successfully' } }])
    expect((await cleanUp()).body).toEqual({ status: 'peer not found' })
  }
  program.tell('stop')
  expect((await program.ended).code).toBe(0)
})
