import type { Cluster, Node } from './cluster.ts'

const nobody: Node = { id: 'alone', name: 'alone', address: '', version: '' }

/** A server that shares its rooms with nobody: all of them are its own. */
export function alone(self: Node = nobody): Cluster {
  const placement = Promise.resolve({ node: self.id, number: 1 })
  return {
    self,
    listen() {},
    others: () => [],
    node: async () => undefined,
    claim: () => placement,
    find: () => placement,
    release() {},
    ready: async () => 'ready',
    async close() {},
  }
}
