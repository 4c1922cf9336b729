import { onTestFinished } from 'bun:test'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { Browser as AnyBrowser, Page as AnyPage } from './browsers.ts'

const executablePath = Bun.which('chromium')

/** Whether the browser is installed, as Debian has it. */
export const hasChromium = executablePath !== null

/**
 * What lets a page's WebRTC use 127.0.0.1. It also takes the permission `microphone`: without one Chromium tells peers
 * random mDNS names instead of addresses, which others than browsers do not resolve.
 */
export const loopbackArgs = ['--allow-loopback-in-peer-connection'] as const

/** A browser without a window, for several tests: close it. */
export async function launchWith(extraArgs: readonly string[]): Promise<Browser> {
  if (!executablePath) throw new Error('There is no chromium on this machine.')
  // Its sandbox needs rights that a container does not give.
  const args = ['--no-sandbox', '--headless', '--disable-gpu', '--disable-background-networking', ...extraArgs]
  return chromium.launch({ executablePath, args })
}

/** A browser without a window. It ends with the test at the latest. */
export async function startChromium(extraArgs: readonly string[] = []): Promise<Browser> {
  const browser = await launchWith(extraArgs)
  onTestFinished(() => browser.close())
  return browser
}

/** Starts the browser for tests that run in others, too. */
export async function launchChromium(): Promise<AnyBrowser> {
  const browser = await launchWith(loopbackArgs)
  const pages = new Map<AnyPage, Page>()
  return {
    async open(url) {
      const opened = await openPage(browser, { permissions: ['microphone'] })
      pages.set(opened.page, opened.page)
      await opened.page.goto(url)
      return opened
    },
    async crash(page) {
      const own = pages.get(page)
      if (!own) throw new Error('This is no page of this browser.')
      const crashed = own.waitForEvent('crash')
      // It has no answer.
      own.goto('chrome://crash').catch(() => {})
      await crashed
    },
    isRunning: () => browser.isConnected(),
    close: () => browser.close(),
  }
}

/** A page, and what it did that a reader does not see. */
export interface WatchedPage {
  readonly page: Page
  /** Addresses of all that it asked for, itself included. */
  readonly requests: readonly string[]
  /** Errors and warnings in its console, and exceptions that nobody caught. */
  readonly complaints: readonly string[]
}

/** A new page in a context of its own: nothing is stored or cached yet. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const requests: string[] = []
  const complaints: string[] = []
  page.on('request', request => requests.push(request.url()))
  page.on('pageerror', error => complaints.push(String(error)))
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  return { page, requests, complaints }
}
