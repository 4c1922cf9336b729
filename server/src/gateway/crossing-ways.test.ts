import { expect, test } from 'bun:test'
import { metricOf, type TestPeer, type TestServer } from '../../test/harness.ts'
import { clientFrame, rawConnection } from '../../test/raw-connection.ts'
import { startNodes, type TestNodes } from '../../test/two-servers.ts'
import { manualClock } from '../clock.ts'
import { crossing } from './crossing-frames.ts'

const features = ['acks', 'presence', 'resume']

/** Nodes with a room that the first of them serves, as a peer is in it. */
async function world(count = 2, settings: Record<string, string> = {}, shared: Parameters<typeof startNodes>[2] = {}) {
  const nodes = await startNodes(count, settings, shared)
  const servers = nodes.nodes.map(({ server }) => server)
  const [owner, other, third] = servers as [TestServer, TestServer, TestServer]
  const idToken = await owner.signIn()
  const room = await owner.createRoom(idToken)
  const first = await owner.join(room, 'first', { features })
  return {
    nodes,
    servers,
    owner,
    other,
    third,
    idToken,
    room,
    first,
    [Symbol.asyncDispose]: () => nodes[Symbol.asyncDispose](),
  }
}

/** Resolves when the sum of a metric over all nodes has that value. */
async function becomes(nodes: TestNodes, name: string, value: number) {
  for (;;) {
    const values = await Promise.all(nodes.nodes.map(({ server }) => metricOf(server, name)))
    if (values.reduce((sum, one) => sum + one, 0) === value) return
    await new Promise(setImmediate)
  }
}

async function nothingIsLeft(nodes: TestNodes) {
  for (const name of [
    'connections',
    'connections_elsewhere',
    'connections_of_others',
    'queued_bytes',
    'unregistered_connections',
  ])
    await becomes(nodes, `parley_${name}`, 0)
}

/** The next message of this type. */
async function nextOf(peer: TestPeer, type: string) {
  for (;;) {
    const message = await peer.next()
    if (message.type === type) return message
  }
}

test('text crosses both ways as it was sent', async () => {
  await using it = await world()
  const { first, other, room } = it
  using second = await other.join(room, 'second', { features })
  await nextOf(first, 'peer_joined')
  const texts = ['{"type":"offer","target":"T","sdp":1.0, "x" : 12345678901234567890,"sender":"S","y":"é😀"}']
  for (const text of texts) {
    const there = text.replace('T', 'first').replace('S', 'second')
    second.send(there)
    expect(await first.nextText()).toBe(there)
    const back = text.replace('T', 'second').replace('S', 'first')
    first.send(back)
    expect(await second.nextText()).toBe(back)
  }
})

test('frames of 900 kB cross both ways', async () => {
  await using it = await world()
  const { first, other, room } = it
  using second = await other.join(room, 'second', { features })
  await nextOf(first, 'peer_joined')
  const sdp = 'é'.repeat(450_000)
  first.send({ type: 'offer', target: 'second', sender: 'first', sdp })
  expect((await second.next()).sdp).toBe(sdp)
  second.send({ type: 'offer', target: 'first', sender: 'second', sdp })
  expect((await first.next()).sdp).toBe(sdp)
})

test('a message longer than a link takes at once crosses whole where messages may be so long', async () => {
  await using it = await world(2, { PARLEY_MAX_MESSAGE_BYTES: '8000000', PARLEY_MAX_QUEUE_BYTES: '16000000' })
  const { first, other, room } = it
  using second = await other.join(room, 'second', { features })
  await nextOf(first, 'peer_joined')
  const sdp = 'é'.repeat(2_000_000)
  for (const [from, to, sender, target] of [
    [first, second, 'first', 'second'],
    [second, first, 'second', 'first'],
  ] as const) {
    from.send({ type: 'offer', target, sender, sdp })
    expect((await to.next()).sdp === sdp).toBe(true)
  }
})

test('what is too big closes as on one node, and the peer may come back', async () => {
  await using it = await world(2, { PARLEY_MAX_MESSAGE_BYTES: '100000' })
  const { nodes, owner, other, room } = it
  const codes: number[] = []
  for (const server of [owner, other]) {
    const peer = await server.join(room, `big${codes.length}`, { features })
    peer.send('x'.repeat(200_000))
    codes.push((await peer.closed).code)
    await becomes(nodes, 'parley_peers_away', codes.length === 1 ? 1 : 2)
    const unregistered = await server.connect()
    unregistered.send({ type: 'register', peer_id: 'q', ...room, token: 'wrong', id_token: it.idToken })
    await unregistered.next()
    unregistered.send('x'.repeat(70_000))
    codes.push((await unregistered.closed).code)
  }
  expect(codes.slice(2)).toEqual(codes.slice(0, 2))
})

test('a deliberate close and a lost connection are told apart', async () => {
  await using it = await world()
  const { nodes, first, other, room } = it
  const second = await other.join(room, 'second', { features: ['presence'] })
  const third = await other.join(room, 'third', { features })
  second.socket.close(1000)
  expect(await nextOf(first, 'peer_left')).toMatchObject({ peer_id: 'second', reason: 'left' })
  second.socket.close()
  third.socket.terminate()
  await becomes(nodes, 'parley_peers_away', 1)
  const fourth = await other.join(room, 'fourth', { features: ['presence'] })
  fourth.socket.terminate()
  expect(await nextOf(first, 'peer_left')).toMatchObject({ peer_id: 'fourth', reason: 'disconnected' })
})

test('deletion, removal and takeover end a carried socket as one of the node', async () => {
  await using it = await world()
  const { owner, other, idToken } = it
  const ends: unknown[] = []
  for (const server of [owner, other]) {
    const room = await owner.createRoom(idToken)
    using _keeper = await owner.join(room, 'keeper')
    const token = await server.signIn()
    const join = async (entry: TestServer) => {
      const peer = await entry.connect()
      const reply = await peer.ask({ type: 'register', peer_id: 'p', ...room, id_token: token, features })
      expect(reply.type).toBe('registered_auth')
      return peer
    }
    const before = await join(server)
    const replaced = await join(other)
    ends.push([(await nextOf(before, 'bye')).code, (await before.closed).code])
    const again = await join(server)
    await replaced.closed
    await owner.post('/delete-peers-and-room', { room_id: room.room_id, token: room.token })
    ends.push([(await nextOf(again, 'bye')).code, (await again.closed).code])
  }
  expect(ends.slice(2)).toEqual(ends.slice(0, 2))
  expect(ends[0]).toEqual(['PEER_REPLACED', 4505])
})

test('a carried socket that does not register in time is closed', async () => {
  const clock = manualClock()
  await using it = await world(2, { PARLEY_DEAD_AFTER_SECONDS: '900' }, { clock })
  const peer = await it.other.connect()
  const reply = await peer.ask({ type: 'register', peer_id: 'q', ...it.room, token: 'wrong', id_token: it.idToken })
  expect(reply.code).toBe('INVALID_ROOM_TOKEN')
  clock.advance(61_000)
  expect((await peer.closed).code).toBe(4408)
})

test('a peer resumes through the other node, through a third one, and on its room’s own', async () => {
  await using it = await world(3)
  const { nodes, first, owner, other, third, room } = it
  const peer = await other.connect()
  const { session } = (await peer.ask({
    type: 'register',
    peer_id: 'p',
    ...room,
    id_token: await owner.signIn(),
    features,
  })) as unknown as { session: { token: string } }
  let token = session.token
  let received = 0
  let before = peer
  for (const [i, server] of [third, owner, other, other, third].entries()) {
    // What is sent while the old connection is half open.
    const isHalfOpen = i % 2 === 0
    if (!isHalfOpen) {
      before.socket.terminate()
      await becomes(nodes, 'parley_peers_away', 1)
    }
    await first.rest()
    first.send({ type: 'peer_message', to_peer_id: 'p', payload: i, request_id: `r${i}` })
    expect((await nextOf(first, 'ack')).status).toBe(isHalfOpen ? 'delivered' : 'held')
    const now = await server.connect()
    const resumed = await now.ask({ type: 'resume', room_id: room.room_id, peer_id: 'p', token, received })
    expect(resumed.type).toBe('resumed')
    token = (resumed.session as { token: string }).token
    expect((await now.next()).payload).toBe(i)
    received++
    if (isHalfOpen) expect((await before.closed).code).toBe(4505)
    before = now
  }
  before.socket.close(1000)
  await becomes(nodes, 'parley_peers', 1)
})

test('a peer registers again into a room that another node serves, and back', async () => {
  await using it = await world()
  const { nodes, first, owner, other, room } = it
  const idToken = await other.signIn()
  const theirs = await other.createRoom(idToken)
  using there = await other.join(theirs, 'there', { features: ['presence'] })
  using peer = await owner.connect()
  for (const [to, watcher] of [
    [room, first],
    [theirs, there],
    [room, first],
    [theirs, there],
  ] as const) {
    peer.send({ type: 'register', peer_id: 'p', ...to, id_token: idToken, features })
    peer.send({ type: 'query', request_id: 'behind' })
    peer.send(Buffer.from('{"type":"query","request_id":"binary"}') as Uint8Array<ArrayBuffer>)
    expect((await nextOf(peer, 'registered_auth')).room_id).toBe(to.room_id)
    expect((await peer.next()).request_id).toBe('behind')
    expect((await peer.next()).request_id).toBe('binary')
    expect((await nextOf(watcher, 'peer_joined')).peer).toMatchObject({ peer_id: 'p' })
  }
  expect((await nextOf(first, 'peer_left')).reason).toBe('left')
  await becomes(nodes, 'parley_peers', 3)
  await becomes(nodes, 'parley_connections', 3)
  await becomes(nodes, 'parley_connections_elsewhere', 1)
  await becomes(nodes, 'parley_connections_of_others', 1)
})

test('where the link breaks, peers are away, are told to come back, and go on over the next link', async () => {
  await using it = await world()
  const { nodes, first, owner, other, room } = it
  for (const how of ['cut', 'closed', 'nonsense'] as const) {
    const peer = await other.connect()
    const { session } = (await peer.ask({
      type: 'register',
      peer_id: how,
      ...room,
      id_token: await owner.signIn(),
      features,
    })) as unknown as { session: { token: string } }
    if (how === 'cut') nodes.cable(1, 0).cut()
    else for (const link of nodes[1]?.called ?? []) how === 'closed' ? link.close() : link.send(24, 1, 'x', 'answer')
    expect((await peer.closed).code).toBe(1012)
    await becomes(nodes, 'parley_peers_away', 1)
    first.send({ type: 'peer_message', to_peer_id: how, payload: 1, request_id: how })
    expect((await nextOf(first, 'ack')).status).toBe('held')
    const again = await other.connect()
    const resumed = await again.ask({
      type: 'resume',
      room_id: room.room_id,
      peer_id: how,
      token: session.token,
      received: 0,
    })
    expect(resumed.type).toBe('resumed')
    expect((await again.next()).payload).toBe(1)
    again.socket.close(1000)
    await becomes(nodes, 'parley_peers', 1)
  }
})

test('where the room’s node cannot be reached, a register is refused and may be sent again', async () => {
  await using it = await world()
  const { nodes, owner, other, room } = it
  nodes.cable(1, 0).refuses = true
  using peer = await other.connect()
  const register = { type: 'register', peer_id: 'p', ...room, id_token: await owner.signIn(), features }
  expect(await peer.ask(register)).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
  nodes.cable(1, 0).mend()
  expect((await peer.ask(register)).type).toBe('registered_auth')
})

test('1,000 sockets that come and go at once are not mixed up, and leave nothing behind', async () => {
  await using it = await world(3, {
    PARLEY_MAX_UNREGISTERED_PER_ADDRESS: '5000',
    PARLEY_MAX_PEERS_PER_ROOM: '5000',
    PARLEY_FAILED_REGISTRATIONS_PER_MINUTE: '100000',
  })
  const { nodes, owner, other, third, room, idToken, first } = it
  const come = async (i: number) => {
    const entry = i % 3 === 0 ? third : other
    const peer = await entry.connect()
    const name = `p${i}`
    peer.send({ type: 'register', peer_id: name, ...room, id_token: idToken })
    peer.send({ type: 'peer_message', to_peer_id: name, payload: i })
    if (i % 5 === 0) {
      i % 2 === 0 ? peer.socket.terminate() : peer.socket.close(1000)
      return
    }
    expect((await peer.next()).peer_id).toBe(name)
    expect((await peer.next()).payload).toBe(i)
    i % 2 === 0 ? peer.socket.terminate() : peer.socket.close(1000)
    await peer.closed
  }
  for (let batch = 0; batch < 10; batch++)
    await Promise.all(Array.from({ length: 100 }, (_, i) => come(batch * 100 + i)))
  first.socket.close(1000)
  await nothingIsLeft(nodes)
  expect(await metricOf(owner, 'parley_peers')).toBe(0)
}, 60_000)

test('a node that stops has carried peers told as its own are, as entering node and as owner', async () => {
  const heard: unknown[] = []
  for (const [entry, stops] of [
    [0, 0],
    [1, 1],
    [1, 0],
  ] as const) {
    await using it = await world()
    const [server, stopping] = [it.servers[entry] as TestServer, it.nodes[stops]]
    const peers = [await server.join(it.room, 'p', { features }), await server.join(it.room, 'plain')]
    // As a process does that ends.
    const stopped = stopping?.server.drain(AbortSignal.abort()).then(() => stopping.links.close())
    const bye = await nextOf(peers[0] as TestPeer, 'bye')
    heard.push([
      bye.code,
      typeof bye.retry_after,
      ...(await Promise.all(peers.map(async peer => (await peer.closed).code))),
    ])
    await stopped
    expect(
      await Promise.all(
        it.nodes.nodes.map(({ log }) => log.lines.filter(({ msg }) => String(msg).includes('unforeseen'))),
      ),
    ).toEqual([[], []])
  }
  expect(heard[0]).toEqual(['SHUTTING_DOWN', 'number', 1001, 1001])
  expect(heard[1]).toEqual(heard[0])
  expect(heard[2]).toEqual(heard[0])
})

test('a reader that takes nothing is bounded on both nodes, and those that send to it are told', async () => {
  const clock = manualClock()
  await using it = await world(
    2,
    { PARLEY_MAX_QUEUE_BYTES: '1000000', PARLEY_DEAD_AFTER_SECONDS: '900', PARLEY_MAX_FAN_OUT_PER_SECOND: '1000000' },
    { clock },
  )
  const { nodes, first, owner, other, room } = it
  const raw = await rawConnection(other.ws)
  const register = { type: 'register', peer_id: 'slow', ...room, id_token: await owner.signIn() }
  raw.write(clientFrame(1, Buffer.from(JSON.stringify(register))))
  await raw.until(bytes => bytes.includes('registered_auth'))
  raw.pause()
  const statuses = new Set<unknown>()
  const payload = '😀'.repeat(10_000)
  for (let i = 0; i < 1000 && statuses.size < 2; i++) {
    first.send({ type: 'peer_message', to_peer_id: 'slow', payload, request_id: `r${i}` })
    for (let answer = await first.next(); ; answer = await first.next()) {
      if (answer.request_id !== `r${i}`) continue
      statuses.add(answer.status ?? answer.code)
      break
    }
    clock.advance(20)
  }
  expect([...statuses]).toEqual(['delivered', 'DELIVERY_FAILED'])
  for (const server of [owner, other]) expect(await metricOf(server, 'parley_queued_bytes')).toBeLessThan(1_300_000)
  for (let s = 0; s < 30; s++) {
    clock.advance(1000)
    await new Promise(setImmediate)
  }
  await becomes(nodes, 'parley_peers', 1)
  // What is kept for one that may come back counts, too.
  first.socket.close(1000)
  await nothingIsLeft(nodes)
  raw.end()
}, 60_000)

test('5 MB through a slow reader arrive whole and in order', async () => {
  await using it = await world(2, { PARLEY_MAX_QUEUE_BYTES: '16000000', PARLEY_MAX_FAN_OUT_PER_SECOND: '1000000' })
  const { first, owner, other, room } = it
  const raw = await rawConnection(other.ws)
  const register = { type: 'register', peer_id: 'slow', ...room, id_token: await owner.signIn() }
  raw.write(clientFrame(1, Buffer.from(JSON.stringify(register))))
  await raw.until(bytes => bytes.includes('registered_auth'))
  raw.pause()
  for (let i = 0; i < 100; i++) {
    first.send({
      type: 'peer_message',
      to_peer_id: 'slow',
      payload: `<${i}>${'é'.repeat(25_000)}`,
      request_id: `r${i}`,
    })
    for (let answer = await first.next(); answer.request_id !== `r${i}`; ) answer = await first.next()
  }
  raw.resume()
  await raw.until(all => all.includes('<99>'))
  raw.end()
  const bytes = await raw.closed
  expect(
    [
      ...Buffer.from(bytes)
        .toString()
        .matchAll(/<(\d+)>/g),
    ].map(([, n]) => Number(n)),
  ).toEqual(Array.from({ length: 100 }, (_, i) => i))
}, 60_000)

test.each([
  ['wrong tokens', { type: 'resume', room_id: 'ROOM', peer_id: 'first', token: 'x', received: 0 }],
  ['messages of which each is refused', { type: 'unknown' }],
])('a carried peer that floods with %s hears what one of the node hears', async (_, message) => {
  const ends: unknown[] = []
  for (const entry of [0, 1]) {
    await using it = await world(2, { PARLEY_ERRORS_PER_MINUTE: '20', PARLEY_FAILED_REGISTRATIONS_PER_MINUTE: '5' })
    const peer = await (it.servers[entry] as TestServer).join(it.room, 'p', { features })
    const text = JSON.stringify(message).replace('ROOM', it.room.room_id)
    for (let i = 0; i < 2_000; i++) peer.send(text)
    const codes = new Set<unknown>()
    try {
      for (let i = 0; i < 2_000; i++) {
        const { type, code } = await peer.next()
        codes.add(code ?? type)
      }
    } catch {
      codes.add((await peer.closed).code)
    }
    ends.push([...codes])
  }
  expect(ends[1]).toEqual(ends[0])
  expect(ends[0]).toContain(4429)
})

test('of two connections that resume, the one that was opened last counts, whichever nodes they entered through', async () => {
  const clock = manualClock()
  await using it = await world(2, {}, { clock })
  const { owner, other, room } = it
  const peer = await other.connect()
  const register = { type: 'register', peer_id: 'p', ...room, id_token: await owner.signIn(), features }
  const { session } = (await peer.ask(register)) as unknown as { session: { token: string } }
  const resume = { type: 'resume', room_id: room.room_id, peer_id: 'p', token: session.token, received: 0 }
  const earlier = await other.connect()
  // More than what the way of the first frame between the nodes takes: so much the other node may be wrong.
  clock.advance(5_000)
  using later = await owner.connect()
  expect((await earlier.ask(resume)).type).toBe('resumed')
  expect((await later.ask(resume)).type).toBe('resumed')
  expect((await earlier.closed).code).toBe(4505)
})

test('a peer resumes through the node that its room has left', async () => {
  await using it = await world()
  const { nodes, first, owner, room } = it
  nodes.move(room.room_id, 1)
  await first.closed
  const peer = await owner.connect()
  const register = { type: 'register', peer_id: 'p', ...room, id_token: await owner.signIn(), features }
  const { session } = (await peer.ask(register)) as unknown as { session: { token: string } }
  peer.socket.terminate()
  await becomes(nodes, 'parley_peers_away', 1)
  using again = await owner.connect()
  const resume = { type: 'resume', room_id: room.room_id, peer_id: 'p', token: session.token, received: 0 }
  expect((await again.ask(resume)).type).toBe('resumed')
})

test('a node that stops sends away the sockets that others still bring', async () => {
  await using it = await world()
  // It does not answer the farewell, so that the node has not stopped yet.
  const raw = await rawConnection(it.owner.ws)
  const register = { type: 'register', peer_id: 'slow', ...it.room, id_token: it.idToken, features: ['acks'] }
  raw.write(clientFrame(1, Buffer.from(JSON.stringify(register))))
  await raw.until(bytes => bytes.includes('registered_auth'))
  const stopped = it.owner.drain(AbortSignal.abort())
  await nextOf(it.first, 'bye')
  const sent: unknown[] = []
  const send = (type: number, handle: number, body: unknown) => sent.push({ type, handle, body }) > 0
  const link = { isCaller: false, send, onClosed() {}, close() {} }
  const client = { limitKey: '', nearest: '', isDirect: true }
  it.owner.receive(link, crossing.open, 7, JSON.stringify({ client, age: 0 }))
  expect(sent).toMatchObject([{ type: crossing.close, handle: 7, body: expect.stringContaining('1001') }])
  it.owner.receive(link, crossing.close, 7, JSON.stringify({ code: 1001 }))
  raw.end()
  await stopped
})

test('what waits at a socket that is handed over counts once', async () => {
  await using it = await world(2, { PARLEY_MAX_FAN_OUT_PER_SECOND: '1000000' })
  const { nodes, first, owner, other, room } = it
  const idToken = await owner.signIn()
  const theirs = await owner.createRoom(idToken)
  using _there = await other.join(theirs, 'there')
  const raw = await rawConnection(owner.ws)
  const register = (to: object) =>
    raw.write(clientFrame(1, Buffer.from(JSON.stringify({ type: 'register', peer_id: 'p', ...to, id_token: idToken }))))
  register(room)
  await raw.until(bytes => bytes.includes('registered_auth'))
  raw.pause()
  const queued = () => metricOf(owner, 'parley_queued_bytes')
  for (let i = 0; (await queued()) < 2_000_000; i++) {
    first.send({ type: 'peer_message', to_peer_id: 'p', payload: 'x'.repeat(100_000), request_id: `r${i}` })
    while ((await first.next()).request_id !== `r${i}`);
  }
  const before = await queued()
  register(theirs)
  await becomes(nodes, 'parley_connections_of_others', 1)
  await becomes(nodes, 'parley_unregistered_connections', 0)
  // Its answer has come behind.
  while ((await queued()) < 1_000_000) await new Promise(setImmediate)
  expect(await queued()).toBeLessThan(before * 1.2)
  raw.end()
})
