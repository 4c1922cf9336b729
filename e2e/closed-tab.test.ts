import { describe, expect } from 'bun:test'
import { type Page, sharedBrowsers } from './browsers.ts'
import { inPairing, pairings } from './pairing.ts'
import { connect } from './two-tabs.ts'

const start = sharedBrowsers()

for (const pairing of pairings) {
  describe(`ada in ${pairing[0]} and bob in ${pairing[1]}`, () => {
    const declare = inPairing(start, pairing)

    /** One closes its tab, and the other learns that at once, and nothing that is not true. */
    async function leave(leaver: Page, other: Page): Promise<void> {
      const begin = performance.now()
      await leaver.close()
      await other.evaluate(() => window.tab.status('closed'))
      expect(performance.now() - begin).toBeLessThan(5_000)
      // Nothing was lost: the tab has said goodbye, or the server has told that its peer has left.
      expect(await other.evaluate(() => window.tab.connection.error?.retryable ?? false)).toBe(false)
    }

    declare('know at once that the tab of the one who has begun is closed', async (ada, bob) => {
      await connect(ada, bob)
      await leave(ada, bob)
    })

    declare('know at once that the tab of the other one is closed', async (ada, bob) => {
      await connect(ada, bob)
      await leave(bob, ada)
    })
  })
}
