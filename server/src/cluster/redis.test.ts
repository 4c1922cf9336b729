import { describe } from 'bun:test'
import { testNodes } from '../../test/cluster-nodes.ts'
import { hasRedis, startRedis } from '../../test/redis-process.ts'
import { clusterContract } from './cluster.contract.ts'

const shared = hasRedis ? await startRedis() : undefined

describe.skipIf(!shared)('over Redis', () => {
  for (const ids of [['a'], ['a', 'b'], ['a', 'b', 'c']]) {
    clusterContract('redis', ids.length, async () => {
      const nodes = await testNodes(shared?.url ?? '', `${ids.length}:`).meet(...ids)
      return nodes.map(({ cluster }) => cluster)
    })
  }
})
