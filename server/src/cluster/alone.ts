import type { Cluster } from './cluster.ts'

/** This process is the only node. */
export function alone(): Cluster {
  const self = { id: 'alone', name: 'alone', address: '', version: '' }
  const mine = Promise.resolve({ node: self.id, number: 1 })
  return {
    self,
    listen() {},
    others: () => [],
    claim: () => mine,
    find: () => mine,
    release() {},
    async ready() {},
    async close() {},
  }
}
