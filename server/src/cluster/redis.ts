import { SignalingError } from '@parley/protocol'
import { type Clock, nothingPlanned } from '../clock.ts'
import type { Redis } from '../redis/redis.ts'
import { withDeadline } from '../resilience/deadline.ts'
import type { Cluster, ClusterListener, Node } from './cluster.ts'
import { claims } from './redis/claims.ts'
import { commands, type Reading } from './redis/commands.ts'
import { membership } from './redis/membership.ts'

/** From the answer to one turn until the next one begins. Milliseconds. */
const pause = 1_000

/** A turn that begins later than this was not there to see what happened meanwhile. Milliseconds. */
const lateAfter = 3_000

/** A node is without Redis when that has answered none of its turns for so long. Milliseconds. */
const withoutAfter = 10_000

/** What one turn has shown. */
export interface Turn {
  /** Milliseconds by which Redis's time of day is ahead of that of this machine; undefined if Redis did not answer. */
  readonly ahead: number | undefined
}

export interface RedisClusterParts {
  readonly self: Node
  /** The end of the cluster does not close it. */
  readonly redis: Redis
  readonly clock: Clock
  /** Stands before all keys: nodes that have it in common are one cluster. */
  readonly prefix: string
  /** Whether the node answers at its address by its id. What fails, or takes longer than a second, is a no. */
  call(node: Node): Promise<boolean>
  /** Whether the last connection to the node was refused: then it is called sooner. */
  refuses(id: string): boolean
  /** Of each node that a link leads to at present: whether it has Redis, as it says itself. */
  neighbours(): readonly boolean[]
  /** A turn is over, and all that followed from it. */
  onTurn(turn: Turn): void
  /** One of those that are told something has thrown. */
  onFault(error: unknown): void
}

export interface RedisCluster extends Cluster {
  /** Redis has answered the last turn: what neighbours are told. */
  readonly hasRedis: boolean
}

/**
 * The nodes that meet in one Redis, or Valkey, without which all goes on but the claiming of rooms. It counts as one server, not as
 * Redis Cluster. Its turns, one a second, begin with `listen`.
 */
export function redis({ self, redis, clock, prefix, ...parts }: RedisClusterParts): RedisCluster {
  let listener: ClusterListener | undefined
  let epoch: string | undefined
  /** Redis may not be what it was at the last answer. */
  let isInDoubt = false
  let hasRedis = false
  let answeredAt: number | undefined
  let cancel = nothingPlanned
  let plannedAt = clock.uptime()
  let isAsking = false
  let isClosed = false
  const underWay = new Set<Promise<unknown>>()

  const safely = (tell: () => void) => {
    try {
      tell()
    } catch (error) {
      parts.onFault(error)
    }
  }
  const run: Redis['run'] = (...args) => {
    if (isClosed) return Promise.reject(new Error('This node has left the others.'))
    const answer = redis.run(...args)
    const settled: Promise<void> = answer.then(
      () => void underWay.delete(settled),
      () => void underWay.delete(settled),
    )
    underWay.add(settled)
    return answer
  }
  const asked = commands({ run, send: redis.send }, prefix, self)
  const members = membership({
    self,
    clock,
    commands: asked,
    call: parts.call,
    refuses: parts.refuses,
    died: node => safely(() => listener?.died(node)),
  })
  const rooms = claims({
    self: self.id,
    clock,
    commands: asked,
    lost: (roomId, to) => safely(() => listener?.lost(roomId, to)),
    wasMissing: () => {
      isInDoubt = true
    },
  })

  function plan(): void {
    plannedAt = clock.uptime() + pause
    cancel = clock.after(pause, turn)
  }

  async function turn(): Promise<void> {
    if (clock.uptime() - plannedAt > lateAfter) isInDoubt = true
    isAsking = true
    const sentAt = clock.now()
    const reading = await (redis.isConnected ? asked.turn().catch(() => undefined) : undefined)
    const ahead = reading && reading.time - (sentAt + clock.now()) / 2
    isAsking = false
    if (isClosed) return
    plan()
    hasRedis = reading !== undefined
    if (reading) await follow(reading)
    else members.disturb()
    safely(() => parts.onTurn({ ahead }))
  }

  async function follow(reading: Reading): Promise<void> {
    answeredAt = clock.uptime()
    if (reading.epoch !== epoch) members.disturb()
    if (isInDoubt || reading.wasMissing || reading.epoch !== epoch) rooms.doubt()
    isInDoubt = false
    epoch = reading.epoch
    await Promise.all([members.read(reading.counters), rooms.sweep()])
  }

  /** There is a new connection. */
  function begin(): void {
    if (isClosed) return
    isInDoubt = true
    members.disturb()
    // It was asked over the old one, and fails now.
    if (isAsking) return
    cancel()
    plannedAt = clock.uptime()
    void turn()
  }

  async function leave(): Promise<void> {
    // What was sent before could write the entry again.
    await Promise.all(underWay)
    await commands(redis, prefix, self).leave()
  }

  return {
    self,
    get hasRedis() {
      return hasRedis
    },
    listen(given) {
      listener = given
      if (!redis.isConnected) plan()
      redis.onConnected(begin)
    },
    others: members.others,
    async node(id) {
      const met = members.others().find(node => node.id === id)
      if (met) return met
      const [known] = await withDeadline(clock, asked.known([id]), 'Redis does not say who the other nodes are.')
      return known === 'left' ? undefined : known
    },
    async claim(roomId, end) {
      if (isClosed) throw new SignalingError('UNAVAILABLE', 'This node has left the others.')
      return rooms.claim(roomId, end)
    },
    find: rooms.find,
    release(roomId) {
      if (!isClosed) rooms.release(roomId)
    },
    async ready() {
      if (answeredAt === undefined) throw new SignalingError('UNAVAILABLE', 'Redis has not answered yet.')
      if (clock.uptime() - answeredAt < withoutAfter) return 'ready'
      const neighbours = parts.neighbours()
      if (neighbours.includes(true)) throw new SignalingError('UNAVAILABLE', 'This node alone cannot reach Redis.')
      if (neighbours.length === 0 && members.others().length > 0)
        throw new SignalingError('UNAVAILABLE', 'This node can reach neither Redis nor another node.')
      return 'degraded'
    },
    async close() {
      if (isClosed) return
      isClosed = true
      cancel()
      hasRedis = false
      await withDeadline(clock, leave(), 'Redis was not told that this node leaves.')
    },
  }
}
