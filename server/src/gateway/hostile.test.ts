import { expect, test } from 'bun:test'
import { fromPeers } from '@parley/protocol/fixtures'
import fc from 'fast-check'
import { startServer, type TestPeer } from '../../test/harness.ts'
import { clientFrame, rawConnection } from '../../test/raw-connection.ts'

const framesPerRun = 120
const runs = 100

const { register, offer } = fromPeers

/** Words that mean something to the server, so that the rubbish gets past its first door. */
const words = fc.constantFrom(
  ...['register', 'offer', 'answer', 'candidate', 'error', 'Client-123', 'Worker-456', 'attacker', '__proto__', ''],
)
const values = fc.oneof(words, fc.jsonValue(), fc.constant(null), fc.array(words, { maxLength: 3 }))

/** A message with some members replaced, added or left out. */
const damaged = fc
  .tuple(
    fc.constantFrom<object>(register, fromPeers['register-with-features'], offer, fromPeers.candidate),
    fc.dictionary(
      fc.constantFrom(
        'type',
        'sender',
        'target',
        'peer_id',
        'room_id',
        'token',
        'id_token',
        'metadata',
        'features',
        'request_id',
        'sdp',
        '__proto__',
      ),
      values,
      { maxKeys: 4 },
    ),
  )
  .map(([message, changes]) => JSON.stringify({ ...message, ...changes }))

/** Text that was JSON until something happened to it. */
const torn = fc.tuple(damaged, fc.nat(), fc.string({ maxLength: 8 })).map(([text, at, put]) => {
  const index = at % (text.length + 1)
  return text.slice(0, index) + put + text.slice(index + 1)
})

/** Few enough bytes that a whole run of it may wait behind a `register`: beyond that bound the server closes. */
const deep = fc
  .tuple(fc.nat({ max: 900 }), fc.boolean())
  .map(
    ([depth, close]) =>
      `{"type":"offer","target":"Worker-456","sdp":${'['.repeat(depth)}${close ? `${']'.repeat(depth)}}` : ''}`,
  )

const texts = fc.oneof(
  { weight: 4, arbitrary: damaged },
  { weight: 3, arbitrary: torn },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
  { weight: 1, arbitrary: deep },
)
const bytes = fc.uint8Array({ maxLength: 200 }).map(array => new Uint8Array(array))

/** What a WebSocket library would never send: any opcode, unfinished, unmasked, and plain noise. */
const rawFrames = fc.oneof(
  fc
    .tuple(fc.nat({ max: 255 }), bytes, fc.boolean())
    .map(([opcode, payload, final]) => clientFrame(opcode & 0x7f, payload, final)),
  bytes.map(noise => Buffer.from(noise)),
  bytes.map(payload => clientFrame(1, Buffer.concat([Buffer.from('{"type":"'), payload]))),
)

/** Sends numbered offers both ways, and checks that each arrives, once and in order, whatever `others` sent meanwhile. */
async function relayNormally(client: TestPeer, worker: TestPeer, others: ReadonlySet<string>): Promise<void> {
  for (const [from, to, sender, target] of [
    [client, worker, 'Client-123', 'Worker-456'],
    [worker, client, 'Worker-456', 'Client-123'],
  ] as const) {
    const sent = [0, 1, 2].map(number => ({ ...offer, sender, target, number }))
    for (const message of sent) from.send(message)
    const received: unknown[] = []
    while (received.length < sent.length) {
      const message = await to.next()
      if (message.sender === sender) received.push(message)
      // An attacker in the room may write to its peers; but it has its own name.
      else expect(others).toContain(message.sender as string)
    }
    expect(received).toEqual(sent)
  }
}

test(`relays normally while and after ${runs * (framesPerRun + 20)} hostile frames are thrown at it`, async () => {
  await using server = await startServer({
    PARLEY_SIGN_INS_PER_MINUTE: '100000',
    PARLEY_FAILED_REGISTRATIONS_PER_MINUTE: '100000',
  })
  const room = await server.createRoom(await server.signIn())
  using client = await server.join(room, 'Client-123')
  using worker = await server.join(room, 'Worker-456')
  const attackers = new Set<string>()
  let thrown = 0

  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 9, arbitrary: texts }, { weight: 1, arbitrary: bytes }), {
        minLength: framesPerRun,
        maxLength: framesPerRun,
      }),
      fc.array(rawFrames, { minLength: 20, maxLength: 20 }),
      async (frames, raw) => {
        const name = `attacker-${attackers.size}`
        attackers.add(name)
        using inside = await server.join(room, name)
        using outside = await server.connect()
        const noise = await Promise.all(raw.slice(0, 4).map(() => rawConnection(server.ws)))
        for (const [index, frame] of raw.entries()) noise[index % noise.length]?.write(frame)
        for (const [index, frame] of frames.entries()) (index % 3 ? inside : outside).send(frame)
        thrown += frames.length + raw.length
        await relayNormally(client, worker, attackers)
        // The attackers' connections are still there, and have been told of every fault.
        for (const attacker of [inside, outside]) {
          for (const answer of await attacker.rest()) expect(answer.type).toBe('error')
        }
        for (const other of noise) other.end()
      },
    ),
    { numRuns: runs, endOnFailure: true },
  )
  expect(thrown).toBeGreaterThanOrEqual(10_000)
  // Every message had an outcome: it was relayed, it was a registration, or it was answered with an error.
  const metrics = await (await fetch(`${server.http}/metrics`)).text()
  const sum = (name: string) =>
    [...metrics.matchAll(new RegExp(`^${name}(?:{.*})? (\\d+)$`, 'gm'))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    )
  expect(sum('parley_messages_total')).toBe(
    sum('parley_messages_relayed_total') + sum('parley_registrations_total') + sum('parley_errors_total'),
  )
  await relayNormally(client, worker, attackers)
}, 120_000)
