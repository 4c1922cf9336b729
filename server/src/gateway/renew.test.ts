import { expect, test } from 'bun:test'
import { startServer, type TestPeer } from '../../test/harness.ts'
import { type ManualClock, manualClock } from '../clock.ts'

/** Seconds that an ID token lasts. */
const life = 3600

/** Lets so many seconds go by for peers that show now and then that they are there. */
async function pass(clock: ManualClock, seconds: number, ...peers: TestPeer[]): Promise<void> {
  for (let left = seconds; left > 0; left -= 20) {
    for (const peer of peers) {
      peer.send({ type: 'query' })
      expect(await peer.next()).toMatchObject({ type: 'available_peers' })
    }
    clock.advance(Math.min(left, 20) * 1000)
  }
}

async function signIn(http: string): Promise<{ id_token: string; refresh_token: string; expires_at: number }> {
  return (await (await fetch(`${http}/anonymous-signin`, { method: 'POST' })).json()) as never
}

test('renew is answered with its request_id, in order, and what it keeps waiting comes right after', async () => {
  const clock = manualClock()
  await using server = await startServer({}, { clock })
  const { id_token, refresh_token } = await signIn(server.http)
  const room = await server.createRoom(id_token)
  using peer = await server.connect()
  peer.send({
    type: 'register',
    peer_id: 'ada',
    ...room,
    id_token,
    features: ['acks', 'token-refresh'],
    request_id: '1',
  })
  expect(await peer.next()).toMatchObject({ type: 'registered_auth' })
  await pass(clock, life - 60, peer)
  expect(await peer.next()).toMatchObject({ type: 'token_expiring' })

  const newer = (await (await server.post('/refresh-token', { refresh_token })).json()) as typeof room & {
    id_token: string
  }
  peer.send({ type: 'renew', id_token: newer.id_token, request_id: '2' })
  peer.send({ type: 'query', request_id: '3' })
  peer.send({ type: 'renew', id_token: 'nonsense', request_id: '4' })
  peer.send({ type: 'renew', request_id: '5' })
  peer.send({ type: 'query', request_id: '6' })
  expect(await peer.next()).toEqual({ type: 'renewed', expires_at: newer.expires_at, request_id: '2' })
  expect(await peer.next()).toMatchObject({ type: 'available_peers', request_id: '3' })
  expect(await peer.next()).toMatchObject({ type: 'error', code: 'INVALID_TOKEN', request_id: '4' })
  expect(await peer.next()).toMatchObject({ type: 'error', code: 'INVALID_MESSAGE', request_id: '5' })
  expect(await peer.next()).toMatchObject({ type: 'available_peers', request_id: '6' })
})

test('renew before register is told so', async () => {
  await using server = await startServer()
  using peer = await server.connect()
  peer.send({ type: 'renew', id_token: 'x' })
  expect(await peer.next()).toMatchObject({ type: 'error', code: 'NOT_IN_ROOM' })
})

test('a peer that outlives its ID token where none may is closed with 4401, which means “come back”', async () => {
  const clock = manualClock()
  await using server = await startServer({ PARLEY_EXPIRED_TOKENS: 'close' }, { clock })
  const room = await server.createRoom(await server.signIn())
  using plain = await server.join(room, 'plain')
  using peer = await server.join(room, 'ada', { features: ['token-refresh'] })
  await pass(clock, life - 60, plain, peer)
  expect(await peer.next()).toMatchObject({ type: 'token_expiring' })
  await pass(clock, 85, plain, peer)
  expect(await peer.next()).toMatchObject({ type: 'bye', code: 'TOKEN_EXPIRED', close_code: 4401 })
  expect(await Promise.all([peer.closed, plain.closed])).toEqual([
    { code: 4401, reason: 'The ID token of this peer has expired.' },
    { code: 4401, reason: 'The ID token of this peer has expired.' },
  ])
  using again = await server.join(room, 'plain')
  expect(again).toBeDefined()
})

test('where nothing is said, peers outlive their ID tokens, as they did on the original', async () => {
  const clock = manualClock()
  await using server = await startServer({}, { clock })
  const room = await server.createRoom(await server.signIn())
  using plain = await server.join(room, 'plain')
  await pass(clock, life + 120, plain)
  plain.send({ type: 'query' })
  expect(await plain.next()).toMatchObject({ type: 'available_peers' })
})
