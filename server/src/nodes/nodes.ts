import { hostname, networkInterfaces } from 'node:os'
import type { Clock } from '../clock.ts'
import type { Cluster, Node } from '../cluster/cluster.ts'
import type { Config } from '../config.ts'
import { NodeGone } from '../gateway/crossing.ts'
import type { Link } from '../links/link.ts'
import { openLinks } from '../links/links.ts'
import { type Log, reasons } from '../log.ts'
import type { Redis } from '../redis/redis.ts'
import { linkTypes, type ServerLink } from './link-types.ts'

/** Frames by which a node without Redis asks the others whether they have it, and their answer. */
const states = { ask: 48, tell: 49 } as const
/** Milliseconds that an answer counts for. */
const recent = 5_000

/** Stands before all keys in Redis. */
export const keyPrefix = 'parley:'
const secretKey = `${keyPrefix}link-secret`

export interface NodesParts {
  readonly config: Pick<Config, 'nodeName' | 'nodeHost' | 'nodePort'>
  readonly redis: Redis
  readonly clock: Clock
  readonly log: Log
  readonly version: string
  /** Opens the cluster of which this is a node. */
  cluster(self: Node, others: Others): Cluster & { readonly hasRedis: boolean }
}

/** What the cluster asks of other nodes, over links. */
export interface Others {
  /** Whether the node answers at its address: it is called before it is taken for dead. */
  call(node: Node): Promise<boolean>
  /** Whether its address has refused the last connection. */
  refuses(nodeId: string): boolean
  /** Whether they have Redis, of those that have said so in the last seconds. */
  neighbours(): readonly boolean[]
  /** Redis was asked, and has answered or not. */
  onTurn(turn: { readonly ahead: number | undefined }): void
}

/** What hears what other nodes say. */
interface Served {
  receive(link: ServerLink, type: number, handle: number, body: string | Uint8Array): void
}

/** This server as a node among others. */
export interface Nodes {
  readonly cluster: Cluster
  /** @throws NodeGone; SignalingError UNAVAILABLE */
  link(nodeId: string): Promise<ServerLink>
  /** Has the server hear what other nodes say. */
  serve(server: Served): void
  close(): Promise<void>
}

/** Opens the port for other nodes. @throws Error that says which setting is missing; with code EADDRINUSE and the like */
export function joinNodes({ config, redis, clock, log, version, ...parts }: NodesParts): Nodes {
  const host = config.nodeHost || privateAddress()
  const id = crypto.randomUUID()
  const name = config.nodeName || hostname()
  const secrets = new Set<string>()
  redis.onConnected(
    () => void shareSecret(redis, secrets).catch(error => log.warn({ cause: reasons(error) }, 'no link secret')),
  )
  let server: Served | undefined
  const told = new Map<string, { readonly hasRedis: boolean; readonly at: number }>()
  const links = openLinks({
    ...{ id, hostname: host, port: config.nodePort, clock, log },
    secrets: () => [...secrets],
    types: new Map([...linkTypes, [states.ask, 'text'], [states.tell, 'text']]),
    listener: {
      opened() {},
      received(link, type, handle, body) {
        if (type === states.ask) link.send(states.tell, 0, String(Number(cluster.hasRedis)), 'answer')
        else if (type === states.tell) told.set(link.nodeId, { hasRedis: body === '1', at: clock.uptime() })
        else server?.receive(link, type, handle, body)
      },
    },
  })
  const address = `${host.includes(':') ? `[${host}]` : host}:${links.port}`
  /** Those that this node has called. */
  const open = new Map<string, ServerLink>()
  /** Those whose address has refused the last connection. */
  const refusing = new Set<string>()
  const cluster = parts.cluster(
    { id, name, address, version },
    {
      call: node => links.answers(node),
      refuses: nodeId => refusing.has(nodeId),
      neighbours: () =>
        [...told.values()].flatMap(({ hasRedis, at }) => (clock.uptime() - at < recent ? [hasRedis] : [])),
      onTurn({ ahead }) {
        if (ahead !== undefined) return
        const ask = (link: Link) => link.send(states.ask, 0, '', 'answer')
        // One that cannot be reached is no neighbour.
        for (const node of cluster.others()) links.to(node).then(ask, () => {})
      },
    },
  )
  log.info({ node: name, id, address }, 'node')

  return {
    cluster,
    async link(nodeId) {
      // Redis need not be there for it.
      const known = open.get(nodeId)
      if (known) return known
      const node = await cluster.node(nodeId)
      if (!node) {
        refusing.delete(nodeId)
        throw new NodeGone()
      }
      try {
        const link = await links.to(node)
        refusing.delete(nodeId)
        open.set(nodeId, link)
        link.onClosed(() => open.delete(nodeId))
        return link
      } catch (error) {
        if (isRefused(error)) refusing.add(nodeId)
        throw error
      }
    },
    serve(given) {
      server = given
    },
    async close() {
      await cluster.close().catch(error => log.warn({ cause: reasons(error) }, 'cluster not left'))
      links.close()
      redis.close()
    },
  }
}

/** All nodes prove to each other that they know the secret which the first of them has put into Redis. */
async function shareSecret(redis: Redis, secrets: Set<string>): Promise<void> {
  const [known] = secrets
  await redis.send(
    'SET',
    secretKey,
    known ?? Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex'),
    'NX',
  )
  const shared = String(await redis.send('GET', secretKey))
  // The one that all others have first comes first; those from before Redis lost its memory are good, too.
  const others = [...secrets].filter(secret => secret !== shared)
  secrets.clear()
  for (const secret of [shared, ...others]) secrets.add(secret)
}

const isRefused = (error: unknown): boolean =>
  error instanceof Error && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED'

/** RFC 1918, section 3, and RFC 6598. */
const isPrivate = (address: string): boolean =>
  /^(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./.test(address)

/** That of this machine; loopback where it has no network at all. @throws Error where it has several, or public ones only */
function privateAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  const outside = all.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
  const found = outside.map(({ address }) => address).filter(isPrivate)
  const [only] = found
  if (only && found.length === 1) return only
  if (outside.length === 0) return '127.0.0.1'
  const has = found.length === 0 ? 'no private IPv4 address' : `several private addresses (${found.join(', ')})`
  throw new Error(`This machine has ${has}: set PARLEY_NODE_HOST to the address at which the other nodes reach it.`)
}
