import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { startServer, type TestServer } from '../../test/harness.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const composed = 'Zoë'
const decomposed = 'Zoe\u0308'

const newRoom = async () => server.createRoom(await server.signIn())

describe('a peer whose name has two spellings', () => {
  test('is reached by either, hears each message as it was sent, and keeps its own', async () => {
    const room = await newRoom()
    using zoe = await server.join(room, decomposed)
    using max = await server.join(room, 'max')
    expect(await max.ask({ type: 'query' })).toMatchObject({ peers: [decomposed] })
    for (const target of [composed, decomposed]) {
      const text = `{"type":"offer", "target":"${target}", "sender":"max", "n":1.0}`
      max.send(text)
      expect(await zoe.nextText()).toBe(text)
      max.send({ type: 'peer_message', to_peer_id: target, payload: 1 })
      expect(await zoe.next()).toMatchObject({ from_peer_id: 'max', payload: 1 })
      max.send({ type: 'mesh_connect', target_peer_id: target, offer: 1 })
      expect(await zoe.next()).toMatchObject({ type: 'mesh_offer' })
    }
    for (const sender of [composed, decomposed]) {
      const text = `{"type":"answer","sender":"${sender}","target":"max"}`
      zoe.send(text)
      expect(await max.nextText()).toBe(text)
    }
    zoe.send({ type: 'answer', target: 'max' })
    expect(await max.next()).toMatchObject({ sender: decomposed })
    expect(await zoe.ask({ type: 'answer', sender: 'Zoe', target: 'max' })).toMatchObject({ code: 'SENDER_MISMATCH' })
    expect(await max.ask({ type: 'offer', target: 'Zoe' })).toMatchObject({ code: 'PEER_NOT_FOUND' })
  })

  test('is told by the spelling that it registered with, as it compares that with its own', async () => {
    const { room_id, token } = await newRoom()
    const id_token = await server.signIn()
    using peer = await server.connect()
    for (const peer_id of [decomposed, composed]) {
      expect(await peer.ask({ type: 'register', peer_id, room_id, token, id_token })).toMatchObject({ peer_id })
    }
  })

  test('cannot be there twice: another identity is refused, the same one takes over', async () => {
    const room = await newRoom()
    const { room_id, token } = room
    using witness = await server.join(room, 'witness', { features: ['presence'] })
    const id_token = await server.signIn()
    using zoe = await server.connect()
    await zoe.ask({ type: 'register', peer_id: decomposed, room_id, token, id_token, features: ['acks'] })
    using stranger = await server.connect()
    const register = { type: 'register', peer_id: composed, room_id, token }
    expect(await stranger.ask({ ...register, id_token: await server.signIn() })).toMatchObject({
      code: 'PEER_ID_TAKEN',
    })
    using again = await server.connect()
    expect(await again.ask({ ...register, id_token })).toMatchObject({ peer_list: ['witness'] })
    expect(await zoe.closed).toMatchObject({ code: 4505 })
    expect(await witness.rest()).toMatchObject([
      { type: 'peer_joined', peer: { peer_id: decomposed } },
      { type: 'peer_left', peer_id: decomposed, reason: 'replaced' },
      { type: 'peer_joined', peer: { peer_id: composed } },
    ])
  })

  test('is removed over HTTP by either', async () => {
    const idToken = await server.signIn()
    const room = await server.createRoom(idToken)
    const { token } = room
    using _ = await server.join(room, 'max')
    using zoe = await server.join(room, decomposed)
    const removed = await server.post('/delete-peer', { peer_id: composed, token })
    expect(await removed.json()).toEqual({ status: 'peer deleted successfully. Room status: active' })
    expect(await zoe.closed).toMatchObject({ code: 4507 })
    using back = await server.join(room, composed)
    const path = `${server.http}/rooms/${room.room_id}/peers/${encodeURIComponent(decomposed)}`
    const headers = { Authorization: `Bearer ${idToken}` }
    expect((await fetch(path, { method: 'DELETE', headers })).status).toBe(204)
    expect(await back.closed).toMatchObject({ code: 4507 })
    expect((await fetch(`${path}/readmit`, { method: 'POST', headers })).status).toBe(204)
  })
})

test('channels and roles are the same however they are spelt', async () => {
  const room = await newRoom()
  const features = ['channels', 'acks']
  using a = await server.join(room, 'a', { features, channels: [decomposed], role: decomposed })
  using b = await server.join(room, 'b', { features, channels: [composed, decomposed] })
  expect(await b.ask({ type: 'discover_peers', filters: { role: decomposed } })).toMatchObject({
    count: 1,
    peers: [{ peer_id: 'a', role: composed }],
  })
  b.send({ type: 'broadcast', channel: decomposed, payload: 1 })
  expect(await a.next()).toMatchObject({ channel: composed, payload: 1 })
  expect(await a.ask({ type: 'leave_channel', channel: composed, request_id: 'x' })).toMatchObject({ type: 'ack' })
  expect(await b.ask({ type: 'offer', target: 'a' })).toMatchObject({ code: 'PEER_NOT_FOUND' })
})

test('names with joiners and flags are names: of peers, channels, roles, invitations and rooms', async () => {
  const idToken = await server.signIn()
  const headers = { Authorization: `Bearer ${idToken}` }
  const names = ['می‌خواهم', '👨‍👩‍👧‍👦', '🏴󠁧󠁢󠁷󠁬󠁳󠁿']
  for (const name of names) {
    const room = await server.createRoom(idToken, { name })
    const seen = await fetch(`${server.http}/rooms/${room.room_id}`, { headers })
    expect(await seen.json()).toMatchObject({ name })
    using a = await server.join(room, name, { role: name, channels: [name] })
    using b = await server.join(room, 'b', { channels: [name] })
    b.send({ type: 'offer', target: name })
    expect(await a.next()).toMatchObject({ target: name })
    const invite = await server.post(`/rooms/${room.room_id}/invites`, { role: name, channels: [name] }, headers)
    expect(await invite.json()).toMatchObject({ role: name, channels: [name] })
  }
  for (const name of ['pay\u200dpal', '\u200d', 'a\u202eb', 'x'.repeat(129)]) {
    const refused = await server.post('/create-room', { name }, headers)
    expect([refused.status, await refused.json()]).toMatchObject([
      400,
      { code: 'INVALID_MESSAGE', detail: 'name: must be 1 to 128 printable characters' },
    ])
  }
})
