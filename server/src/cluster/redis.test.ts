import { describe, expect, test } from 'bun:test'
import { type TestNode, testNodes } from '../../test/cluster-nodes.ts'
import { describeWithRedis, hasRedis, type RedisProcess, startRedis } from '../../test/redis-process.ts'
import { clusterContract } from './cluster.contract.ts'
import type { Placement } from './cluster.ts'

const hour = 3_600_000
const shared = hasRedis ? await startRedis() : undefined

/** Nodes of a Redis of their own. */
async function cluster(ids: string, ...options: readonly string[]) {
  const server = await startRedis(...options)
  const { begin, start, meet } = testNodes(server.url)
  const nodes = await meet(...ids)
  const [a, b, c] = nodes as [TestNode, TestNode, TestNode]
  return { server, begin, start, nodes, a, b, c }
}

/** A Redis that is killed has everything when it starts again. */
const keeps = ['--appendonly', 'yes', '--appendfsync', 'always']

const idsOf = (node: TestNode) => node.cluster.others().map(({ id }) => id)

async function turns(count: number, ...nodes: readonly TestNode[]): Promise<void> {
  for (let i = 0; i < count; i++) for (const node of nodes) await node.turn()
}

/** A turn that Redis does not answer, because it hangs. */
async function unansweredTurn(node: TestNode): Promise<void> {
  const over = node.nextTurn()
  node.clock.advance(1_000)
  node.redisClock.advance(3_000)
  expect(await over).toEqual({ ahead: undefined })
}

async function loseMemory(server: RedisProcess): Promise<void> {
  await server.kill()
  await server.start()
}

/** Gives the room to the node behind everybody's back. */
const give = (by: TestNode, roomId: string, node: string, number: number) =>
  by.redis.send('HSET', `parley:room:{${roomId}}`, 'node', node, 'number', String(number))

/** What each of them hears that claims the room, one after another. */
async function placements(roomId: string, ...nodes: readonly TestNode[]): Promise<Placement[]> {
  const all: Placement[] = []
  for (const node of nodes) all.push(await node.cluster.claim(roomId, hour))
  return all
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(setImmediate)
}

/** Resolves when all has been sent that is to be sent. */
const sent = () => new Promise<void>(resolve => setImmediate(resolve))

describeWithRedis('over Redis', () => {
  for (const ids of [['a'], ['a', 'b'], ['a', 'b', 'c']]) {
    clusterContract('redis', ids.length, async () => {
      const nodes = await testNodes(shared?.url ?? '', `${ids.length}:`).meet(...ids)
      return nodes.map(({ cluster }) => cluster)
    })
  }

  describe('a node that is silent', () => {
    test('is struck off after five turns if it does not answer at its address, and its rooms are free', async () => {
      const { a, b, c } = await cluster('abc')
      const before = await c.cluster.claim('r', hour)
      c.answers = false
      // Of these one turn may show its last move.
      await turns(4, a, b)
      expect([a.told, b.told, idsOf(a)]).toEqual([[], [], ['b', 'c']])
      expect((await a.cluster.claim('r', hour)).node).toBe('c')
      await turns(1, a, b)
      expect([a.told, b.told]).toEqual([['died c (node c)'], ['died c (node c)']])
      expect([idsOf(a), idsOf(b)]).toEqual([['b'], ['a']])
      const placement = await a.cluster.claim('r', hour)
      expect(placement).toEqual({ node: 'a', number: before.number + 1 })
      expect(await b.cluster.claim('r', hour)).toEqual(placement)
      await turns(10, a, b)
      expect([a.told, b.told]).toEqual([['died c (node c)'], ['died c (node c)']])
      expect(await a.redis.send('EXISTS', 'parley:node:c')).toBe(0)
    })

    test('is struck off after three turns if it refuses connections', async () => {
      const { a, b, c } = await cluster('abc')
      c.answers = false
      a.refused.add('c')
      await turns(2, a, b)
      expect(a.told).toEqual([])
      await turns(1, a, b)
      expect([a.told, b.told]).toEqual([['died c (node c)'], []])
    })

    test('is alive if it has refused a connection, and answers at its address', async () => {
      const { a } = await cluster('ab')
      a.refused.add('b')
      await turns(8, a)
      expect([a.told, idsOf(a)]).toEqual([[], ['b']])
    })

    test('is alive if it has refused a connection, and its counter moves', async () => {
      const { a, b } = await cluster('ab')
      a.refused.add('b')
      b.answers = false
      for (let i = 0; i < 9; i++) await turns(1, b, a)
      expect([a.told, a.called]).toEqual([[], []])
    })

    test('is alive if it answers at its address', async () => {
      const { a, b, c } = await cluster('abc')
      await c.cluster.claim('r', hour)
      await turns(20, a, b)
      expect(a.called.length).toBeGreaterThan(2)
      expect(a.called.length).toBeLessThan(6)
      expect([a.told, b.told, idsOf(a), idsOf(b)]).toEqual([[], [], ['b', 'c'], ['a', 'c']])
      expect((await a.cluster.claim('r', hour)).node).toBe('c')
    })

    test('is alive if its counter moves while it is called', async () => {
      const { a, b } = await cluster('ab')
      b.answers = async () => {
        await b.turn()
        return false
      }
      await turns(8, a)
      expect([a.called, a.told, idsOf(a)]).toEqual([['b'], [], ['b']])
    })

    test('has a second to answer, for which no turn waits', async () => {
      const { a, b } = await cluster('ab')
      b.answers = () => new Promise(() => {})
      // One of b's turns came after a's last one.
      await turns(4, a)
      a.clock.advance(1_000)
      await until(() => a.called.length > 0)
      a.clock.advance(999)
      await sent()
      expect(a.told).toEqual([])
      await turns(1, a)
      await until(() => a.told.length > 0)
      expect(a.called).toEqual(['b'])
      expect(a.told).toEqual(['died b (node b)'])
    })

    test('is not called if it has written nothing of itself', async () => {
      const { a } = await cluster('a')
      await a.redis.send('HSET', 'parley:nodes', 'ghost', '5', 'new', '7')
      await a.redis.send('SET', 'parley:node:new', '{"of":"another version"}')
      await turns(5, a)
      expect([a.called, a.told, idsOf(a)]).toEqual([[], [], []])
      expect(await a.redis.send('HKEYS', 'parley:nodes')).toEqual(['a'])
    })

    test('is not called by a node that has started only now', async () => {
      const { start, a, b } = await cluster('ab')
      b.answers = false
      const late = await start('z')
      await turns(3, late)
      expect([late.called, idsOf(late).sort()]).toEqual([[], ['a', 'b']])
      await turns(2, a, late)
      expect([late.told, idsOf(late)]).toEqual([['died b (node b)'], ['a']])
    })
  })

  test('a node that closes is missed by others, and nobody is told that it died', async () => {
    const { a, b } = await cluster('ab')
    b.answers = false
    await b.cluster.close()
    await turns(1, a)
    expect(idsOf(a)).toEqual([])
    await turns(10, a)
    expect([a.called, a.told]).toEqual([[], []])
  })

  test('a node that closes while it is called has not died', async () => {
    const { a, b } = await cluster('ab')
    b.answers = async () => {
      await b.cluster.close()
      await a.turn()
      return false
    }
    await turns(8, a)
    expect([a.called, a.told, idsOf(a)]).toEqual([['b'], [], []])
  })

  test('a node that has closed stays away, whatever it was about to do', async () => {
    const { a, b, c } = await cluster('abc')
    await b.cluster.claim('r', hour)
    // Redis is to know the script for the end, and not the one for claims.
    await b.redis.send('SCRIPT', 'FLUSH')
    await c.cluster.close()
    const claims = [1, 2, 3, 4, 5].map(() => a.cluster.claim('r', hour))
    await sent()
    await Promise.allSettled([a.cluster.close(), ...claims])
    expect(await b.redis.send('HKEYS', 'parley:nodes')).toEqual(['b'])
  })

  describe('nobody is struck off', () => {
    const strict = async (...options: string[]) => {
      const all = await cluster('ab', ...options)
      // So nobody must even be called.
      for (const node of all.nodes) node.answers = false
      await turns(3, all.a, all.b)
      await turns(1, all.a)
      return all
    }
    const expectPeace = async (a: TestNode, b: TestNode) => {
      // Each has had only so many answers when the other one comes back.
      await turns(4, a)
      await turns(4, b)
      await turns(10, a, b)
      expect([a.called, b.called, a.told, b.told]).toEqual([[], [], [], []])
      expect([idsOf(a), idsOf(b)]).toEqual([['b'], ['a']])
    }

    test('after Redis was away', async () => {
      const { server, a, b } = await strict(...keeps)
      await server.kill()
      for (let i = 0; i < 10; i++) for (const node of [a, b]) expect(await node.turn()).toEqual({ ahead: undefined })
      expect([a.cluster.hasRedis, idsOf(a)]).toEqual([false, ['b']])
      await server.start()
      await a.reconnect()
      await b.reconnect()
      expect(a.cluster.hasRedis).toBe(true)
      await expectPeace(a, b)
    })

    test('after Redis has lost its memory', async () => {
      const { server, a, b } = await strict()
      await loseMemory(server)
      await a.reconnect()
      await turns(3, a)
      await b.reconnect()
      await expectPeace(a, b)
    })

    test('after Redis has lost its memory, and has kept its connections', async () => {
      const { a, b } = await strict()
      await a.redis.send('FLUSHALL')
      await expectPeace(a, b)
    })

    test('after Redis has started again at once', async () => {
      const { server, a, b } = await strict(...keeps)
      await server.kill()
      await server.start()
      await a.reconnect()
      await turns(3, a)
      await b.reconnect()
      await expectPeace(a, b)
    })

    test('after Redis has hung', async () => {
      const { server, a, b } = await strict()
      server.signal('SIGSTOP')
      for (let i = 0; i < 8; i++) for (const node of [a, b]) await unansweredTurn(node)
      server.signal('SIGCONT')
      await expectPeace(a, b)
    })

    test('after Redis has hung, if others find that it is back later than this node', async () => {
      const { server, a, b } = await strict()
      server.signal('SIGSTOP')
      for (let i = 0; i < 8; i++) await unansweredTurn(a)
      server.signal('SIGCONT')
      await expectPeace(a, b)
    })

    test('because it connects again ten seconds later than others', async () => {
      for (const options of [[], keeps]) {
        const { server, a, b } = await cluster('ab', ...options)
        await server.kill()
        await server.start()
        await a.reconnect()
        await turns(10, a)
        expect(a.called).toContain('b')
        expect([a.told, idsOf(a)]).toEqual([[], ['b']])
        await b.reconnect()
        await turns(10, a, b)
        expect([a.told, b.told, idsOf(a), idsOf(b)]).toEqual([[], [], ['b'], ['a']])
      }
    })
  })

  describe('when Redis has lost its memory', () => {
    test('nodes write their entries and claims again, with the next number', async () => {
      const { server, a, b } = await cluster('ab')
      for (let i = 0; i < 200; i++) await a.cluster.claim(`r${i}`, hour)
      await b.cluster.claim('of b', hour)
      await loseMemory(server)
      a.mostAtOnce = 0
      await a.reconnect()
      await b.reconnect()
      expect(await a.redis.send('HKEYS', 'parley:nodes')).toEqual(['a', 'b'])
      for (let i = 0; i < 200; i++)
        expect(await a.redis.send('HMGET', `parley:room:{r${i}}`, 'node', 'number')).toEqual(['a', '2'])
      expect(a.mostAtOnce).toBeLessThanOrEqual(51)
      expect(a.mostAtOnce).toBeGreaterThan(40)
      expect(await placements('of b', a, b)).toEqual(Array(2).fill({ node: 'b', number: 2 }))
      const left = (await a.redis.send('PTTL', 'parley:room:{r7}')) as number
      expect(left).toBeGreaterThan(hour / 2)
      expect(left).toBeLessThanOrEqual(hour)
      await turns(1, a, b)
      expect([a.told, b.told, idsOf(a)]).toEqual([[], [], ['b']])
      // It is another epoch only once.
      await a.redis.send('DEL', 'parley:room:{r7}')
      a.sleep(4_000)
      await turns(1, a)
      expect(await b.cluster.claim('r7', hour)).toEqual({ node: 'a', number: 2 })
    })

    test('one that has claimed a room of another with a higher number has it, and the other is told', async () => {
      const { server, a, b } = await cluster('ab')
      expect(await placements('r', a, b)).toEqual(Array(2).fill({ node: 'a', number: 1 }))
      await loseMemory(server)
      await b.reconnect()
      expect(await b.cluster.claim('r', hour)).toEqual({ node: 'b', number: 2 })
      await a.reconnect()
      expect(a.told).toEqual(['lost r to b 2'])
      expect(await placements('r', a, b)).toEqual(Array(2).fill({ node: 'b', number: 2 }))
      await turns(70, a, b)
      expect([a.told, b.told]).toEqual([['lost r to b 2'], []])
    })

    test('one that has claimed it with a lower number is told that it has lost it', async () => {
      const { server, a, b } = await cluster('ab')
      await give(a, 'r', 'dead', 4)
      expect(await a.cluster.claim('r', hour)).toEqual({ node: 'a', number: 5 })
      await loseMemory(server)
      await b.reconnect()
      expect(await b.cluster.claim('r', hour)).toEqual({ node: 'b', number: 1 })
      await a.reconnect()
      expect(await b.redis.send('HMGET', 'parley:room:{r}', 'node', 'number')).toEqual(['a', '6'])
      await turns(40, a, b)
      expect([a.told, b.told]).toEqual([[], ['lost r to a 6']])
      expect(await placements('r', a, b)).toEqual(Array(2).fill({ node: 'a', number: 6 }))
    })

    test('of equal numbers that of the greater id counts', async () => {
      for (const [first, second] of ['ab', 'ba']) {
        const { server, nodes } = await cluster('ab')
        const [one, other] = nodes.sort(x => (x.cluster.self.id === first ? -1 : 1)) as [TestNode, TestNode]
        await one.cluster.claim('r', hour)
        await loseMemory(server)
        await other.reconnect()
        expect(await other.cluster.claim('r', hour)).toEqual({ node: second as string, number: 1 })
        await one.reconnect()
        await turns(40, one, other)
        const [winner, loser] = first === 'b' ? [one, other] : [other, one]
        expect([winner.told, loser.told.length]).toEqual([[], 1])
        const number = first === 'b' ? 2 : 1
        expect(loser.told).toEqual([`lost r to b ${number}`])
        expect(await placements('r', one, other)).toEqual(Array(2).fill({ node: 'b', number }))
      }
    })
  })

  describe('a node that has slept', () => {
    test('gets its entry back under its id, and is told which rooms it has lost', async () => {
      const { a, b, c } = await cluster('abc')
      await placements('r', a, b)
      await placements('s', a, b)
      a.answers = false
      await turns(6, b, c)
      expect([b.told, c.told]).toEqual([['died a (node a)'], ['died a (node a)']])
      expect(await b.cluster.claim('r', hour)).toEqual({ node: 'b', number: 2 })
      a.answers = true
      a.sleep(30_000)
      await a.turn()
      expect(a.told).toEqual(['lost r to b 2'])
      expect(await placements('r', a, b, c)).toEqual(Array(3).fill({ node: 'b', number: 2 }))
      expect(await placements('s', a, b, c)).toEqual(Array(3).fill({ node: 'a', number: 1 }))
      await turns(10, a, b, c)
      expect([a, b, c].map(idsOf)).toEqual([
        ['b', 'c'],
        ['c', 'a'],
        ['b', 'a'],
      ])
      expect([a.told, b.told, c.told].map(({ length }) => length)).toEqual([1, 1, 1])
    })

    test('claims nothing that others believe to be free', async () => {
      const { a, b } = await cluster('ab')
      a.answers = false
      await turns(6, b)
      expect(b.told).toEqual(['died a (node a)'])
      // It does not know yet.
      const placement = await a.cluster.claim('r', hour)
      expect(await b.cluster.claim('r', hour)).toEqual(placement)
    })
  })

  describe('claims are looked after', () => {
    const doubts: Record<string, (a: TestNode, b: TestNode) => Promise<unknown>> = {
      'when a turn is late': async a => {
        a.sleep(3_500)
        await a.turn()
      },
      'when it connects again': async (a, b) => {
        await b.redis.send('CLIENT', 'KILL', 'ID', String(await a.redis.send('CLIENT', 'ID')))
        await a.reconnect()
      },
      'when its entry is gone': async (a, b) => {
        await b.redis.send('HDEL', 'parley:nodes', 'a')
        await a.turn()
      },
      'when a claim has found no entry': async (a, b) => {
        await b.redis.send('HDEL', 'parley:nodes', 'a')
        await a.cluster.claim('another', hour)
        await a.turn()
      },
      'when there is another epoch': async (a, b) => {
        await b.redis.send('SET', 'parley:epoch', 'another')
        await a.turn()
      },
      'every minute': a => turns(60, a),
    }
    test.each(Object.keys(doubts))('%s', async name => {
      const { a, b } = await cluster('ab')
      for (const room of ['gone', 'taken', 'mine', 'dead', 'lower']) await a.cluster.claim(room, hour)
      await a.turn()
      await a.redis.send('DEL', 'parley:room:{gone}')
      await give(a, 'taken', 'b', 2)
      await give(a, 'dead', 'nobody', 7)
      await give(a, 'lower', 'b', 0)
      await give(a, 'mine', 'a', 0)
      a.sleep(2_500)
      await a.turn()
      expect(a.told).toEqual([])
      await doubts[name]?.(a, b)
      expect(a.told).toEqual(['lost taken to b 2'])
      const numberOf = async (room: string) => (await b.cluster.claim(room, hour)) as unknown
      const again = name === 'when there is another epoch' ? 2 : 1
      expect(await numberOf('gone')).toEqual({ node: 'a', number: again })
      expect(await numberOf('mine')).toEqual({ node: 'a', number: 1 })
      expect(await numberOf('dead')).toEqual({ node: 'a', number: 8 })
      expect(await numberOf('lower')).toEqual({ node: 'a', number: again })
    })

    test('in small portions', async () => {
      const { a } = await cluster('a')
      for (let i = 0; i < 60; i++) await a.cluster.claim(`r${i}`, hour)
      const seen: number[] = []
      for (let i = 0; i < 90; i++) {
        a.runs = 0
        await a.turn()
        seen.push(a.runs - 1)
      }
      expect(seen.slice(0, 29)).toEqual(Array(29).fill(0))
      expect(Math.max(...seen)).toBe(2)
      expect(seen.slice(0, 61).reduce((sum, n) => sum + n)).toBeGreaterThanOrEqual(60)
    })

    test('so they do not expire, while those of others do', async () => {
      const { a } = await cluster('a')
      await a.cluster.claim('held', hour)
      await a.cluster.claim('short', 1_000)
      await a.cluster.claim('endless', Number.POSITIVE_INFINITY)
      const left = (room: string) => a.redis.send('PTTL', `parley:room:{${room}}`) as Promise<number>
      expect(await left('short')).toBeLessThanOrEqual(1_000)
      expect(await left('endless')).toBeLessThanOrEqual(86_400_000)
      expect(await left('endless')).toBeGreaterThan(86_000_000)
      await a.redis.send('PEXPIRE', 'parley:room:{endless}', '5000')
      await turns(60, a)
      expect(await left('short')).toBeGreaterThan(200_000)
      expect(await left('endless')).toBeGreaterThan(86_000_000)
      expect(await left('held')).toBeLessThanOrEqual(hour - 30_000)
    })

    test('with numbers beyond all that the node has seen', async () => {
      const { a, b } = await cluster('ab')
      await give(a, 'r', 'b', 7)
      await a.cluster.claim('r', hour)
      await give(a, 'r', 'a', 3)
      expect(await placements('r', a, b)).toEqual(Array(2).fill({ node: 'a', number: 8 }))
    })

    test('again at the next turn if Redis could not do it', async () => {
      const { a } = await cluster('a')
      await a.cluster.claim('r', hour)
      await a.redis.send('SET', 'parley:room:{r}', 'this is no hash')
      await turns(31, a)
      await a.redis.send('DEL', 'parley:room:{r}')
      await turns(1, a)
      expect(await a.redis.send('HGET', 'parley:room:{r}', 'node')).toBe('a')
    })

    test('until they are released', async () => {
      const { a } = await cluster('a')
      await a.cluster.claim('r', hour)
      const again = a.cluster.claim('r', hour)
      a.cluster.release('r')
      await again
      await turns(60, a)
      expect(await a.redis.send('HGET', 'parley:room:{r}', 'node')).toBe(null)
    })

    test('also if Redis was away when it was their turn', async () => {
      const { server, a } = await cluster('a')
      await a.cluster.claim('r', hour)
      await turns(29, a)
      await server.kill()
      await turns(3, a)
      await server.start()
      await a.reconnect()
      expect(await a.redis.send('HMGET', 'parley:room:{r}', 'node', 'number')).toEqual(['a', '2'])
    })
  })

  test('a claim that comes too late is nobody’s until somebody claims the room', async () => {
    const { server, a, b } = await cluster('ab')
    await a.cluster.claim('so that Redis knows the script', hour)
    server.signal('SIGSTOP')
    const late = a.cluster.claim('r', hour)
    await sent()
    a.redisClock.advance(3_000)
    await expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    server.signal('SIGCONT')
    await a.redis.send('PING')
    expect(await b.redis.send('HGET', 'parley:room:{r}', 'node')).toBe('a')
    expect(await placements('r', b, a)).toEqual(Array(2).fill({ node: 'a', number: 1 }))
  })

  test('a claim that comes too late is not looked after', async () => {
    const { server, a } = await cluster('a')
    await a.cluster.claim('so that Redis knows the script', hour)
    server.signal('SIGSTOP')
    const both = [a.cluster.claim('r', hour), a.cluster.claim('r', hour)]
    await sent()
    a.sleep(4_600)
    a.redisClock.advance(3_000)
    for (const { status } of await Promise.allSettled(both)) expect(status).toBe('rejected')
    server.signal('SIGCONT')
    await a.redis.send('PING')
    await a.redis.send('DEL', 'parley:room:{r}')
    await turns(60, a)
    expect(await a.redis.send('EXISTS', 'parley:room:{r}')).toBe(0)
  })

  describe('while Redis is away', () => {
    test('a room of another node is that node’s still, and one that is unknown nobody’s', async () => {
      const { server, a, b } = await cluster('ab')
      await a.cluster.claim('r', hour)
      const placement = await b.cluster.claim('r', hour)
      await server.kill()
      expect(await b.cluster.claim('r', hour)).toEqual(placement)
      expect(await b.cluster.find('r')).toEqual(placement)
      await expect(b.cluster.find('unknown')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await expect(a.cluster.claim('r', hour)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    })

    test('a room that another node has released is nobody’s', async () => {
      const { server, a, b } = await cluster('ab')
      await a.cluster.claim('r', hour)
      await b.cluster.claim('r', hour)
      a.cluster.release('r')
      await a.redis.send('PING')
      expect(await b.cluster.find('r')).toBeUndefined()
      await server.kill()
      await expect(b.cluster.claim('r', hour)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    })
  })

  test('one that hangs is waited for a second where it is known who had the room', async () => {
    const { server, a, b } = await cluster('ab')
    await a.cluster.claim('r', hour)
    const placement = await b.cluster.claim('r', hour)
    server.signal('SIGSTOP')
    const known = b.cluster.claim('r', hour)
    await sent()
    b.sleep(1_000)
    b.clock.advance(1_000)
    expect(await known).toEqual(placement)
    server.signal('SIGCONT')
  })

  test('claims fail at once while there is no connection', async () => {
    const { server, a } = await cluster('a')
    await server.kill()
    await a.turn()
    await expect(a.cluster.claim('r', hour)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    a.cluster.release('r')
    await expect(a.cluster.close()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('listeners that throw spoil no turn', async () => {
    const { a, b } = await cluster('ab')
    await a.cluster.claim('r', hour)
    await a.cluster.claim('s', hour)
    a.throws = true
    b.answers = false
    await give(a, 'r', 'b', 2)
    await give(a, 's', 'b', 2)
    a.sleep(4_000)
    await turns(5, a)
    expect(a.told.sort()).toEqual(['died b (node b)', 'lost r to b 2', 'lost s to b 2'])
    expect(a.faults.map(String).sort()).toEqual(a.told.map(what => `Error: ${what}`))
    expect((await a.turn()).ahead).toBeNumber()
  })

  test('a turn tells by how much Redis’s time of day is ahead', async () => {
    const { a } = await cluster('a')
    const before = Date.now()
    const { ahead } = await a.turn()
    const time = (ahead ?? 0) + a.clock.now()
    expect(time).toBeGreaterThanOrEqual(before - 1)
    expect(time).toBeLessThanOrEqual(Date.now() + 1)
  })

  describe('is ready', () => {
    const noRedis = async (ids: string) => {
      const all = await cluster(ids)
      await all.server.kill()
      await turns(9, all.a)
      expect(await all.a.cluster.ready()).toBe('ready')
      await turns(1, all.a)
      return all.a
    }

    test('once Redis has answered', async () => {
      const server = await startRedis()
      await server.kill()
      const node = testNodes(server.url).begin('a')
      await node.turn()
      await expect(node.cluster.ready()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await server.start()
      await node.reconnect()
      expect(await node.cluster.ready()).toBe('ready')
    })

    test('ten seconds after Redis is gone only if no other node has it', async () => {
      const a = await noRedis('ab')
      a.neighbours = [false, true]
      await expect(a.cluster.ready()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      a.neighbours = [false, false]
      expect(await a.cluster.ready()).toBe('degraded')
    })

    test('without Redis not if it can reach nobody, unless there is nobody', async () => {
      await expect((await noRedis('ab')).cluster.ready()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      expect(await (await noRedis('a')).cluster.ready()).toBe('degraded')
    })
  })
})
