import type { Cluster, Node } from './cluster.ts'

/** A server that shares its rooms with nobody: all of them are its own. */
export function alone(self: Node): Cluster {
  const placement = Promise.resolve({ node: self.id, number: 1 })
  return {
    self,
    listen() {},
    others: () => [],
    claim: () => placement,
    release() {},
    ready: async () => 'ready',
    async close() {},
  }
}
