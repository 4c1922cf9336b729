import { expect, test } from 'bun:test'
import { createRoom, signIn } from './api.ts'
import { freePorts } from './free-ports.ts'
import { startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'
import { parleyAt } from './sdk-peer.ts'

test('one port serves plain peers, the SDK and HTTP, and stops with all of them', async () => {
  const [port] = (await freePorts(1)).map(String)
  const settings = { PARLEY_HTTP_PORT: port ?? '', PARLEY_WS_PORT: port ?? '' }
  const parley = await startParley({ settings })
  const { httpUrl, wsUrl } = parley
  expect(new URL(wsUrl).port).toBe(new URL(httpUrl).port)

  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)
  const worker = await PlainPeer.register({ wsUrl, peerId: 'worker', idToken, room })
  const client = await PlainPeer.register({ wsUrl: `${wsUrl}/ws`, peerId: 'client', idToken, room })
  client.send({ type: 'offer', sender: 'client', target: 'worker', sdp: 'v=0' })
  expect(await worker.messages.next()).toMatchObject({ type: 'offer', sdp: 'v=0' })

  // As it is, and told of the path.
  for (const at of [wsUrl, `${wsUrl}/ws`]) {
    const sdk = await parleyAt({ httpUrl, wsUrl: at })
    const entered = await sdk.join({ roomId: room.room_id, token: room.token })
    await entered.leave()
  }
  expect(await (await fetch(`${httpUrl}/metrics`)).text()).toMatch(/^parley_connections_total 4$/m)

  expect((await parley.stop()).code).toBe(0)
  expect([await worker.closed, await client.closed]).toEqual([1001, 1001])
})

test('a port that another server has is named once where it is for both', async () => {
  const { httpUrl } = await startParley()
  const { port } = new URL(httpUrl)
  const started = startParley({ settings: { PARLEY_HTTP_PORT: port, PARLEY_WS_PORT: port } })
  const { stderr } = await started.then(
    () => Promise.reject(new Error('started')),
    error => error,
  )
  expect(stderr.filter((line: string) => line.includes('is in use'))).toHaveLength(1)
})
