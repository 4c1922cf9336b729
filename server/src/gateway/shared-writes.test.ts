import { describe, expect, test } from 'bun:test'
import { startServer, type TestServer } from '../../test/harness.ts'
import { clientFrame, rawConnection } from '../../test/raw-connection.ts'

const frame = (message: object) => clientFrame(1, Buffer.from(JSON.stringify(message)))

/** Peers on connections without a library, in a room of their own. */
async function peers(server: TestServer, names: readonly string[], members: object = {}) {
  const room = await server.createRoom(await server.signIn())
  const raws: Awaited<ReturnType<typeof rawConnection>>[] = []
  for (const peer_id of names) {
    const raw = await rawConnection(server.ws)
    raw.write(frame({ type: 'register', peer_id, ...room, id_token: await server.signIn(), ...members }))
    await raw.until(bytes => bytes.includes('registered_auth'))
    raws.push(raw)
  }
  return raws
}

const signal = (target: string, n: number, more: object = {}) => frame({ type: 'candidate', target, n, ...more })
const last = (n: number) => (bytes: Buffer) => bytes.includes(`"n":${n}`)

describe('what goes to one socket in one turn', () => {
  test('goes in one write: relayed messages, and receipts with them', async () => {
    await using server = await startServer()
    const [ada, bob] = await peers(server, ['ada', 'bob'], { features: ['acks'] })
    if (!ada || !bob) throw new Error('not there')
    const [fromAda, fromBob] = [ada.chunks(), bob.chunks()]
    const burst = Array.from({ length: 20 }, (_, n) => signal('bob', n, { request_id: `r${n}` }))
    ada.write(Buffer.concat(burst))
    await bob.until(last(19))
    await ada.until(bytes => bytes.includes('"request_id":"r19"'))
    expect([ada.chunks() - fromAda, bob.chunks() - fromBob]).toEqual([1, 1])
    for (const raw of [ada, bob]) raw.end()
  })

  test('comes in order, and before the end of the connection', async () => {
    await using server = await startServer({ PARLEY_ERRORS_PER_MINUTE: '5' })
    const [ada] = await peers(server, ['ada'])
    if (!ada) throw new Error('not there')
    // What closes it comes in the same turn.
    const burst = Array.from({ length: 20 }, (_, n) => signal('ada', n))
    const nonsense = Array.from({ length: 11 }, () => clientFrame(1, Buffer.from('nonsense')))
    ada.write(Buffer.concat([...burst, ...nonsense]))
    const text = (await ada.closed).toString('latin1')
    expect([...text.matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n))).toEqual(Array.from({ length: 20 }, (_, n) => n))
    expect(text.match(/INVALID_JSON/g)).toHaveLength(5)
  })

  test('is refused when that would be too much, before it is queued: the receipts are true', async () => {
    await using server = await startServer({ PARLEY_MAX_QUEUE_BYTES: '65536' })
    const room = await server.createRoom(await server.signIn())
    using ada = await server.join(room, 'ada', { features: ['acks'] })
    const bob = await rawConnection(server.ws)
    bob.write(frame({ type: 'register', peer_id: 'bob', ...room, id_token: await server.signIn() }))
    await bob.until(bytes => bytes.includes('registered_auth'))
    bob.pause()
    const taken: number[] = []
    let sent = 0
    for (let isFull = false; !isFull; ) {
      // Several in each turn.
      const turn = Array.from({ length: 8 }, () => sent++)
      for (const n of turn) {
        ada.send({ type: 'candidate', target: 'bob', n, request_id: `r${n}`, candidate: 'x'.repeat(15_000) })
      }
      for (const n of turn) {
        const { status, code } = await ada.next()
        if (status === 'delivered') taken.push(n)
        else isFull = code === 'DELIVERY_FAILED'
      }
    }
    bob.resume()
    let arrived: number[] = []
    await bob.until(bytes => {
      arrived = [...bytes.toString('latin1').matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n))
      return arrived.length >= taken.length
    })
    expect(arrived).toEqual(taken)
    bob.end()
  })
})
