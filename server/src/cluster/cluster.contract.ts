import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Cluster, Placement } from './cluster.ts'

const hour = 3_600_000

/** What every cluster must do. `open` gives so many nodes of one that know each other, and have been told to listen. */
export function clusterContract(name: string, count: number, open: () => Promise<readonly Cluster[]>): void {
  describe(`cluster: ${name}, nodes: ${count}`, () => {
    let nodes: readonly Cluster[]
    let here: Cluster
    beforeAll(async () => {
      nodes = await open()
      here = nodes[0] as Cluster
      expect(nodes.length).toBe(count)
    })
    afterAll(() => Promise.all(nodes.map(node => node.close())))

    test('knows the others, and not itself', () => {
      for (const node of nodes) {
        const others = nodes.map(({ self }) => self).filter(({ id }) => id !== node.self.id)
        expect([...node.others()].sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual(others)
      }
    })

    test('is ready', async () => {
      for (const node of nodes) expect(await node.ready()).toBe('ready')
    })

    test('gives a room to the node that claims it, and gives it again as often as it asks', async () => {
      const placement = await here.claim('again', hour)
      expect(placement.node).toBe(here.self.id)
      expect(placement.number).toBeGreaterThan(0)
      expect(await here.claim('again', hour)).toEqual(placement)
      expect(await Promise.all([here.claim('again', hour), here.claim('again', 1)])).toEqual([placement, placement])
    })

    test('takes any room id, and any end', async () => {
      for (const id of ['{', '}:peers', 'ä 🎈', ' ', '*']) expect((await here.claim(id, 0)).node).toBe(here.self.id)
      for (const end of [Number.POSITIVE_INFINITY, 1e15, 0.5, -1])
        expect((await here.claim(`until ${end}`, end)).node).toBe(here.self.id)
    })

    test('does not mind the release of a room that is not held', async () => {
      here.release('never claimed')
      expect((await here.claim('never claimed', hour)).node).toBe(here.self.id)
    })

    test('keeps the last word of claims and releases in a row', async () => {
      const first = here.claim('in a row', hour)
      here.release('in a row')
      const last = here.claim('in a row', hour)
      expect((await first).node).toBe(here.self.id)
      const placement = await last
      for (const node of nodes) expect(await node.claim('in a row', hour)).toEqual(placement)
    })

    if (count < 2) return
    describe('with others', () => {
      const everywhere = (roomId: string) => Promise.all(nodes.map(node => node.claim(roomId, hour)))

      test('says everywhere that a room is of the node that has claimed it first', async () => {
        for (const [i, node] of nodes.entries()) {
          const placement = await node.claim(`first ${i}`, hour)
          expect(placement.node).toBe(node.self.id)
          expect(await everywhere(`first ${i}`)).toEqual(nodes.map(() => placement))
        }
      })

      test('has one outcome where several claim a room at once', async () => {
        for (let i = 0; i < 50; i++) {
          const placements = await everywhere(`at once ${i}`)
          expect(new Set(placements.map(({ node, number }) => `${node} ${number}`)).size).toBe(1)
        }
      })

      test('gives a released room to the next that claims it, with a higher number', async () => {
        let last: Placement | undefined
        for (const node of [...nodes, ...nodes]) {
          let placement: Placement
          // Nothing tells when a release has arrived.
          do placement = await node.claim('released', hour)
          while (placement.node !== node.self.id)
          expect(placement.number).toBeGreaterThan(last?.number ?? 0)
          last = placement
          node.release('released')
        }
      })

      test('takes no release from a node that does not serve the room', async () => {
        const placement = await here.claim('not yours', hour)
        for (const node of nodes.slice(1)) {
          node.release('not yours')
          expect(await node.claim('not yours', hour)).toEqual(placement)
        }
        expect(await here.claim('not yours', hour)).toEqual(placement)
      })

      test('frees the rooms of a node that closes, which claims no more', async () => {
        const last = nodes[count - 1] as Cluster
        const before = await last.claim('left', hour)
        expect(await here.claim('left', hour)).toEqual(before)
        await last.close()
        const placement = await here.claim('left', hour)
        expect(placement.node).toBe(here.self.id)
        expect(placement.number).toBeGreaterThan(before.number)
        await expect(last.claim('left', hour)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
        last.release('left')
        await last.close()
      })
    })
  })
}
