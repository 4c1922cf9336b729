import { expect, test } from 'bun:test'
import { createRoom, signIn } from './api.ts'
import { openBlackHole } from './black-hole.ts'
import { startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'

/** The server pings who is silent for a quarter of this, and gives up nobody by itself before three quarters. Seconds. */
const deadAfter = 40

test('a plain peer whose network has died makes way within 5 s for one that comes back under its name as somebody else', async () => {
  const { httpUrl, wsUrl } = await startParley({
    settings: { PARLEY_DEAD_AFTER_SECONDS: String(deadAfter) },
  })
  const room = await createRoom(httpUrl, await signIn(httpUrl))
  const way = await openBlackHole(wsUrl)
  const [first, second] = [await signIn(httpUrl), await signIn(httpUrl)]
  await PlainPeer.register({ wsUrl: way.wsUrl, peerId: 'worker', idToken: first, room })
  const since = performance.now()
  way.swallow()
  await way.swallowed()

  const asked = performance.now()
  const worker = await PlainPeer.register({ wsUrl, peerId: 'worker', idToken: second, room })
  expect(performance.now() - asked).toBeLessThan(5_000)
  // It was not the heartbeat that has found out.
  expect(performance.now() - since).toBeLessThan(0.75 * deadAfter * 1000)

  // Who answers keeps the place, however long it has said nothing.
  const stranger = await PlainPeer.connect(wsUrl, 'worker')
  stranger.send({ type: 'register', peer_id: 'worker', ...room, id_token: first })
  expect(await stranger.messages.next()).toMatchObject({ type: 'error', code: 'PEER_ID_TAKEN' })
  worker.send({ type: 'query' })
  expect(await worker.messages.next()).toMatchObject({ type: 'available_peers', peers: [] })
}, 60_000)
