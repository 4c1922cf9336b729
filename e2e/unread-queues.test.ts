import { expect, test } from 'bun:test'
import { readFile } from 'node:fs/promises'
import { createRoom, signIn } from './api.ts'
import { type ParleyProcess, startParley } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'
import { stubbornPeer } from './stubborn-peer.ts'

const MiB = 1024 * 1024
const budget = 24 * MiB
/** What a server takes that receives messages of this size and has no queues: code, garbage, what Bun keeps for itself. */
const otherwise = 64 * MiB
const deaf = 60

test('memory grows by the budget of all queues at most, whatever is sent to peers that do not read', async () => {
  const parley = await startParley({
    // By default nobody could send so much to so many in so short a time.
    settings: { PARLEY_QUEUE_MEMORY_BYTES: String(budget), PARLEY_MAX_FAN_OUT_PER_SECOND: '1000000000' },
  })
  const { httpUrl, wsUrl } = parley
  const idToken = await signIn(httpUrl)
  const room = await createRoom(httpUrl, idToken)
  for (let i = 0; i < deaf; i++) await stubbornPeer('nothing', wsUrl, `deaf-${i}`, idToken, room)
  const members = { features: ['acks'] }
  const sender = await PlainPeer.register({ wsUrl, peerId: 'sender', idToken, room, members })
  const reader = await PlainPeer.register({ wsUrl, peerId: 'reader', idToken, room })
  const before = await residentMemory(parley)

  let most = before
  const payload = 'x'.repeat(700_000)
  for (let i = 0; i < 12; i++) {
    sender.send({ type: 'broadcast', payload, request_id: `b${i}` })
    await sender.messages.next()
    expect(await reader.messages.next()).toMatchObject({ type: 'broadcast' })
    most = Math.max(most, await residentMemory(parley))
  }
  expect(most - before).toBeLessThan(budget + otherwise)
  expect(await metric(parley, 'parley_queued_bytes')).toBeLessThanOrEqual(budget / 2)
  expect(await metric(parley, 'parley_slow_consumers_total{limit="budget"}')).toBeGreaterThan(0)
  // Nobody else has noticed.
  sender.send({ type: 'offer', sender: 'sender', target: 'reader', sdp: 'v=0', request_id: 'last' })
  expect(await sender.messages.next()).toEqual({ type: 'ack', request_id: 'last', status: 'delivered' })
})

/** Bytes. */
async function residentMemory({ pid }: ParleyProcess): Promise<number> {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

async function metric({ httpUrl }: ParleyProcess, name: string): Promise<number> {
  const text = await (await fetch(`${httpUrl}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find(line => line.startsWith(`${name} `))
      ?.slice(name.length),
  )
}
