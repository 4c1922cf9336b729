import { expect } from 'bun:test'
import { type BrowserName, installed, type Page, type sharedBrowsers } from './browsers.ts'
import { needs } from './needs.ts'
import { startPlace } from './tab.ts'

/** In which browser ada is, and in which one bob. When they offer at once she gives way, as her id is smaller. */
export type Pairing = readonly [hers: BrowserName, his: BrowserName]

export const pairings: readonly Pairing[] = [
  ['chromium', 'chromium'],
  ['chromium', 'firefox'],
  ['firefox', 'chromium'],
  ['firefox', 'firefox'],
]

/**
 * What declares a test with two pages in a room, who do not complain, and agree on everything.
 * @param disagreements codes of what they may disagree on, both of them
 */
export function inPairing(start: ReturnType<typeof sharedBrowsers>, [hers, his]: Pairing) {
  const declare = needs({ [hers]: installed[hers], [his]: installed[his] })
  return (
    name: string,
    body: (ada: Page, bob: Page) => Promise<void>,
    { disagreements = [] }: { disagreements?: readonly string[] } = {},
  ): void => {
    const run = async () => {
      const place = await startPlace()
      const [ada, bob] = await Promise.all([place.enter('ada', start(hers)), place.enter('bob', start(his))])
      await ada.evaluate(() => window.tab.sees('bob'))
      await bob.evaluate(() => window.tab.sees('ada'))
      await body(ada, bob)
      expect(place.complaints()).toEqual([])
      for (const page of [ada, bob].filter(page => !page.isClosed()))
        expect(await page.evaluate(() => window.tab.disagreements)).toEqual([...disagreements])
    }
    declare(name, run)
  }
}
