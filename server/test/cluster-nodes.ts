import { type Clock, type ManualClock, manualClock } from '../src/clock.ts'
import type { Node } from '../src/cluster/cluster.ts'
import { type RedisCluster, redis, type Turn } from '../src/cluster/redis.ts'
import { openRedis, type Redis } from '../src/redis/redis.ts'

/** A node whose turns a test makes. */
export interface TestNode {
  readonly cluster: RedisCluster
  readonly redis: Redis
  /** Its time, apart from that of its connection to Redis. */
  readonly clock: ManualClock
  /** The time of its connection: when it gives up waiting, and connects again. */
  readonly redisClock: ManualClock
  /** What its listener was told, in order. */
  readonly told: string[]
  /** The ids of those it has called at their addresses. */
  readonly called: string[]
  /** What others hear that call it at its address. */
  answers: boolean | (() => Promise<boolean>)
  /** The ids of those that have refused a connection of it. */
  readonly refused: Set<string>
  /** What it hears from those that it has links to. */
  neighbours: readonly boolean[]
  /** Has its listener throw at whatever it is told. */
  throws: boolean
  readonly faults: unknown[]
  /** How many scripts it has run since this was set, and how many were under way at once. */
  runs: number
  mostAtOnce: number
  /** Lets one second pass, and resolves when the turn that begins then is over. */
  turn(): Promise<Turn>
  /** Resolves when the next turn is over that begins by itself. */
  nextTurn(): Promise<Turn>
  /** Once its connection has broken: connects again, and resolves when the turn is over that begins then. */
  reconnect(): Promise<Turn>
  /** Lets time go on without the node, as a machine does that sleeps. */
  sleep(ms: number): void
}

/** Nodes of one cluster, whose ids are one letter each. */
export function testNodes(url: string, prefix = 'parley:') {
  const all = new Map<string, TestNode>()

  /** Starts one, whose first turn begins as soon as it is connected. */
  function begin(id: string): TestNode {
    const manual = manualClock()
    const redisClock = manualClock()
    let slept = 0
    const clock: Clock = { ...manual, uptime: () => manual.uptime() + slept }
    const connection = openRedis(url, redisClock)
    const waiting: ((turn: Turn) => void)[] = []
    const self: Node = { id, name: `node ${id}`, address: `${id}:8002`, version: '1' }
    const tell = (what: string) => {
      node.told.push(what)
      if (node.throws) throw new Error(what)
    }
    let connections = 0
    connection.onConnected(() => connections++)
    let underWay = 0
    const counted: Redis = {
      get isConnected() {
        return connection.isConnected
      },
      send: connection.send,
      onConnected: connection.onConnected,
      close: connection.close,
      run(...args) {
        node.runs++
        node.mostAtOnce = Math.max(node.mostAtOnce, ++underWay)
        return connection.run(...args).finally(() => underWay--)
      },
    }
    const cluster = redis({
      self,
      redis: counted,
      clock,
      prefix,
      async call(called) {
        node.called.push(called.id)
        const { answers } = all.get(called.id) ?? { answers: false }
        return typeof answers === 'boolean' ? answers : answers()
      },
      refuses: id => node.refused.has(id),
      neighbours: () => node.neighbours,
      onTurn(turn) {
        for (const resolve of waiting.splice(0)) resolve(turn)
      },
      onFault: error => void node.faults.push(error),
    })
    const nextTurn = () => new Promise<Turn>(resolve => waiting.push(resolve))
    const node: TestNode = {
      cluster,
      redis: connection,
      clock: manual,
      redisClock,
      told: [],
      called: [],
      answers: true,
      refused: new Set(),
      neighbours: [],
      throws: false,
      faults: [],
      runs: 0,
      mostAtOnce: 0,
      turn() {
        const over = nextTurn()
        manual.advance(1_000)
        return over
      },
      nextTurn,
      async reconnect() {
        const over = nextTurn()
        const before = connections
        while (connections === before) {
          redisClock.advance(1_000)
          await new Promise(setImmediate)
        }
        return over
      },
      sleep(ms) {
        slept += ms
      },
    }
    all.set(id, node)
    cluster.listen({
      lost: (roomId, to) => tell(`lost ${roomId} to ${to.node} ${to.number}`),
      died: ({ id, name }) => tell(`died ${id} (${name})`),
    })
    return node
  }

  /** Starts one, and resolves when its first turn is over. */
  async function start(id: string): Promise<TestNode> {
    const node = begin(id)
    await node.nextTurn()
    return node
  }

  /** Starts several, and resolves when they know each other. */
  async function meet(...ids: readonly string[]): Promise<TestNode[]> {
    const nodes: TestNode[] = []
    for (const id of ids) nodes.push(await start(id))
    for (const node of nodes) await node.turn()
    return nodes
  }

  return { begin, start, meet }
}
