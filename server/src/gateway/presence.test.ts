import { expect, test } from 'bun:test'
import { startServer, type TestServer } from '../../test/harness.ts'
import { clientFrame, rawConnection } from '../../test/raw-connection.ts'

const presence = { features: ['presence'] }

async function watchedRoom(server: TestServer) {
  const room = await server.createRoom(await server.signIn())
  return { room, watcher: await server.join(room, 'watcher', presence) }
}

test('a peer that closes its connection has left, one whose connection breaks is disconnected', async () => {
  await using server = await startServer()
  const { room, watcher } = await watchedRoom(server)
  for (const code of [1000, 1001, undefined]) {
    const peer = await server.join(room, 'a')
    expect(await watcher.next()).toMatchObject({ type: 'peer_joined', peer: { peer_id: 'a' } })
    peer.socket.close(code)
    expect(await watcher.next()).toEqual({ type: 'peer_left', peer_id: 'a', reason: 'left' })
  }
  const { room_id, token } = room
  const register = { type: 'register', peer_id: 'a', room_id, token, id_token: await server.signIn() }
  const broken = await rawConnection(server.ws)
  broken.write(clientFrame(1, Buffer.from(JSON.stringify(register))))
  expect(await watcher.next()).toMatchObject({ type: 'peer_joined' })
  broken.end()
  expect(await watcher.next()).toEqual({ type: 'peer_left', peer_id: 'a', reason: 'disconnected' })
})

test('a peer that registers as another one has left', async () => {
  await using server = await startServer()
  const { room, watcher } = await watchedRoom(server)
  using peer = await server.join(room, 'a')
  await watcher.next()
  await peer.ask({ type: 'register', peer_id: 'b', ...room, id_token: await server.signIn() })
  expect(await watcher.next()).toEqual({ type: 'peer_left', peer_id: 'a', reason: 'left' })
  expect(await watcher.next()).toMatchObject({ type: 'peer_joined', peer: { peer_id: 'b' } })
})

test('a server that stops says bye, and not who else goes', async () => {
  const server = await startServer()
  const { room, watcher } = await watchedRoom(server)
  using a = await server.join(room, 'a', presence)
  await watcher.next()
  await server[Symbol.asyncDispose]()
  for (const peer of [watcher, a]) {
    const bye = await peer.next()
    expect(bye).toMatchObject({ type: 'bye', code: 'SHUTTING_DOWN', reason: 'shutting_down' })
    expect(bye.retry_after).toBeWithin(0, 1.001)
    expect((await peer.closed).code).toBe(1001)
    await expect(peer.next()).rejects.toThrow('closed')
  }
})

test('a room that is deleted is told so, then its peers are let go', async () => {
  await using server = await startServer()
  const { room, watcher } = await watchedRoom(server)
  using plain = await server.join(room, 'plain')
  await watcher.next()
  await server.post('/delete-peers-and-room', { room_id: room.room_id, token: room.token })
  expect(await watcher.next()).toEqual({ type: 'peer_left', peer_id: 'plain', reason: 'room_closed' })
  expect(await watcher.next()).toEqual({ type: 'room_closed', reason: 'deleted' })
  expect(await watcher.next()).toMatchObject({ type: 'bye', reason: 'room_closed', close_code: 4504 })
  expect((await watcher.closed).code).toBe(4504)
  expect((await plain.closed).code).toBe(4504)
})

test('a peer whose connection the server ends has left at once, however long the end takes', async () => {
  await using server = await startServer({ PARLEY_ERRORS_PER_MINUTE: '1' })
  const { room, watcher } = await watchedRoom(server)
  const { room_id, token } = room
  const features = ['acks']
  const register = { type: 'register', peer_id: 'a', room_id, token, id_token: await server.signIn(), features }
  // It never answers the ping that its end waits for.
  const abuser = await rawConnection(server.ws)
  abuser.write(clientFrame(1, Buffer.from(JSON.stringify(register))))
  expect(await watcher.next()).toMatchObject({ type: 'peer_joined' })
  for (let n = 0; n < 3; n++) abuser.write(clientFrame(1, Buffer.from('{}')))
  expect(await watcher.next()).toEqual({ type: 'peer_left', peer_id: 'a', reason: 'disconnected' })
  abuser.end()
  expect(await watcher.rest()).toHaveLength(0)
})

test('a peer that does not read its answers is closed with 4410, and has left at once', async () => {
  await using server = await startServer({ PARLEY_MAX_QUEUE_BYTES: '65536', PARLEY_MAX_FAN_OUT_PER_SECOND: '1000000' })
  const { room, watcher } = await watchedRoom(server)
  using _ = await server.join(room, 'b', { metadata: { text: 'x'.repeat(16_000) } })
  await watcher.next()
  const { room_id, token } = room
  const register = { type: 'register', peer_id: 'deaf', room_id, token, id_token: await server.signIn() }
  const deaf = await rawConnection(server.ws)
  deaf.write(clientFrame(1, Buffer.from(JSON.stringify(register))))
  expect(await watcher.next()).toMatchObject({ type: 'peer_joined', peer: { peer_id: 'deaf' } })
  deaf.pause()
  const ask = clientFrame(1, Buffer.from('{"type":"discover_peers"}'))
  for (let n = 0; n < 2000; n++) deaf.write(ask)
  expect(await watcher.next()).toEqual({ type: 'peer_left', peer_id: 'deaf', reason: 'disconnected' })
  deaf.resume()
  expect(await deaf.closeCode()).toBe(4410)
})
