import { startRedis } from '../server/test/redis-process.ts'
import { startBalancer } from './balancer.ts'
import type { ParleyProcess, StartOptions } from './parley-process.ts'

/** Two nodes that share a Redis of their own. Connections go to them in turn. */
export async function twoNodes(
  options: StartOptions,
  startNode: (options: StartOptions) => Promise<ParleyProcess>,
): Promise<ParleyProcess> {
  const { url } = await startRedis()
  const start = (name: string) =>
    startNode({
      ...options,
      settings: {
        PARLEY_REDIS_URL: url,
        PARLEY_NODE_NAME: name,
        PARLEY_NODE_HOST: '127.0.0.1',
        PARLEY_NODE_PORT: '0',
        ...options.settings,
      },
    })
  const nodes = await Promise.all([start('a'), start('b')])
  const balanced = (urls: readonly string[]) => startBalancer(urls.map(each => Number(new URL(each).port)))
  const [http, ws] = await Promise.all([
    balanced(nodes.map(({ httpUrl }) => httpUrl)),
    balanced(nodes.map(({ wsUrl }) => wsUrl)),
  ])
  const [first] = nodes
  return {
    ...first,
    httpUrl: `http://127.0.0.1:${http}`,
    wsUrl: `ws://127.0.0.1:${ws}`,
    get stderr() {
      return nodes.flatMap(({ stderr }) => stderr)
    },
    said: (...parts) => Promise.race(nodes.map(node => node.said(...parts))),
    signal: (...given) => {
      for (const node of nodes) node.signal(...given)
    },
    async stop(...given) {
      const [outcome] = await Promise.all(nodes.map(node => node.stop(...given)))
      return outcome ?? { code: null, milliseconds: 0 }
    },
  }
}
