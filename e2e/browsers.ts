import { afterAll } from 'bun:test'
import { hasChromium, launchChromium } from './chromium.ts'
import { hasFirefox, launchFirefox } from './firefox.ts'

/** A page in a browser: one that runs code of a test and tells what came of it. */
export interface Page {
  /** Runs `act` in the page. It sees nothing of the test but `given`, which is copied, as its result is. */
  evaluate<Result>(act: () => Result): Promise<Awaited<Result>>
  evaluate<Result, Given>(act: (given: Given) => Result, given: Given): Promise<Awaited<Result>>
  /** Resolves when `holds` does. */
  waitForFunction(holds: () => boolean): Promise<unknown>
  waitForFunction<Given>(holds: (given: Given) => boolean, given: Given): Promise<unknown>
  /** Loads it again. */
  reload(): Promise<unknown>
  /** Closes it as a person closes a tab. */
  close(): Promise<void>
  isClosed(): boolean
}

/** A page, and what it has complained about: errors and warnings in its console, exceptions that nobody caught. */
export interface OpenedPage {
  readonly page: Page
  readonly complaints: readonly string[]
}

/** A browser that is running, without a window. Its pages may use WebRTC over loopback. */
export interface Browser {
  /** Opens a page that shares no storage with the others. */
  open(url: string): Promise<OpenedPage>
  /** Whether it has not ended. */
  isRunning(): boolean
  /** Ends the process of one of its pages, as a crash does, if the browser can be told that. */
  crash?(page: Page): Promise<void>
  close(): Promise<void>
}

const launchers = { chromium: launchChromium, firefox: launchFirefox } as const

export type BrowserName = keyof typeof launchers

/** Which browsers are installed, as Debian has them; for `needs`. */
export const installed: Readonly<Record<BrowserName, boolean>> = { chromium: hasChromium, firefox: hasFirefox }

/**
 * The browsers of a test file. Each is started when a test first needs it, and ends after the last test. One that has ended
 * is started again: Bun ends what a test has started that takes too long.
 */
export function sharedBrowsers(): (name: BrowserName) => Promise<Browser> {
  const started = new Map<BrowserName, Promise<Browser>>()
  afterAll(async () => {
    for (const browser of await Promise.all(started.values())) if (browser.isRunning()) await browser.close()
  })

  const start = (name: BrowserName) => {
    const browser = launchers[name]()
    started.set(name, browser)
    return browser
  }
  return async name => {
    const browser = started.get(name) ?? start(name)
    if ((await browser).isRunning()) return browser
    // Somebody else may have found that out, too, and started it.
    const newer = started.get(name)
    return newer && newer !== browser ? newer : start(name)
  }
}
