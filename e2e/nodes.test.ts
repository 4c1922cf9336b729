import { describe, expect } from 'bun:test'
import type { Room } from '@parley/client'
import { startRedis } from '../server/test/redis-process.ts'
import { createRoom, post, signIn } from './api.ts'
import { hasDataChannel, needs, runs } from './needs.ts'
import {
  claimsIn,
  firstOf,
  kill,
  nodeIdOf,
  nodePair,
  nodeSettings,
  presenceOf,
  timeUntilBack,
  until,
} from './node-pair.ts'
import { type ParleyProcess, StartFailure, startNode } from './parley-process.ts'
import { PlainPeer } from './plain-peer.ts'
import { enter, messagesOn, parleyAt } from './sdk-peer.ts'
import { stubbornPeer } from './stubborn-peer.ts'

const redis = { 'redis-server': runs('redis-server', '--version') }
const withRedis = needs(redis)
const withWebRtc = needs({ ...redis, 'node-datachannel': await hasDataChannel() })

interface OwnerAnswer {
  readonly status: number
  readonly body: { readonly peers?: readonly { peer_id: string }[]; readonly rooms?: readonly { peer_count: number }[] }
}

/** What the owner of a room hears over HTTP. */
async function asOwner(idToken: string, method: string, url: string): Promise<OwnerAnswer> {
  const response = await fetch(url, { method, headers: { Authorization: `Bearer ${idToken}` } })
  const text = await response.text()
  return { status: response.status, body: JSON.parse(text || '{}') }
}

/** A room of somebody who is in none, on both nodes with one plain peer each; the first of them has it. */
async function plainPair({ a, b }: { a: ParleyProcess; b: ParleyProcess }) {
  const idToken = await signIn(a.httpUrl)
  const room = await createRoom(a.httpUrl, idToken)
  const register = (node: ParleyProcess, peerId: string, members = {}) =>
    PlainPeer.register({ wsUrl: node.wsUrl, peerId, idToken, room, members })
  return { idToken, room, register, ada: await register(a, 'ada'), bob: await register(b, 'bob') }
}

/** A room of which node `a` is the owner, with ada on it and bob on `b`, or on whatever else these are. */
async function sdkPair(a: ParleyProcess, b: ParleyProcess) {
  const created = await (await parleyAt(a)).createRoom()
  const ada = await enter(a, created, 'ada')
  const arrival = ada.once('peerJoined')
  const bob = await enter(b, created, 'bob')
  await arrival
  return { created, ada, bob }
}

async function channelBetween(ada: Room, bob: Room) {
  const incoming = bob.once('connection')
  const connection = await ada.connect(bob.peerId)
  const [theirs] = await incoming
  const arrival = theirs.once('channel')
  const mine = await connection.open('chat')
  const [channel] = await arrival
  const heard = messagesOn(channel)
  return {
    connection,
    async works() {
      mine.send('hello')
      return (await heard.next()) === 'hello'
    },
  }
}

describe('two peers on two nodes in one room', () => {
  withWebRtc('see each other, connect, and both nodes say so', async () => {
    const { a, b } = await nodePair()
    const { created, ada, bob } = await sdkPair(a, b)
    expect([[...ada.peers.keys()], [...bob.peers.keys()]]).toEqual([['bob'], ['ada']])
    const channel = await channelBetween(bob, ada)
    expect(await channel.works()).toBe(true)
    const seen = presenceOf(ada)
    const carl = await enter(b, created, 'carl')
    if (!seen.includes('carl joined')) await ada.once('peerJoined')
    const left = ada.once('peerLeft')
    carl.leave()
    await left
    expect(seen).toEqual(['carl joined', 'carl left'])
  })

  withRedis('are seen by the owner through either node, which delete the room', async () => {
    const nodes = await nodePair()
    const { idToken, room, ada, bob } = await plainPair(nodes)
    for (const { httpUrl } of [nodes.a, nodes.b]) {
      const { body } = await asOwner(idToken, 'GET', `${httpUrl}/rooms/${room.room_id}`)
      expect(body.peers?.map(({ peer_id }) => peer_id).sort()).toEqual(['ada', 'bob'])
      // A node that has just started hears of the others within a second.
      await until(async () => {
        const list = await asOwner(idToken, 'GET', `${httpUrl}/rooms`)
        return list.body.rooms?.length === 1 && list.body.rooms[0]?.peer_count === 2
      }, 3_000)
    }
    expect((await asOwner(idToken, 'DELETE', `${nodes.b.httpUrl}/rooms/${room.room_id}`)).status).toBe(204)
    expect(await Promise.all([ada.closed, bob.closed])).toEqual([4504, 4504])
    for (const { httpUrl } of [nodes.a, nodes.b])
      expect((await asOwner(idToken, 'GET', `${httpUrl}/rooms/${room.room_id}`)).status).toBe(404)
  })

  withRedis('are deleted through the other node, by name after they have left, or with the token', async () => {
    const nodes = await nodePair()
    const { idToken, room, ada, bob } = await plainPair(nodes)
    const clean = (body: object) => post(`${nodes.b.httpUrl}/delete-peers-and-room`, body)
    const isThere = async () =>
      (await asOwner(idToken, 'GET', `${nodes.a.httpUrl}/rooms/${room.room_id}`)).status === 200
    ada.close()
    await ada.closed
    await until(async () => {
      const { body } = await clean({ peer_id: 'ada' })
      return body.status === 'peer deleted successfully'
    }, 2_000)
    expect(await isThere()).toBe(true)
    expect((await clean({ peer_id: 'ada' })).body).toEqual({ status: 'peer not found' })
    expect((await clean({ peer_id: 'bob', token: room.token })).body).toEqual({ status: 'peer deleted successfully' })
    expect(await bob.closed).toBeGreaterThan(1000)
    expect(await isThere()).toBe(false)
  })
})

withRedis('the list of rooms waits half a second for a node that hangs', async () => {
  const { a, b } = await nodePair()
  const { idToken, ada } = await plainPair({ a, b })
  const count = async () => {
    const list = await asOwner(idToken, 'GET', `${b.httpUrl}/rooms`)
    return list.body.rooms?.[0]?.peer_count
  }
  await until(async () => (await count()) === 2, 3_000)
  a.signal('SIGSTOP')
  const start = performance.now()
  expect(await count()).toBe(0)
  expect(performance.now() - start).toBeLessThan(1_500)
  a.signal('SIGCONT')
  await until(async () => (await count()) === 2, 3_000)
  expect(ada.types).not.toContain('error')
})

describe('kill -9', () => {
  withWebRtc(
    'of the node of a room: its peers on the other are back in 10 s, and their channel is untouched',
    async () => {
      const { a, b, redis } = await nodePair()
      const created = await (await parleyAt(a)).createRoom()
      const owner = await enter(a, created, 'owner')
      const ada = await enter(b, created, 'ada')
      const bob = await enter(b, created, 'bob')
      const { idToken, room, register } = await plainPair({ a, b })
      const carl = await register(b, 'carl')
      const channel = await channelBetween(ada, bob)
      const back = [ada, bob].map(timeUntilBack)
      const underWay = Array.from({ length: 50 }, (_, i) => ada.send('owner', i))
      await kill(a)
      const answers = await Promise.allSettled(underWay)
      expect(answers).toHaveLength(50)
      expect(await channel.works()).toBe(true)
      expect(await carl.closed).toBe(1012)
      // All else goes on meanwhile.
      const other = await createRoom(b.httpUrl, await signIn(b.httpUrl))
      const start = performance.now()
      await PlainPeer.register({ wsUrl: b.wsUrl, peerId: 'dora', idToken, room: other })
      expect(performance.now() - start).toBeLessThan(1_000)
      const times = await Promise.all(back)
      expect(Math.max(...times)).toBeLessThan(10_000)
      await ada.send('bob', 'again')
      expect(await channel.works()).toBe(true)
      expect((await asOwner(idToken, 'GET', `${b.httpUrl}/rooms/${room.room_id}`)).status).toBe(200)
      expect(await PlainPeer.register({ wsUrl: b.wsUrl, peerId: 'carl', idToken, room })).toBeDefined()
      owner.leave()
      expect(redis.url).toBeString()
    },
    40_000,
  )

  withRedis(
    'of a node that has sockets alone: its peers come back by the other, and nobody hears that they left',
    async () => {
      const { a, b } = await nodePair()
      const { ada, bob } = await sdkPair(a, await firstOf(b, a))
      const seen = presenceOf(ada)
      const back = timeUntilBack(bob)
      const arrived: unknown[] = []
      bob.on('message', (_, payload) => arrived.push(payload))
      await kill(b)
      await ada.send('bob', 'meanwhile').catch(() => {})
      const time = await back
      await ada.send('bob', 'after')
      expect(time).toBeLessThan(10_000)
      while (arrived.length < 2) await bob.once('message')
      expect([seen, arrived]).toEqual([[], ['meanwhile', 'after']])
      const text = await (await fetch(`${a.httpUrl}/metrics`)).text()
      expect(text).toMatch(/^parley_sessions_resumed_total 1$/m)
    },
    40_000,
  )
})

describe('SIGTERM', () => {
  for (const seconds of [0, 5]) {
    withRedis(
      `of the node of a room, with ${seconds} s to drain: it ends, and its peers are back in 5 s`,
      async () => {
        const { a, b, redis } = await nodePair({ PARLEY_DRAIN_SECONDS: String(seconds) })
        const { created, ada, bob } = await sdkPair(await firstOf(a, b), b)
        const cutOff: Promise<unknown>[] = []
        const back = [ada, bob].map(async room => {
          await room.once('state', ({ status }) => status !== 'connected')
          return timeUntilBack(room)
        })
        cutOff.push(...back)
        const { code, milliseconds } = await a.stop()
        const freed = performance.now()
        expect([...(await claimsIn(redis)).values()]).not.toContain(await nodeIdOf(a))
        const idToken = await signIn(b.httpUrl)
        const room = { room_id: created.roomId, token: created.token }
        await PlainPeer.register({ wsUrl: b.wsUrl, peerId: 'carl', idToken, room })
        const free = Math.round(performance.now() - freed)
        const times = await Promise.all(back)
        expect(code).toBe(0)
        expect(milliseconds).toBeLessThan(seconds * 1000 + 5_000)
        expect(free).toBeLessThan(1_000)
        expect(Math.max(...times)).toBeLessThan(5_000)
        await ada.send('bob', 'hello')
      },
      40_000,
    )
  }
})

describe('SIGTERM of the node of a room in which somebody does not close', () => {
  withRedis(
    'has the others come back by the other node in 5 s',
    async () => {
      const { a, b } = await nodePair()
      const { created, ada, bob } = await sdkPair(await firstOf(a, b), b)
      const room = { room_id: created.roomId, token: created.token }
      await stubbornPeer('nothing', a.wsUrl, 'stubborn', await signIn(a.httpUrl), room)
      // More than the kernel takes, so that its node waits for it.
      for (let i = 0; i < 10; i++) await ada.send('stubborn', 'x'.repeat(700_000))
      const changes: string[] = []
      const start = performance.now()
      for (const each of [ada, bob])
        each.on('state', ({ status }) =>
          changes.push(`${each.peerId} ${status} ${Math.round(performance.now() - start)}`),
        )
      const { code, milliseconds } = await a.stop()
      for (const each of [ada, bob])
        if (each.state.status !== 'connected') await each.once('state', ({ status }) => status === 'connected')
      expect(code).toBe(0)
      expect(milliseconds).toBeLessThan(5_000)
      expect(changes.length).toBeLessThanOrEqual(4)
      expect(performance.now() - start).toBeLessThan(6_000)
      await ada.send('bob', 'hello')
    },
    40_000,
  )
})

/** Sends a message each 100 ms until it is told to stop. @returns the longest time between two that arrived, in milliseconds */
function stream(from: Room, to: Room) {
  let isOver = false
  let longest = 0
  let arrived = 0
  let last = performance.now()
  const failures: unknown[] = []
  const look = () => {
    longest = Math.max(longest, Math.round(performance.now() - last))
    last = performance.now()
  }
  to.on('message', () => {
    arrived++
    look()
  })
  const sending = (async () => {
    for (let i = 0; !isOver; i++) {
      from.send(to.peerId, i).catch(error => failures.push(error))
      await Bun.sleep(100)
    }
  })()
  return async () => {
    isOver = true
    await sending
    look()
    return { longest, arrived, failures }
  }
}

/** Resolves when so many messages have arrived from now on. */
async function arrivals(room: Room, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await room.once('message')
}

describe('without Redis', () => {
  const outages: Record<string, { seconds: number; begin: 'kill' | 'SIGSTOP' }> = {
    'that is killed and starts again without its memory': { seconds: 0, begin: 'kill' },
    'for 10 s, and then without its memory': { seconds: 10, begin: 'kill' },
    'that hangs for 15 s': { seconds: 15, begin: 'SIGSTOP' },
  }
  for (const [name, { seconds, begin }] of Object.entries(outages)) {
    withRedis(
      `${name}: what is established goes on, and all is well 10 s after it`,
      async () => {
        const { a, b, redis } = await nodePair()
        const { created, ada, bob } = await sdkPair(a, b)
        const plain = await plainPair({ a, b })
        const parleyOnB = await parleyAt(b)
        await parleyOnB.signIn()
        const unknown = await createRoom(a.httpUrl, plain.idToken)
        const states: string[] = []
        for (const room of [ada, bob]) room.on('state', ({ status }) => states.push(status))
        const seen = [presenceOf(ada), presenceOf(bob)]
        const ended = [stream(ada, bob), stream(bob, ada)]

        if (begin === 'kill') await redis.kill()
        else redis.signal('SIGSTOP')
        const outage = Bun.sleep(seconds * 1000)
        if (seconds > 0) {
          const timed = async <T>(act: Promise<T>) => {
            const start = performance.now()
            const outcome = await act.catch(error => error)
            return { outcome, ms: Math.round(performance.now() - start) }
          }
          const there = await Promise.all([
            timed(plain.register(a, 'here')),
            timed(plain.register(b, 'there')),
            timed(PlainPeer.register({ wsUrl: b.wsUrl, peerId: 'x', idToken: plain.idToken, room: unknown })),
            timed(fetch(`${a.httpUrl}/livez`)),
            timed(signIn(b.httpUrl)),
          ])
          const [here, elsewhere, refused, live] = there
          expect([here, elsewhere].map(({ outcome }) => outcome instanceof PlainPeer)).toEqual([true, true])
          expect(String(refused.outcome)).toContain('UNAVAILABLE')
          expect(Math.max(...there.map(({ ms }) => ms))).toBeLessThan(5_100)
          expect(live.outcome.status).toBe(200)
        }
        await outage
        if (begin === 'kill') await redis.start()
        else redis.signal('SIGCONT')

        // All at once, and again until it works: rooms and tokens from before, and new ones.
        const works = async (act: () => Promise<unknown>) =>
          until(
            () =>
              act().then(
                () => true,
                () => false,
              ),
            10_000,
          )
        await Promise.all([
          works(() => plain.register(a, 'later-a')),
          works(() => plain.register(b, 'later-b')),
          works(async () => {
            const { body, status } = await asOwner(plain.idToken, 'GET', `${b.httpUrl}/rooms/${plain.room.room_id}`)
            if (status !== 200) throw new Error(JSON.stringify(body))
          }),
          works(async () => createRoom(b.httpUrl, await signIn(b.httpUrl))),
          works(() => createRoom(a.httpUrl, plain.idToken)),
          works(async () => {
            if ((await fetch(`${a.httpUrl}/readyz`)).status !== 200) throw new Error('not ready')
          }),
          works(() => enter(b, created, `carl-${crypto.randomUUID()}`)),
        ])
        // A node that is wrongly taken for dead is so after six seconds at the earliest.
        await arrivals(bob, 80)
        const outcomes = await Promise.all(ended.map(end => end()))
        for (const { longest, failures } of outcomes) {
          expect(failures).toEqual([])
          expect(longest).toBeLessThan(1_000)
        }
        expect(states).toEqual([])
        expect(seen.flat().filter(what => !what.startsWith('carl'))).toEqual([])
        for (const { stderr } of [a, b]) expect(stderr.filter(line => line.includes('"node gone"'))).toEqual([])
        for (const peer of [plain.ada, plain.bob]) expect(peer.types).not.toContain('error')
      },
      60_000,
    )
  }
})

describe('a Redis', () => {
  const start = (url: string) => startNode({ settings: nodeSettings(url, 'a') })

  withRedis('that throws away what is in use is warned of', async () => {
    const { url } = await startRedis('--maxmemory-policy', 'allkeys-lru')
    const node = await start(url)
    expect(await node.said('"maxmemory-policy"')).toContain('noeviction')
  })

  withRedis('that may not be asked is not complained of', async () => {
    const { url } = await startRedis(
      '--maxmemory-policy',
      'allkeys-lru',
      '--user',
      ...'default on nopass ~* &* +@all -info'.split(' '),
    )
    const node = await start(url)
    await signIn(node.httpUrl)
    expect(node.stderr.filter(line => line.includes('maxmemory'))).toEqual([])
  })

  withRedis('of a cluster is refused with a sentence', async () => {
    const { url } = await startRedis('--cluster-enabled', 'yes')
    const failure: StartFailure = await start(url).then(
      () => Promise.reject(new Error('It has started.')),
      error => error,
    )
    expect(failure).toBeInstanceOf(StartFailure)
    expect([failure.code, failure.stderr.join('\n')]).toEqual([1, expect.stringContaining('cluster_enabled:1')])
  })
})
