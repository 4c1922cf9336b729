import { onTestFinished } from 'bun:test'
import { type CreatedRoom, Parley } from '@parley/client'
import type { Browser, OpenedPage, Page } from './browsers.ts'
import type { EnterOptions } from './in-tab.ts'
import { html, script, scriptOfTab, servePages } from './page-server.ts'
import { type RestartableServer, startRestartable } from './restartable.ts'
import { startSilentProxy } from './silent-proxy.ts'

/** A server, a room in it, and browsers whose pages have the SDK. */
export interface Place {
  readonly server: RestartableServer
  readonly room: CreatedRoom
  /** A new page of a browser, which is in the room. Its `tab` is that of in-tab.ts. */
  enter(peerId: string, browser: Promise<Browser>, options?: EnterOptions): Promise<Page>
  /** Has a page that was loaded again enter as well. */
  enterAgain(page: Page, peerId: string, options?: EnterOptions): Promise<void>
  /** Has the network be gone for all WebSockets that there are, without a word. New ones work. */
  cutNetwork(): void
  /** What the pages have complained about so far. */
  complaints(): string[]
}

/** Makes it ready until the test has finished. */
export async function startPlace(settings: Readonly<Record<string, string>> = {}): Promise<Place> {
  const { origin } = servePages({
    '/': html('<!doctype html><title>A tab</title><script type="module" src="/in-tab.js"></script>'),
    '/in-tab.js': script(await scriptOfTab()),
  })
  const server = await startRestartable({ PARLEY_ALLOWED_ORIGINS: origin, ...settings })
  const { httpUrl } = server
  const { wsUrl, die } = await startSilentProxy(server.wsUrl)
  const room = await new Parley(httpUrl, { wsUrl }).createRoom()
  const tabs: OpenedPage[] = []
  onTestFinished(async () => {
    await Promise.all(tabs.filter(({ page }) => !page.isClosed()).map(({ page }) => page.close()))
  })

  const enter = (page: Page, peerId: string, options: EnterOptions = {}) =>
    page.evaluate(given => window.tab.enter(...given), [httpUrl, wsUrl, room, peerId, options] as const)

  return {
    server,
    room,
    async enter(peerId, browser, options) {
      const tab = await (await browser).open(origin)
      tabs.push(tab)
      await enter(tab.page, peerId, options)
      return tab.page
    },
    enterAgain: enter,
    cutNetwork: die,
    complaints: () => tabs.flatMap(({ complaints }) => complaints),
  }
}
