import { hostname, networkInterfaces } from 'node:os'
import type { Clock } from '../clock.ts'
import type { Cluster, Node } from '../cluster/cluster.ts'
import type { Config } from '../config.ts'
import { NodeGone } from '../gateway/crossing.ts'
import { openLinks } from '../links/links.ts'
import { type Log, reasons } from '../log.ts'
import type { Redis } from '../redis/redis.ts'
import { linkTypes, type ServerLink } from './link-types.ts'

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
  cluster(self: Node, calls: Calls): Cluster
}

/** How others are called before they are taken for dead, and what links to them have shown. */
export interface Calls {
  call(node: Node): Promise<boolean>
  refuses(nodeId: string): boolean
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
  const links = openLinks({
    ...{ id, hostname: host, port: config.nodePort, clock, log },
    secrets: () => [...secrets],
    types: linkTypes,
    listener: { opened() {}, received: (link, type, handle, body) => server?.receive(link, type, handle, body) },
  })
  const address = `${host.includes(':') ? `[${host}]` : host}:${links.port}`
  /** Those that this node has called. */
  const open = new Map<string, ServerLink>()
  /** Those whose address has refused the last connection. */
  const refusing = new Set<string>()
  const cluster = parts.cluster(
    { id, name, address, version },
    { call: node => links.answers(node), refuses: nodeId => refusing.has(nodeId) },
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

/** @throws Error where this machine has none, or several */
function privateAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  const found = addresses.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address)
  const [only] = found
  if (only && found.length === 1) return only
  if (!only) return '127.0.0.1'
  throw new Error(
    `This machine has several addresses (${found.join(', ')}): set PARLEY_NODE_HOST to that which other nodes reach.`,
  )
}
