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
  answers: boolean
  /** What it hears from those that it has links to. */
  neighbours: readonly boolean[]
  /** Has its listener throw at whatever it is told. */
  throws: boolean
  readonly faults: unknown[]
  /** Lets one second pass, and resolves when the turn that begins then is over. */
  turn(): Promise<Turn>
  /** Resolves when the next turn is over that begins by itself. */
  nextTurn(): Promise<Turn>
  /** Lets time go on without the node, as a machine does that sleeps. */
  sleep(ms: number): void
}

/** Nodes of one cluster, whose ids are one letter each. */
export function testNodes(url: string, prefix = 'parley:') {
  const all = new Map<string, TestNode>()

  /** Starts one, and resolves when its first turn is over. */
  async function start(id: string): Promise<TestNode> {
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
    const cluster = redis({
      self,
      redis: connection,
      clock,
      prefix,
      async call(called) {
        node.called.push(called.id)
        return all.get(called.id)?.answers === true
      },
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
      neighbours: [],
      throws: false,
      faults: [],
      turn() {
        const over = nextTurn()
        manual.advance(1_000)
        return over
      },
      nextTurn,
      sleep(ms) {
        slept += ms
      },
    }
    all.set(id, node)
    cluster.listen({
      lost: (roomId, to) => tell(`lost ${roomId} to ${to.node} ${to.number}`),
      died: ({ id, name }) => tell(`died ${id} (${name})`),
    })
    await nextTurn()
    return node
  }

  /** Starts several, and resolves when they know each other. */
  async function meet(...ids: readonly string[]): Promise<TestNode[]> {
    const nodes: TestNode[] = []
    for (const id of ids) nodes.push(await start(id))
    for (const node of nodes) await node.turn()
    return nodes
  }

  return { start, meet }
}
