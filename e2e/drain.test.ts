import { expect, test } from 'bun:test'
import type { Room } from '@parley/client'
import { startParley } from './parley-process.ts'
import { enter, parleyAt } from './sdk-peer.ts'

/** How often `/metrics` says that a session has gone on over another connection. */
async function resumptions(httpUrl: string): Promise<number> {
  const text = await (await fetch(`${httpUrl}/metrics`)).text()
  return Number(/^parley_sessions_resumed_total (\d+)$/m.exec(text)?.[1])
}

test('peers with the SDK move to another connection while the server drains, and notice nothing until it ends', async () => {
  const server = await startParley({ settings: { PARLEY_DRAIN_NOTICE_SECONDS: '1', PARLEY_DRAIN_SECONDS: '6' } })
  const created = await (await parleyAt(server)).createRoom()
  // The WebSockets of the HTTP port are another listener of the same server.
  const elsewhere = { ...server, wsUrl: `${server.httpUrl.replace('http', 'ws')}/ws` }
  const rooms: Room[] = []
  for (let i = 0; i < 10; i++) rooms.push(await enter(i % 2 ? server : elsewhere, created, `peer-${i}`))
  const seen: string[] = []
  for (const room of rooms) {
    room.on('state', ({ status }) => seen.push(status))
    room.on('peerLeft', id => seen.push(`${id} left`))
  }
  const arrived: unknown[] = []
  for (const room of rooms) room.on('message', (_, payload) => arrived.push(payload))

  const start = performance.now()
  const stopped = server.stop()
  await server.said('"stopping"')
  expect((await fetch(`${server.httpUrl}/readyz`)).status).toBe(503)
  let sent = 0
  while ((await resumptions(server.httpUrl)) < rooms.length) {
    // Not more than a session keeps while nobody knows what arrives.
    if (sent < 1_000) for (const [i, room] of rooms.entries()) await room.send(`peer-${(i + 1) % rooms.length}`, ++sent)
  }
  // What is told after the notice is spread over half of six seconds, and each waits up to one second more.
  const moved = performance.now() - start
  expect(moved).toBeGreaterThan(1_000)
  expect(moved).toBeLessThan(6_000)
  expect(seen).toEqual([])
  expect(arrived.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: sent }, (_, i) => i + 1))
  const { code, milliseconds } = await stopped
  expect([code, seen.every(status => status === 'reconnecting')]).toEqual([0, true])
  expect(milliseconds).toBeGreaterThan(6_900)
  expect(milliseconds).toBeLessThan(12_500)
}, 30_000)

test('a second signal ends the drain, if it is not the first one that npm has passed on', async () => {
  const server = await startParley({ settings: { PARLEY_DRAIN_SECONDS: '60' } })
  const created = await (await parleyAt(server)).createRoom()
  const room = await enter(server, created, 'ada')
  const stopped = server.stop()
  await server.said('"stopping"')
  server.signal('SIGTERM')
  // Somebody who waits presses the keys again.
  await new Promise(resolve => setTimeout(resolve, 1_100))
  expect(room.state.status).toBe('connected')
  const lost = room.once('state')
  server.signal('SIGINT')
  expect((await lost)[0]).toMatchObject({ status: 'reconnecting', error: { code: 'SHUTTING_DOWN' } })
  const { code, milliseconds } = await stopped
  expect(code).toBe(0)
  expect(milliseconds).toBeLessThan(5_000)
}, 30_000)

test('a server without connections does not wait', async () => {
  const server = await startParley({ settings: { PARLEY_DRAIN_NOTICE_SECONDS: '60', PARLEY_DRAIN_SECONDS: '60' } })
  const { code, milliseconds } = await server.stop()
  expect(code).toBe(0)
  expect(milliseconds).toBeLessThan(2_000)
})
