import { expect, test } from 'bun:test'
import fc from 'fast-check'
import type { TestServer } from '../../test/harness.ts'
import { startNodes } from '../../test/two-servers.ts'
import { linkTypes, type ServerLink } from '../nodes/link-types.ts'

const client = { address: '127.0.0.1', limitKey: '127.0.0.1', nearest: '127.0.0.1', isDirect: true }
const json = fc.oneof(
  fc.constantFrom<unknown>(
    { client, age: 0 },
    { client, age: -1e300 },
    { client: { ...client, address: 7 }, age: 0 },
    { code: 1000 },
    { code: 1006 },
    { code: 4999, reason: 'x'.repeat(1000) },
    { code: 999 },
    { retry_after: 1 },
    { retry_after: -1 },
    { type: 'go_away', reason: 'shutting_down', reconnect_after_ms: 1, deadline_ms: 1 },
    { status: 200, headers: {}, body: '' },
    { status: 304, headers: { 'a b': '\n' }, body: 'x' },
    { method: 'GET', path: '/health', url: '/health', headers: {}, body: null, client },
    { method: 'GET', path: '/health', url: '/health', headers: {}, body: 'x', client },
    { method: 'CONNECT', path: '/', url: '', headers: { 'a b': '\n' }, body: null, client },
    { type: 'register', peer_id: 'x', room_id: 'y', token: 'z', id_token: 'w' },
    { type: 'resume', room_id: 'y', peer_id: 'x', token: 'z', received: 0 },
    { type: 'query' },
  ),
  fc.jsonValue(),
  fc.double(),
)
const text = fc.oneof(
  json.map(value => JSON.stringify(value)),
  fc.string({ unit: 'binary' }).map(text => text.toWellFormed()),
)
const bytes = fc.oneof(
  text.map(text => new Uint8Array(Buffer.from(text))),
  fc.uint8Array({ maxLength: 200 }),
)
const aType = fc.constantFrom(...linkTypes.keys())
const aHandle = fc.oneof(fc.nat({ max: 4 }), fc.nat({ max: 2 ** 32 - 1 }))
const frame = fc.tuple(aType, aHandle, text, bytes)

/** A link at whose other end anything may be. */
function wildLink(isCaller: boolean, takes: () => boolean) {
  const closed: (() => void)[] = []
  const link = {
    isCaller,
    isClosed: false,
    send: () => takes() && !link.isClosed,
    onClosed: (act: () => void) => void (link.isClosed ? act() : closed.push(act)),
    close() {
      if (link.isClosed) return
      link.isClosed = true
      for (const act of closed) act()
    },
  }
  return link satisfies ServerLink
}

test('whatever comes over a link throws nothing, closes no other one, and leaves nothing behind', async () => {
  await using nodes = await startNodes(2, { PARLEY_MAX_UNREGISTERED_PER_ADDRESS: '100000' })
  const [{ server, log }, { server: other }] = nodes.nodes as [(typeof nodes)[0], (typeof nodes)[0]]
  const room = await server.createRoom(await server.signIn())
  using near = await server.join(room, 'near', { features: ['acks'] })
  using far = await other.join(room, 'far', { features: ['acks'] })
  const frames = fc.array(fc.tuple(frame, fc.boolean()), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.infiniteStream(fc.boolean()), frames, async (isCaller, takes, sent) => {
      const link = wildLink(isCaller, () => takes.next().value !== false)
      const before = log.lines.length
      for (const [[type, handle, text, bytes], isOdd] of sent) {
        // Once in a while the form is not that of the type.
        const isText = (linkTypes.get(type) === 'text') !== (isOdd && handle === 3)
        if (!link.isClosed) server.receive(link, type, handle, isText ? text : bytes)
        if (isOdd) await new Promise(setImmediate)
      }
      const said = () => log.lines.slice(before).some(({ msg }) => String(msg).startsWith('link closed, as'))
      expect(said()).toBe(link.isClosed)
      link.close()
      await new Promise(setImmediate)
      near.send({ type: 'peer_message', to_peer_id: 'far', payload: 1 })
      expect((await far.next()).payload).toBe(1)
    }),
    { numRuns: 500 },
  )
  expect(log.lines.filter(({ msg }) => msg === 'unforeseen error')).toEqual([])
  await becomesOne(server)
}, 60_000)

/** Resolves when the one socket that is no fuzz is the only one of another node. */
async function becomesOne(server: TestServer) {
  for (;;) {
    const metrics = await (await fetch(`${server.http}/metrics`)).text()
    if (/^parley_connections_of_others 1$/m.test(metrics) && /^parley_peers 2$/m.test(metrics)) return
    await new Promise(setImmediate)
  }
}

test.each(['owner', 'entering'] as const)(
  'what the %s node says that makes no sense harms one socket, or that link alone',
  async role => {
    const frames = fc.array(frame, { minLength: 1, maxLength: 5 })
    await using nodes = await startNodes(3, {
      PARLEY_MAX_UNREGISTERED_PER_ADDRESS: '100000',
      PARLEY_SIGN_INS_PER_MINUTE: '100000',
    })
    const servers = nodes.nodes.map(({ server }) => server)
    const [owner, entering, third] = servers as [TestServer, TestServer, TestServer]
    const room = await owner.createRoom(await owner.signIn())
    using near = await owner.join(room, 'near', { features: ['acks'] })
    using far = await third.join(room, 'far', { features: ['acks'] })
    const idToken = await owner.signIn()
    await fc.assert(
      fc.asyncProperty(frames, async sent => {
        const victim = await entering.connect()
        await victim.ask({ type: 'register', peer_id: 'victim', ...room, id_token: idToken, features: ['acks'] })
        const link =
          role === 'owner'
            ? nodes[0]?.answered.findLast(({ nodeId, isOpen }) => nodeId === 'node-1' && isOpen)
            : [...(nodes[1]?.called ?? [])].at(-1)
        for (const [type, handle, text, bytes] of sent)
          link?.send(type, handle, linkTypes.get(type) === 'text' ? text : bytes, 'answer')
        // Behind that, on the same link.
        victim.socket.close(1000)
        await victim.closed
        near.send({ type: 'peer_message', to_peer_id: 'far', payload: 1 })
        expect((await far.next()).payload).toBe(1)
        far.send({ type: 'peer_message', to_peer_id: 'near', payload: 2 })
        expect((await near.next()).payload).toBe(2)
      }),
      { numRuns: 100 },
    )
    for (const { log } of nodes.nodes) expect(log.lines.filter(({ msg }) => msg === 'unforeseen error')).toEqual([])
  },
  60_000,
)
