import { alone } from './alone.ts'
import { clusterContract } from './cluster.contract.ts'

clusterContract('alone', 1, async () => {
  const cluster = alone({ id: 'a', name: 'node a', address: 'a:8002', version: '1' })
  cluster.listen({ lost() {}, died() {} })
  return [cluster]
})
