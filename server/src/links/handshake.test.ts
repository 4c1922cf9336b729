import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { turns } from '../../test/events.ts'
import { closedBy, frame, secret, stranger, type TestNode, testNode, text } from '../../test/link-nodes.ts'
import { testProxy } from '../../test/link-proxy.ts'
import { manualClock } from '../clock.ts'
import { answererHandshake, type Credentials, callerHandshake, handshakeTypes, type Message } from './handshake.ts'

const credentials = (id: string, secrets = [secret]): Credentials => ({
  id,
  secrets: () => secrets,
  versions: { oldest: 1, newest: 2 },
})

const other = 'a secret that is another one'
const unavailable = { code: 'UNAVAILABLE' }

/** What the log of each says about why there is no link. */
async function refusedFor(a: TestNode, b: TestNode): Promise<unknown[]> {
  await expect(a.links.to(b.node)).rejects.toMatchObject(unavailable)
  const [ours, theirs] = await Promise.all([a.said('link not opened'), b.said('link refused')])
  return [ours.reason, theirs.reason]
}

describe('two nodes', () => {
  test('refuse each other when their secrets differ, and no log has a secret', async () => {
    const [a, b] = [testNode('a'), testNode('b', { secrets: () => [other] })]
    expect(await refusedFor(a, b)).toEqual([
      'it does not accept the secret of this node',
      'it does not know a secret that this node accepts',
    ])
    expect(await a.links.answers(b.node)).toBe(false)
    expect(b.opened).toEqual([])
    expect(JSON.stringify([a.lines, b.lines])).not.toMatch(new RegExp(`${secret}|${other}`))
  })

  test('accept any secret that both know, and use the first', async () => {
    let ofA = [other, secret]
    const [a, b] = [testNode('a', { secrets: () => ofA }), testNode('b', { secrets: () => [secret, other] })]
    expect((await a.links.to(b.node)).isOpen).toBe(true)
    expect((await b.links.to(a.node)).isOpen).toBe(true)
    // That one is taken away, as soon as all have the new one.
    ofA = [secret]
    await expect(testNode('c', { secrets: () => [other] }).links.to(a.node)).rejects.toMatchObject(unavailable)
    expect((await testNode('d').links.to(a.node)).isOpen).toBe(true)
  })

  test('have no link without a secret that is worth the name', async () => {
    for (const secrets of [[], [''], ['fifteen letters']]) {
      const [a, b] = [testNode('a', { secrets: () => secrets }), testNode('b', { secrets: () => secrets })]
      await expect(a.links.to(b.node)).rejects.toMatchObject(unavailable)
      expect(await a.said('link not opened')).toMatchObject({ reason: 'this node has no secret yet' })
      await expect(testNode('c').links.to(b.node)).rejects.toMatchObject(unavailable)
    }
  })

  test('find out that somebody else has the address by now', async () => {
    const [a, b] = [testNode('a'), testNode('b')]
    const moved = { ...b, node: { ...b.node, id: 'c' } }
    expect(await refusedFor(a, moved)).toEqual(['another node answers at this address', 'it means another node'])
    expect(await a.links.answers(moved.node)).toBe(false)
    const itself = { ...a, node: { ...a.node } }
    expect((await refusedFor(a, itself))[1]).toBe('it bears the id of this node')
  })

  test('speak the newest version that both understand', async () => {
    const b = testNode('b', { versions: { oldest: 3, newest: 4 } })
    for (const [oldest, newest, spoken] of [
      [2, 3, 3],
      [3, 4, 4],
      [4, 5, 4],
    ] as const) {
      const a = testNode(`a${newest}`, { versions: { oldest, newest } })
      const link = await a.links.to(b.node)
      expect(link.version).toBe(spoken)
      await b.until(() => b.opened.find(({ nodeId, version }) => nodeId === `a${newest}` && version === spoken))
      expect((await b.links.to(a.node)).version).toBe(spoken)
    }
  })

  test('refuse each other when there is none, but know that the other lives', async () => {
    for (const [oldest, newest] of [
      [1, 2],
      [5, 6],
    ] as const) {
      const a = testNode('a', { versions: { oldest, newest } })
      const b = testNode('b', { versions: { oldest: 3, newest: 4 } })
      expect(await refusedFor(a, b)).toEqual([
        `it speaks versions 3 to 4 of the link protocol, this node ${oldest} to ${newest}`,
        `it speaks versions ${oldest} to ${newest} of the link protocol, this node 3 to 4`,
      ])
      expect(await a.links.answers(b.node)).toBe(true)
      expect(b.opened).toEqual([])
    }
  })
})

test('no byte of a handshake may be another one', async () => {
  const clock = manualClock()
  const [a, b] = [testNode('a', { clock }), testNode('b')]
  const proxy = await testProxy(b.links.port)
  const node = { id: 'b', address: `127.0.0.1:${proxy.port}` }
  const open = async () => {
    const call = a.links.to(node).then(
      link => link,
      () => 'refused' as const,
    )
    let outcome: Awaited<typeof call> | undefined
    void call.then(value => (outcome = value))
    // A length that is too great has it wait for more.
    for (let turn = 0; outcome === undefined; turn++) {
      await turns(1)
      if (turn > 200) clock.advance(1_000)
    }
    return outcome
  }
  const link = await open()
  if (link === 'refused') throw new Error('It was to be a link.')
  await b.until(() => b.opened[0])
  const lengths = { to: proxy.seen.to.length, from: proxy.seen.from.length }
  link.close()
  expect(lengths).toEqual({ to: 9 + 40 + 9 + 32, from: 9 + 37 + 9 + 32 })
  for (const changed of ['to', 'from'] as const) {
    for (let position = 0; position < lengths[changed]; position++) {
      proxy.change = (piece, direction, at) => {
        if (direction !== changed || position < at || position >= at + piece.length) return piece
        const copy = Buffer.from(piece)
        copy[position - at] = (copy[position - at] ?? 0) ^ (1 << (position % 8))
        return copy
      }
      expect([changed, position, await open()]).toEqual([changed, position, 'refused'])
    }
  }
  expect([a.received, b.received]).toEqual([[], []])
}, 60_000)

describe('what was heard of an earlier handshake', () => {
  async function recorded() {
    const [a, b] = [testNode('a'), testNode('b')]
    const proxy = await testProxy(b.links.port)
    const link = await a.links.to({ id: 'b', address: `127.0.0.1:${proxy.port}` })
    link.send(text, 1, 'sent once', 'answer')
    await b.until(() => b.received[0])
    const seen = { ...proxy.seen }
    const ended = closedBy(b.opened[0] ?? link)
    link.close()
    await ended
    return { a, b, seen }
  }

  test('opens nothing when a stranger sends it again, at once or in turn', async () => {
    const { b, seen } = await recorded()
    const hello = 9 + seen.to.readUInt32BE(0)
    for (const isAtOnce of [true, false]) {
      const thief = await stranger(b.links.port)
      thief.send(isAtOnce ? seen.to : seen.to.subarray(0, hello))
      await thief.until(() => thief.heard.length > 0)
      if (!isAtOnce) thief.send(seen.to.subarray(hello))
      await thief.closed
    }
    await b.until(() => b.lines.filter(line => line.msg === 'link refused').length === 2)
    expect(b.lines.filter(line => line.msg === 'link refused').map(line => line.reason)).toEqual([
      'it does not know a secret that this node accepts',
      'it does not know a secret that this node accepts',
    ])
    expect([b.opened.length, b.received.length]).toEqual([1, 1])
  })

  test('deceives no caller', async () => {
    const { a, seen } = await recorded()
    const fake = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: { data: socket => void socket.write(seen.from) },
    })
    await expect(a.links.to({ id: 'b', address: `127.0.0.1:${fake.port}` })).rejects.toMatchObject(unavailable)
    fake.stop(true)
    expect(await a.said('link not opened')).toMatchObject({
      reason: 'it does not know a secret that this node accepts',
    })
    expect(a.received).toEqual([])
  })
})

describe('what a node has sent itself', () => {
  test('opens nothing when its callee sends it back', async () => {
    const a = testNode('a')
    const mirror = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: { data: (socket, chunk) => void socket.write(chunk) },
    })
    await expect(a.links.to({ id: 'b', address: `127.0.0.1:${mirror.port}` })).rejects.toMatchObject(unavailable)
    mirror.stop(true)
    expect(await a.said('link not opened')).toMatchObject({ reason: 'an unexpected frame in the handshake' })
  })

  test('proves nothing to it, and nothing to the node that it was not meant for', () => {
    // Somebody without a secret stands at the address of b, calls a as b, and hands on whatever has the right form.
    const swapped = (hello: Buffer) => {
      const [caller, meant] = [hello.subarray(-4, -2), hello.subarray(-2)]
      return Buffer.concat([hello.subarray(0, -4), meant, caller])
    }
    const asCaller = callerHandshake(credentials('a'), 'b', 'link')
    const asAnswerer = answererHandshake(credentials('a'))
    const { challenge, proof } = handshakeTypes
    const ofA =
      asAnswerer.receive(handshakeTypes.hello, 0, swapped(asCaller.first.body)).answer?.body ?? Buffer.alloc(0)
    const forA = Buffer.from(ofA)
    forA[forA.length - 1] = 'b'.charCodeAt(0)
    const proved = asCaller.receive(challenge, 0, forA).answer
    expect(proved?.type).toBe(proof)
    expect(asAnswerer.receive(proof, 0, proved?.body ?? ofA).agreed).toBeUndefined()
    // Nor does its own proof count as that of the other.
    expect(asCaller.receive(proof, 0, proved?.body ?? ofA).agreed).toBeUndefined()

    // The same with b in place of a, where the ids are right and only the direction is not.
    const toB = callerHandshake(credentials('a'), 'b', 'link')
    const b = answererHandshake(credentials('b'))
    const ofB = b.receive(handshakeTypes.hello, 0, toB.first.body).answer as Message
    const ofAToB = toB.receive(challenge, 0, ofB.body).answer as Message
    expect(toB.receive(proof, 0, ofAToB.body).fault).toBe('it does not know a secret that this node accepts')
    expect(b.receive(proof, 0, ofAToB.body).agreed?.nodeId).toBe('a')
  })
})

test('a handshake of another form is refused, whatever could be read of it', () => {
  const { hello, challenge } = handshakeTypes
  const good = callerHandshake(credentials('a'), 'b', 'link').first.body
  const answer = answererHandshake(credentials('b')).receive(hello, 0, good).answer?.body ?? Buffer.alloc(0)
  const changes: ((body: Buffer) => Buffer)[] = [
    body => Buffer.concat([body, Buffer.alloc(1)]),
    body => body.subarray(0, -1),
    body => Buffer.concat([Buffer.from([2]), body.subarray(1)]),
    // The oldest version is newer than the newest.
    body => Buffer.from(body).fill(9, body === good ? 2 : 1, body === good ? 3 : 2),
    body => Buffer.from(body).fill(' ', body.length - 1),
    () => Buffer.alloc(0),
  ]
  const greeted = (body: Buffer) => answererHandshake(credentials('b')).receive(hello, 0, body)
  const challenged = (body: Buffer) => callerHandshake(credentials('a'), 'b', 'link').receive(challenge, 0, body)
  expect([greeted(good).fault, challenged(answer).fault]).toEqual([undefined, undefined])
  for (const change of changes) {
    expect(greeted(change(good))).toEqual({ fault: 'a malformed handshake' })
    expect(challenged(change(answer))).toEqual({ fault: 'a malformed handshake' })
  }
  const [, ...rest] = good
  expect(greeted(Buffer.from([1, 2, ...rest.slice(1)])).fault).toBe('a malformed handshake')
})

test('neither side throws or agrees, whatever a stranger says', () => {
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 120 }),
    fc
      .tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3), fc.constantFrom('a', 'b', 'é', ''), fc.constantFrom('a', 'b'))
      .map(([form, purpose, oldest, newest, id, meant]) =>
        Buffer.concat([
          Buffer.from([form, purpose, oldest, newest]),
          Buffer.alloc(32, 7),
          ...[id, meant].map(one => Buffer.from([one.length, ...Buffer.from(one)])),
        ]),
      ),
    fc.constant(Buffer.concat([Buffer.from([1, 1, 2]), Buffer.alloc(32, 7), Buffer.from([1, 'a'.charCodeAt(0)])])),
    fc.constant(Buffer.alloc(32)),
  )
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(6), fc.constantFrom(0, 0, 0, 1), bodies), { maxLength: 6 }),
      (isCaller, frames) => {
        const side = isCaller ? callerHandshake(credentials('b'), 'a', 'link') : answererHandshake(credentials('b'))
        for (const [type, handle, body] of frames) {
          const step = side.receive(type, handle, Buffer.from(body))
          expect(step.agreed).toBeUndefined()
          if (step.fault !== undefined) return
        }
      },
    ),
    { numRuns: 3_000 },
  )
})

test('frames that come in one piece with the last proof are read', async () => {
  const [a, b] = [
    testNode('a'),
    testNode('b', { listener: { opened: link => void link.send(text, 5, 'at once', 'answer'), received: () => {} } }),
  ]
  const proxy = await testProxy(b.links.port)
  // The proof waits for the frame behind it.
  let held = Buffer.alloc(0)
  proxy.change = (piece, direction, at) => {
    if (direction === 'to' || at < 9 + 37) return piece
    held = Buffer.concat([held, piece])
    const whole = held.length >= 9 + 32 + frame(text, 5, 'at once').length
    return whole ? held : Buffer.alloc(0)
  }
  const link = await a.links.to({ id: 'b', address: `127.0.0.1:${proxy.port}` })
  const received = await a.until(() => a.received[0])
  expect([received.link, received.handle, received.body]).toEqual([link, 5, 'at once'])
})
