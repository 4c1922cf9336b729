import { describe, expect } from 'bun:test'
import { type BrowserName, installed, type Page, sharedBrowsers } from './browsers.ts'
import { needs } from './needs.ts'
import { type Place, startPlace } from './tab.ts'
import { call, connect, link, passes } from './two-tabs.ts'

const start = sharedBrowsers()

/** Of ada and bob; ada is the polite one, as her id is smaller. */
const pairings: readonly (readonly [BrowserName, BrowserName])[] = [
  ['chromium', 'chromium'],
  ['chromium', 'firefox'],
  ['firefox', 'chromium'],
  ['firefox', 'firefox'],
]

for (const [hers, his] of pairings) {
  describe(`ada in ${hers} and bob in ${his}`, () => {
    /** Declares a test with both in a room, who do not complain of anything. */
    const declare = (name: string, body: (ada: Page, bob: Page, place: Place) => Promise<void>) =>
      needs({ [hers]: installed[hers], [his]: installed[his] })(name, async () => {
        const place = await startPlace()
        const [ada, bob] = await Promise.all([place.enter('ada', {}, start(hers)), place.enter('bob', {}, start(his))])
        await ada.evaluate(() => window.tab.sees('bob'))
        await bob.evaluate(() => window.tab.sees('ada'))
        await body(ada, bob, place)
        expect(place.complaints()).toEqual([])
        await Promise.all([ada.close(), bob.close()])
      })

    declare('connect and chat both ways, whoever begins', async (ada, bob) => {
      await connect(ada, bob)
      await ada.evaluate(() => window.tab.connection.close())
      await bob.evaluate(() => window.tab.status('closed'))
      await connect(bob, ada)
      await bob.evaluate(() => window.tab.connection.close())
      await ada.evaluate(() => window.tab.status('closed'))
    })

    declare('end with one connection when both connect in the same instant, 20 times', async (ada, bob) => {
      for (let round = 0; round < 20; round++) {
        await Promise.all([call(ada, bob), call(bob, ada)])
        expect(await link(ada, 'bob')).toBe((await link(bob, 'ada')) ?? 'none')
        const [first, second] = round % 2 === 0 ? [ada, bob] : [bob, ada]
        await first.evaluate(() => window.tab.openChat())
        await passes(first, second, `round ${round}`)
        await second.evaluate(() => window.tab.connection.close())
        await first.evaluate(() => window.tab.status('closed'))
      }
    })
  })
}
