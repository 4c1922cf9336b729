import { describe, expect } from 'bun:test'
import { type BrowserName, installed, type Page, sharedBrowsers } from './browsers.ts'
import { needs } from './needs.ts'
import { type Place, startPlace } from './tab.ts'
import { call, connect, hear, inBoth, link, passes, restarting } from './two-tabs.ts'

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

    /** Declares it for a connection that ada has begun, and one that bob has. */
    const declareBoth = (name: string, body: (first: Page, second: Page) => Promise<void>) => {
      const run = async (first: Page, second: Page) => {
        await connect(first, second)
        await body(first, second)
        await second.evaluate(() => window.tab.connection.close())
        await first.evaluate(() => window.tab.status('closed'))
        expect(await first.evaluate(() => window.tab.connection.error?.code)).toBeUndefined()
      }
      declare(`${name}; ada has begun`, run)
      declare(`${name}; bob has begun`, (ada, bob) => run(bob, ada))
    }

    declareBoth('send each other a file of 3 MB at the same time', async (first, second) => {
      const send = async (from: Page, to: Page) => {
        const peerId = await to.evaluate(() => window.tab.room.peerId)
        return from.evaluate(peerId => window.tab.sendFile(peerId, 'dice.bin', 3_000_000), peerId)
      }
      const [hers, his] = await Promise.all([send(first, second), send(second, first)])
      expect(await hear(second)).toMatchObject({ size: 3_000_000, sha256: hers.sha256 })
      expect(await hear(first)).toMatchObject({ size: 3_000_000, sha256: his.sha256 })
    })

    declareBoth('restart ICE from either side', async (first, second) => {
      for (const one of [first, second, second, first]) {
        await restarting(first, second, () => one.evaluate(() => window.tab.connection.restart()))
      }
      await restarting(first, second, () => inBoth([first, second], () => window.tab.connection.restart()))
    })

    declareBoth('add tracks at the same time', async (first, second) => {
      for (let round = 1; round <= 5; round++) {
        await inBoth([first, second], () => window.tab.addVideo())
        for (const page of [first, second]) await page.waitForFunction(round => window.tab.hasTracks(round), round)
      }
      await passes(first, second, 'still here')
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
