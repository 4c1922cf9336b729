import { test } from 'bun:test'
import fc from 'fast-check'
import { inTemporaryFolder, metricOf, type TestServer } from '../../test/harness.ts'
import { faultsIn, untrueRosters } from '../../test/resume/faults.ts'
import { isSignal } from '../../test/resume/messages.ts'
import { ReferencePeer } from '../../test/resume/peer.ts'
import type { Surroundings } from '../../test/resume/peer-lines.ts'
import { type Break, breakableProxy } from '../../test/resume/proxy.ts'
import { type Message, type Session, Story } from '../../test/resume/story.ts'
import { startNodes } from '../../test/two-servers.ts'
import { type Clock, manualClock } from '../clock.ts'
import type { Identity } from '../identity/identity.ts'
import { local } from '../identity/local.ts'
import { sqlite } from '../room-store/sqlite.ts'
import { presenceWindow } from '../rooms/presence.ts'

const runs = 60
const stepsPerRun = 60

const ttl = 30_000

/** Those that take part: four that can resume, two of them in channels, and two plain ones. */
const cast = [
  { name: 'a', features: ['acks', 'presence', 'resume'], channels: [] },
  { name: 'b', features: ['acks', 'presence', 'resume'], channels: [] },
  { name: 'c', features: ['acks', 'presence', 'resume', 'channels'], channels: [] },
  { name: 'd', features: ['acks', 'presence', 'resume', 'channels'], channels: ['x'] },
  { name: 'e', features: [], channels: [] },
  { name: 'f', features: [], channels: [] },
]
const names = cast.map(({ name }) => name)

// What may happen.

const who = fc.nat({ max: cast.length - 1 })
const target = fc.constantFrom(...names)
const channel = fc.constantFrom('x', 'y')

/** In the upgrade, in the first frame of each side, or later. */
const bytes = fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 500 }), fc.nat({ max: 2500 }))
const aBreak: fc.Arbitrary<Break> = fc.record({
  direction: fc.constantFrom('up', 'down'),
  after: bytes,
  how: fc.constantFrom('ends', 'ends', 'resets', 'hangs'),
})
/** Of a new connection: most are whole. */
const plan = fc.option(aBreak, { freq: 2, nil: undefined })

const message: fc.Arbitrary<Message> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constantFrom('offer', 'candidate'), target }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('peer_message'), to_peer_id: target }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('broadcast') }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('broadcast'), channel }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('update_metadata', 'query', 'unknown') }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('join_channel', 'leave_channel'), channel }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('renew'), id_token: fc.constantFrom('mine', 'nonsense') }) },
)

const act = <const A extends string>(name: A) => fc.constant(name)
const step = fc.oneof(
  { weight: 100, arbitrary: fc.record({ act: act('send'), who, message }) },
  { weight: 40, arbitrary: fc.record({ act: act('pause'), turns: fc.constantFrom(1, 2, 4, 8, 16) }) },
  { weight: 10, arbitrary: fc.record({ act: act('await answers') }) },
  { weight: 30, arbitrary: fc.record({ act: act('break'), who, plan: aBreak }) },
  { weight: 30, arbitrary: fc.record({ act: act('come back'), who, plan }) },
  { weight: 5, arbitrary: fc.record({ act: act('move'), who, plan }) },
  { weight: 5, arbitrary: fc.record({ act: act('take over'), who, plan }) },
  { weight: 5, arbitrary: fc.record({ act: act('register again'), who, isRight: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ act: act('leave'), who }) },
  { weight: 10, arbitrary: fc.record({ act: act('end what hangs'), withKept: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ act: act('guess'), who }) },
  { weight: 5, arbitrary: fc.record({ act: act('let time pass'), ms: fc.constantFrom(200, 10_000, ttl, ttl) }) },
  { weight: 5, arbitrary: fc.record({ act: fc.constantFrom('hold services', 'let services go on') }) },
  { weight: 2, arbitrary: fc.record({ act: act('burst'), who, target }) },
  { weight: 1, arbitrary: fc.record({ act: act('delete the room') }) },
  { weight: 3, arbitrary: fc.record({ act: act('cut the links') }) },
)
const schedule = fc.record({
  /** Through which node each connection enters, again from the beginning after the last. */
  entries: fc.array(fc.nat({ max: 1 }), { minLength: 1, maxLength: 20, size: 'max' }),
  steps: fc.array(step, { maxLength: 2 * stepsPerRun, size: 'max' }),
  /** What is still done before the server stops; null: all leave before. */
  last: fc.option(fc.array(step, { maxLength: 10 }), { nil: null }),
})
type Schedule = typeof schedule extends fc.Arbitrary<infer T> ? T : never
type Step = Schedule['steps'][number]

// What happens.

/** What the server asks others for can be held back, so that what waits for it takes a while. */
function slowServices(clock: Clock, identity: Identity) {
  const store = sqlite(':memory:', clock)
  let held: PromiseWithResolvers<void> | undefined
  return {
    services: {
      store: {
        ...store,
        async get(roomId: string) {
          await held?.promise
          return store.get(roomId)
        },
      },
      identity: {
        ...identity,
        async verify(idToken: string, proven?: string) {
          await held?.promise
          return identity.verify(idToken, proven)
        },
      },
    },
    hold: () => {
      held ??= Promise.withResolvers()
    },
    letGo: () => {
      held?.resolve()
      held = undefined
    },
  }
}

const turnOfTheLoop = () => new Promise<void>(resolve => setImmediate(resolve))

/** An identity for each peer, and who can tell them. They outlive any schedule, as to make them takes longer than to play one. */
interface People {
  readonly identity: Identity
  readonly idTokens: readonly string[]
}

async function openWorld({ identity, idTokens }: People, nodeCount: number, entries: readonly number[]) {
  const clock = manualClock()
  const { services, hold, letGo } = slowServices(clock, identity)
  const many = '1000000'
  const settings = {
    PARLEY_DEAD_AFTER_SECONDS: '900',
    PARLEY_ERRORS_PER_MINUTE: many,
    PARLEY_FAILED_REGISTRATIONS_PER_MINUTE: many,
    PARLEY_MAX_FAN_OUT_PER_SECOND: many,
    PARLEY_PLAIN_PEER_ERRORS: '',
  }
  const nodes = await startNodes(nodeCount, settings, { clock, ...services })
  const servers = nodes.nodes.map(({ server }) => server)
  const [server] = servers as [TestServer]
  const entryOf = (number: number) => servers[(entries[number % entries.length] ?? 0) % nodeCount] ?? server
  const proxy = await breakableProxy(number => entryOf(number).ws)
  const [owner = ''] = idTokens
  const rooms = [await server.createRoom(owner)]
  const world: Surroundings = { story: new Story(), clock, proxy, rooms, room: 0 }
  const peers = cast.map(
    ({ name, features, channels }, i) => new ReferencePeer(name, features, channels, idTokens[i] ?? owner, world),
  )
  return { ...world, world, clock, nodes, server, servers, peers, hold, letGo, owner, rooms }
}
type World = Awaited<ReturnType<typeof openWorld>>

/** Time goes on. Who may be away for so long may have left. */
function pass({ clock, story }: World, ms: number): void {
  if (ms > 10) story.note('', `${ms} ms pass`)
  clock.advance(ms)
  for (const session of story.sessions) {
    if (clock.uptime() - (session.brokenSince ?? Infinity) >= ttl) story.mayBeOver(session)
  }
}

/** Somebody else tries to go on with a session, with a token that is not good, or no more. */
async function guess({ server, story, rooms }: World, { name, room, tokens, firstGood, received }: Session) {
  using stranger = await server.connect()
  const token = tokens[firstGood - 1] ?? 'wrong'
  const reply = await stranger.ask({ type: 'resume', room_id: rooms[room]?.room_id, peer_id: name, token, received })
  if (reply.code !== 'RESUME_FAILED') story.fault(`a stranger goes on as ${name} with ${token}`)
}

async function deleteRoom(world: World) {
  const { server, story, rooms, owner } = world
  const { room_id, token } = rooms[world.world.room] ?? {}
  world.letGo()
  story.note('', 'the room is deleted')
  story.deletedAt.set(world.world.room, story.now)
  for (const session of story.sessions) if (session.room === world.world.room) story.mayBeOver(session)
  await server.post('/delete-peers-and-room', { room_id, token })
  rooms.push(await server.createRoom(owner))
  world.world.room = rooms.length - 1
}

/** Peers with `resume` are away from now on if they are on another node than their room, and plain ones may be over. */
function cutLinks({ nodes, story, clock }: World) {
  if (nodes.nodes.length === 1) return
  story.cutAt = story.note('', 'the links are cut')
  for (const session of story.sessions) {
    session.brokenSince ??= clock.uptime()
    if (session.isPlain || session.tokens.length === 0) story.mayBeOver(session)
  }
  nodes.cable(0, 1).cut()
  nodes.cable(1, 0).cut()
}

/** Plain peers say only what others are to hear. */
const mayBeSaid = ({ isPlain }: Session, { type, channel }: Message) =>
  !isPlain || (/^(offer|candidate|peer_message|broadcast)$/.test(type) && channel === undefined)

function say(peer: ReferencePeer, message: Message) {
  if (!peer.session || !mayBeSaid(peer.session, message)) return
  const id_token = message.id_token === 'mine' && peer.idToken
  peer.send({ ...message, ...(isSignal(message) && { sender: peer.name }), ...(id_token && { id_token }) })
}

const hasAll = ({ sent }: Session) =>
  sent.every(({ message, answers }) => answers.length > 0 || message.request_id === undefined)

async function perform(world: World, step: Step) {
  const { story, peers, proxy } = world
  switch (step.act) {
    case 'pause':
      for (let i = 0; i < step.turns; i++) await turnOfTheLoop()
      return
    case 'await answers': {
      world.letGo()
      const asked = peers.filter(({ isSteady }) => isSteady)
      const isDone = (peer: ReferencePeer) => !peer.isSteady || !peer.session || hasAll(peer.session)
      return story.until(
        () => asked.every(isDone),
        () => `answers for ${asked.filter(peer => !isDone(peer))}`,
      )
    }
    case 'end what hangs':
      for (const wire of proxy.links) if (wire.isHanging) wire.end(step.withKept)
      return
    case 'let time pass':
      return pass(world, step.ms)
    case 'hold services':
      return world.hold()
    case 'let services go on':
      return world.letGo()
    case 'delete the room':
      return deleteRoom(world)
    case 'cut the links':
      return cutLinks(world)
  }
  const peer = peers[step.who] as ReferencePeer
  switch (step.act) {
    case 'send':
      return say(peer, step.message)
    case 'burst':
      for (let i = 0; i < 150; i++) {
        say(peer, { type: 'peer_message', to_peer_id: step.target })
        if (i % 30 > 0) continue
        // Frames that all come in the same millisecond would be a flood.
        pass(world, 10)
        for (let turns = 0; turns < 10; turns++) await turnOfTheLoop()
      }
      return
    case 'break':
      return peer.wire?.breakAt(step.plan)
    case 'come back':
      return peer.isSteady ? undefined : peer.comeBack(step.plan)
    case 'move':
      return peer.comeBack(step.plan)
    case 'take over':
      return peer.enter(step.plan)
    case 'register again':
      return peer.registerAgain(step.isRight)
    case 'leave':
      return peer.leave()
    case 'guess':
      return peer.session ? guess(world, peer.session) : undefined
  }
}

/** Nothing is held back any more, and nothing breaks from now on. */
function mend({ letGo, proxy }: World): void {
  letGo()
  for (const wire of proxy.links) wire.breakAt(undefined)
  for (const wire of proxy.links) if (wire.isHanging) wire.end(true)
}

/** Everybody who has not left comes back over a connection that holds, and what was broken is cleared away. */
async function settle(world: World) {
  const { story, peers } = world
  mend(world)
  // A register that was on its way over a link that was cut tries again after a while, by this clock.
  const tick = setInterval(() => pass(world, 250), 100)
  try {
    await allComeBack(world)
    // A plain peer is not told that one of its connections has taken over from another.
    for (const peer of peers) if (peer.session?.isPlain && peer.session.overAt < Infinity) peer.enter()
    await allComeBack(world)
  } finally {
    clearInterval(tick)
  }
  // With the first round all that was sent is done, with the second one what came of it is here.
  for (let i = 0; i < 2; i++) await ask(world, 'query')
  // Those that have left over a broken connection are away until now.
  pass(world, ttl)
  pass(world, presenceWindow.ms)
  for (let i = 0; i < 20; i++) {
    await ask(world, 'discover_peers')
    if (untrue(world).length === 0) break
  }
  story.faults.push(...untrue(world))
  story.quietAt = story.now
  const present = peers.filter(({ isSteady }) => isSteady)
  if ((await sumOf(world, 'parley_peers')) !== present.length) story.fault('the server counts other peers')
}

/** Resolves when everybody who has not left is there, and the server knows of no other connections. */
async function allComeBack(world: World) {
  const { story, peers } = world
  const isSettled = (peer: ReferencePeer) => peer.isSteady || !peer.session
  while (!peers.every(isSettled)) {
    for (const peer of peers) if (!isSettled(peer) && !peer.wire?.isWhole) peer.comeBack()
    const some = peers.filter(peer => !isSettled(peer))
    const isGoingOn = () => some.some(peer => isSettled(peer) || !peer.wire?.isWhole)
    await story.until(isGoingOn, () => `${some.map(({ name }) => name)} in the room`)
  }
  for (const peer of peers) peer.tidy()
  await becomes(world, 'parley_connections', () => peers.filter(({ isSteady }) => isSteady).length)
  await nodesAgree(world)
}

/** Resolves when each node has heard of the sockets that have ended on others. */
async function nodesAgree(world: World) {
  let here = Number.NaN
  for (let i = 0; i < 2000; i++) {
    here = await sumOf(world, 'parley_connections_of_others')
    if (here === (await sumOf(world, 'parley_connections_elsewhere'))) return
    await turnOfTheLoop()
  }
  world.story.fault(`${here} sockets of other nodes are known that are not there`)
}

const untrue = ({ story, peers }: World) => [
  ...untrueRosters(
    peers.flatMap(({ isSteady, session }) => (isSteady && session ? [session] : [])),
    story,
  ),
]

/** All that are there ask; resolves when each has its answer. */
async function ask({ story, peers }: World, type: string) {
  const asked = peers.flatMap(peer => {
    const request = peer.isSteady ? peer.send({ type: peer.session?.isPlain ? 'query' : type }) : undefined
    return request ? [request] : []
  })
  const missing = () => asked.filter(({ answers }) => answers.length === 0)
  await story.until(
    () => missing().length === 0,
    () => `answers to ${missing().map(({ n }) => `r${n}`)}`,
  )
}

/** That of all nodes together. */
async function sumOf({ servers }: World, name: string): Promise<number> {
  const values = await Promise.all(servers.map(server => metricOf(server, name)))
  return values.reduce((sum, value) => sum + value, 0)
}

/** Resolves when the metric has that value, or has kept another one for too long. */
async function becomes(world: World, name: string, value: () => number) {
  let last = Number.NaN
  for (let i = 0; i < 2000; i++) {
    last = await sumOf(world, name)
    if (last === value()) return
    await turnOfTheLoop()
  }
  world.story.fault(`${name} is ${last}, not ${value()}`)
}

/** 4. Who says so leaves at once; who is cut off, in time. When all have left, nothing is kept of them. */
async function leave(world: World) {
  const { peers } = world
  const present = peers.filter(({ isSteady }) => isSteady)
  const half = Math.ceil(present.length / 2)
  for (const peer of present.slice(0, half)) peer.leave()
  for (const name of ['parley_connections', 'parley_peers']) await becomes(world, name, () => present.length - half)
  for (const peer of present.slice(half)) peer.wire?.breakAt({ direction: 'up', after: 0, how: 'ends' })
  await becomes(world, 'parley_connections', () => 0)
  await nodesAgree(world)
  pass(world, ttl)
  for (const name of ['parley_peers', 'parley_peers_away', 'parley_queued_bytes']) await becomes(world, name, () => 0)
}

async function play({ steps, last, entries }: Schedule, people: People, nodeCount: number): Promise<Story> {
  const world = await openWorld(people, nodeCount, entries)
  const { story, peers, proxy, nodes } = world
  try {
    for (const peer of peers) peer.enter()
    for (const step of steps) {
      await perform(world, step)
      pass(world, 10)
    }
    await settle(world)
    if (last === null) await leave(world)
    else for (const step of last) await perform(world, step)
  } catch (error) {
    story.fault(String(error))
  } finally {
    mend(world)
    story.stoppedAt = story.note('', 'the server stops')
    for (const session of story.sessions) story.mayBeOver(session)
    await nodes[Symbol.asyncDispose]()
    proxy.close()
  }
  return story
}

test.each([
  ['one node', 1],
  ['either of two nodes', 2],
])(
  `a session goes on over any broken connection to %s, in ${runs} times about ${stepsPerRun} random steps`,
  async (_, nodeCount) => {
    await inTemporaryFolder(async folder => {
      const identity = await local({ folder, lifetime: 3600, refreshLifetime: 3600 }, manualClock())
      const idTokens = await Promise.all(cast.map(async () => (await identity.signIn()).idToken))
      const property = fc.asyncProperty(schedule, async schedule => {
        const story = await play(schedule, { identity, idTokens }, nodeCount)
        const faults = faultsIn(story)
        if (faults.length > 0) throw new Error([...faults.slice(0, 5), '', ...story.log.slice(-150)].join('\n'))
      })
      const { failed, seed, errorInstance } = await fc.check(property, {
        numRuns: runs,
        interruptAfterTimeLimit: 60_000,
      })
      if (failed) throw new Error(`with seed ${seed}, and as little as shows it:\n${errorInstance}`)
    })
  },
  1_200_000,
)
