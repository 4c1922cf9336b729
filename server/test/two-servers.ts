import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignalingError } from '@parley/protocol'
import { type Clock, systemClock } from '../src/clock.ts'
import type { Cluster, ClusterListener, Node, Placement } from '../src/cluster/cluster.ts'
import type { Identity } from '../src/identity/identity.ts'
import { local } from '../src/identity/local.ts'
import type { Link } from '../src/links/link.ts'
import { type Links, openLinks } from '../src/links/links.ts'
import { linkTypes } from '../src/nodes/link-types.ts'
import type { RoomStore } from '../src/room-store/room-store.ts'
import { sqlite } from '../src/room-store/sqlite.ts'
import { type Cable, layCable } from './cable.ts'
import { recordingLog, startServer, type TestServer } from './harness.ts'

export interface TestNode {
  readonly id: string
  readonly server: TestServer
  readonly log: ReturnType<typeof recordingLog>
  readonly links: Links
  /** Those that others have called. */
  readonly answered: Link[]
  /** Those that it has called. */
  readonly called: Set<Link>
  /** Takes it out of the cluster, as its death would. */
  leaveCluster(): void
}

export interface TestNodes extends AsyncDisposable {
  readonly nodes: readonly TestNode[]
  readonly [index: number]: TestNode
  readonly claims: ReadonlyMap<string, Placement>
  /** The way that one node's links take to another; both by their numbers. */
  cable(from: number, to: number): Cable
  /** Has another node claim a room, as after a cut; the one that served it is told. */
  move(roomId: string, to: number): void
}

export interface SharedParts {
  readonly clock?: Clock
  readonly store?: RoomStore
  readonly identity?: Identity
  /** Bytes that may wait on a link. */
  readonly bound?: number
}

/** All nodes prove by it that they belong together. */
export const sharedSecret = 'the secret that all nodes share'

/** Servers in this process that share a cluster, a store and an identity, with real links between them. */
export async function startNodes(
  count: number,
  settings: Record<string, string> = {},
  shared: SharedParts = {},
): Promise<TestNodes> {
  const clock = shared.clock ?? systemClock
  const folder = mkdtempSync(join(tmpdir(), 'parley-test-'))
  const identity = shared.identity ?? (await local({ folder, lifetime: 3600, refreshLifetime: 3600 }, clock))
  const store = shared.store ?? sqlite(':memory:', clock)
  const claims = new Map<string, Placement>()
  const members = new Map<string, Node>()
  const listeners = new Map<string, ClusterListener>()
  const cables = new Map<string, Cable>()
  const nodes: TestNode[] = []

  function clusterOf(self: Node): Cluster {
    const living = (roomId: string) => {
      const placement = claims.get(roomId)
      return placement && members.has(placement.node) ? placement : undefined
    }
    return {
      self,
      listen: listener => void listeners.set(self.id, listener),
      others: () => [...members.values()].filter(({ id }) => id !== self.id),
      async node(id) {
        const node = members.get(id)
        return node && { ...node, address: cables.get(`${self.id} ${id}`)?.address ?? node.address }
      },
      async claim(roomId) {
        const placement = living(roomId) ?? { node: self.id, number: (claims.get(roomId)?.number ?? 0) + 1 }
        claims.set(roomId, placement)
        return placement
      },
      find: async roomId => living(roomId),
      release(roomId) {
        if (claims.get(roomId)?.node === self.id) claims.delete(roomId)
      },
      ready: async () => 'ready',
      close: async () => void members.delete(self.id),
    }
  }

  async function start(id: string): Promise<TestNode> {
    const log = recordingLog()
    const answered: Link[] = []
    const called = new Set<Link>()
    let server: TestServer | undefined
    // Heartbeats follow the time of the machine, whatever time the test has: they cross real sockets.
    const links = openLinks({
      ...{ id, hostname: '127.0.0.1', port: 0, clock: systemClock, log },
      ...(shared.bound !== undefined && { bound: shared.bound }),
      secrets: () => [sharedSecret],
      types: linkTypes,
      listener: {
        opened: link => void answered.push(link),
        received: (link, type, handle, body) => server?.receive(link, type, handle, body),
      },
    })
    const self = { id, name: id, address: `127.0.0.1:${links.port}`, version: '0.0.0-test' }
    members.set(id, self)
    const cluster = clusterOf(self)
    const link = async (nodeId: string) => {
      const node = await cluster.node(nodeId)
      if (!node) throw new SignalingError('UNAVAILABLE', 'The node that serves the room has gone.', { retryAfter: 1 })
      const opened = await links.to(node)
      called.add(opened)
      return opened
    }
    server = await startServer(settings, { identity, store, cluster, clock, log, link })
    return { id, server, log, links, answered, called, leaveCluster: () => void members.delete(id) }
  }

  for (let i = 0; i < count; i++) nodes.push(await start(`node-${i}`))
  for (const from of nodes) {
    for (const to of nodes) if (from !== to) cables.set(`${from.id} ${to.id}`, await layCable(to.links.port))
  }

  return Object.assign([...nodes], {
    nodes,
    claims,
    cable(from: number, to: number) {
      const cable = cables.get(`node-${from} node-${to}`)
      if (!cable) throw new Error(`There is no way from ${from} to ${to}.`)
      return cable
    },
    move(roomId: string, to: number) {
      const before = claims.get(roomId)
      const placement = { node: `node-${to}`, number: (before?.number ?? 0) + 1 }
      claims.set(roomId, placement)
      if (before) listeners.get(before.node)?.lost(roomId, placement)
    },
    async [Symbol.asyncDispose]() {
      for (const cable of cables.values()) cable.mend()
      await Promise.all(nodes.map(({ server }) => server[Symbol.asyncDispose]()))
      for (const { links } of nodes) links.close()
      for (const cable of cables.values()) cable.close()
      rmSync(folder, { recursive: true })
    },
  })
}
