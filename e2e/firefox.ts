import puppeteer from 'puppeteer-core'
import type { Browser, Page } from './browsers.ts'

const executablePath = Bun.which('firefox-esr')

/** Whether the browser is installed, as Debian has it. */
export const hasFirefox = executablePath !== null

/** Beside what puppeteer sets, which already stops updates and telemetry. */
const preferences = {
  // Without that, WebRTC ignores 127.0.0.1, and other peers get random mDNS names instead of addresses.
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.force_interface': 'lo',
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  // A camera and a microphone that nobody has to plug in, or to allow.
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  // It asks Mozilla for lists, and whether there is a way to the internet.
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  // Tabs of people run in processes of their own; puppeteer puts them all into one.
  'fission.webContentIsolationStrategy': 1,
}

/** Without that it ignores `services.settings.server`. */
const env = { ...process.env, MOZ_REMOTE_SETTINGS_DEVTOOLS: '1' }

/** Starts the browser, which is driven over WebDriver BiDi. */
export async function launchFirefox(): Promise<Browser> {
  if (!executablePath) throw new Error('There is no firefox-esr on this machine.')
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath, extraPrefsFirefox: preferences, env })
  return {
    async open(url) {
      const context = await browser.createBrowserContext()
      // Not a tab: all but one in a window are hidden, and their timers are slow.
      const page = await context.newPage({ type: 'window' })
      const complaints: string[] = []
      page.on('pageerror', error => complaints.push(String(error)))
      page.on('console', message => {
        if (['error', 'warn'].includes(message.type())) complaints.push(message.text())
      })
      await page.goto(url)
      // Firefox says so a moment later.
      let isClosed = false
      const opened: Page = {
        // Its types take what is given for a handle in the page, which it never is here.
        evaluate: (act: (given?: never) => unknown, given?: unknown) => page.evaluate(act, given as never) as never,
        waitForFunction: (holds: (given: never) => boolean, given?: unknown) =>
          page.waitForFunction(holds as (given: unknown) => boolean, {}, given),
        reload: () => page.reload(),
        close: () => {
          isClosed = true
          return page.close()
        },
        isClosed: () => isClosed || page.isClosed(),
      }
      return { page: opened, complaints }
    },
    isRunning: () => browser.connected,
    close: () => browser.close(),
  }
}
