import { onTestFinished } from 'bun:test'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Room } from '@parley/client'
import { RedisClient } from 'bun'
import { type RedisProcess, startRedis } from '../server/test/redis-process.ts'
import { type ParleyProcess, startNode } from './parley-process.ts'

/** Two nodes, each with its own address, and the Redis that they share. */
export interface NodePair {
  readonly redis: RedisProcess
  readonly a: ParleyProcess
  readonly b: ParleyProcess
}

/** Starts them, and resolves when they know each other. They end with the test. */
export async function nodePair(settings: Readonly<Record<string, string>> = {}): Promise<NodePair> {
  const redis = await startRedis()
  const start = (name: string) => startNode({ settings: { ...nodeSettings(redis.url, name), ...settings } })
  const [a, b] = await Promise.all([start('a'), start('b')])
  return { redis, a, b }
}

export const nodeSettings = (url: string, name: string) => ({
  PARLEY_REDIS_URL: url,
  PARLEY_NODE_NAME: name,
  PARLEY_NODE_HOST: '127.0.0.1',
  PARLEY_NODE_PORT: '0',
})

/** Of the claims that count in Redis: the node id of each room. */
export async function claimsIn({ url }: RedisProcess): Promise<Map<string, string>> {
  const client = new RedisClient(url)
  const ask = async (...[command = '', ...args]: string[]) => (await client.send(command, args)) as never
  const nodes: string[] = await ask('HKEYS', 'parley:nodes')
  const keys: string[] = await ask('KEYS', 'parley:room:{*}')
  const owners = await Promise.all(keys.map(async key => [key, await ask('HGET', key, 'node')] as [string, string]))
  client.close()
  return new Map(owners.filter(([, node]) => nodes.includes(node)).map(([key, node]) => [key.slice(13, -1), node]))
}

/** The id that a node has among others. */
export const nodeIdOf = async (node: ParleyProcess): Promise<string> => JSON.parse(await node.said('"msg":"node"')).id

/** Ends the process at once, and resolves when it has. */
export async function kill(node: ParleyProcess): Promise<void> {
  await node.stop('SIGKILL')
}

/** A node whose WebSockets are those of the first of these that takes a connection, as behind a load balancer. Ends with the test. */
export async function firstOf(...nodes: readonly [ParleyProcess, ...ParleyProcess[]]): Promise<ParleyProcess> {
  const all = new Set<Socket>()
  const join = (from: Socket, to: Socket) => {
    all.add(from)
    from.pipe(to)
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
  const server = createServer(async client => {
    client.on('error', () => {})
    for (const { wsUrl } of nodes) {
      const upstream = connect(Number(new URL(wsUrl).port), '127.0.0.1')
      const isThere = await once(upstream, 'connect').then(
        () => true,
        () => false,
      )
      if (!isThere) continue
      join(client, upstream)
      join(upstream, client)
      return
    }
    client.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of all) socket.destroy()
    server.close()
  })
  return { ...nodes[0], wsUrl: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** What a peer is told of who comes and goes from now on. */
export function presenceOf(room: Room): string[] {
  const seen: string[] = []
  room.on('peerJoined', ({ id }) => seen.push(`${id} joined`))
  room.on('peerLeft', id => seen.push(`${id} left`))
  return seen
}

/** Resolves with the milliseconds from now until the room is connected again, after it has been cut off. */
export async function timeUntilBack(room: Room): Promise<number> {
  const start = performance.now()
  if (room.state.status === 'connected') await room.once('state', ({ status }) => status !== 'connected')
  if (room.state.status !== 'connected') await room.once('state', ({ status }) => status === 'connected')
  return Math.round(performance.now() - start)
}

/** Resolves when `holds` has given true. Asks every 50 ms. @returns milliseconds until then */
export async function until(holds: () => Promise<boolean>, within: number): Promise<number> {
  const start = performance.now()
  for (;;) {
    if (await holds()) return Math.round(performance.now() - start)
    if (performance.now() - start > within) throw new Error(`This does not hold within ${within} ms: ${holds}`)
    await Bun.sleep(50)
  }
}
