import { type CreatedRoom, Parley } from '@parley/client'
import type { Page } from 'playwright-core'
import { loopbackArgs, openPage, startChromium, type WatchedPage } from './chromium.ts'
import type { EnterOptions } from './in-tab.ts'
import { bundle, html, script, servePages } from './page-server.ts'
import { type RestartableServer, startRestartable } from './restartable.ts'
import { startSilentProxy } from './silent-proxy.ts'

/** A browser whose pages have the SDK, a server, and a room in it. */
export interface Place {
  readonly server: RestartableServer
  readonly room: CreatedRoom
  /** A new page, in a context of its own, that is in the room. Its `tab` is that of in-tab.ts. */
  enter(peerId: string, options?: EnterOptions): Promise<Page>
  /** Has a page that was loaded again enter as well. */
  enterAgain(page: Page, peerId: string, options?: EnterOptions): Promise<void>
  /** Has the network be gone for all WebSockets that there are, without a word. New ones work. */
  cutNetwork(): void
  /** Ends the process of a page, as a crash does. */
  crash(page: Page): Promise<void>
  /** What the pages have complained about so far. */
  complaints(): string[]
}

/** Makes it ready until the test has finished. */
export async function startPlace(settings: Readonly<Record<string, string>> = {}): Promise<Place> {
  const { origin } = servePages({
    '/': html('<!doctype html><title>A tab</title><script type="module" src="/in-tab.js"></script>'),
    '/in-tab.js': script(await bundle('e2e/in-tab.ts')),
  })
  const [browser, server] = await Promise.all([
    startChromium(loopbackArgs),
    startRestartable({ PARLEY_ALLOWED_ORIGINS: origin, ...settings }),
  ])
  const { httpUrl } = server
  const { wsUrl, die } = await startSilentProxy(server.wsUrl)
  const room = await new Parley(httpUrl, { wsUrl }).createRoom()
  const tabs: WatchedPage[] = []

  const enter = (page: Page, peerId: string, options: EnterOptions = {}) =>
    page.evaluate(given => window.tab.enter(...given), [httpUrl, wsUrl, room, peerId, options] as const)

  return {
    server,
    room,
    async enter(peerId, options) {
      const tab = await openPage(browser, { permissions: ['microphone'] })
      tabs.push(tab)
      await tab.page.goto(origin)
      await enter(tab.page, peerId, options)
      return tab.page
    },
    enterAgain: enter,
    cutNetwork: die,
    async crash(page) {
      const crashed = page.waitForEvent('crash')
      // It has no answer.
      page.goto('chrome://crash').catch(() => {})
      await crashed
    },
    complaints: () => tabs.flatMap(({ complaints }) => complaints),
  }
}
