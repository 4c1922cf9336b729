import { expect } from 'bun:test'
import type { Page } from './browsers.ts'

// What tests do with two pages in which in-tab.ts runs.

/** Does the same in both at once. */
export const inBoth = <Result>(pages: readonly [Page, Page], act: () => Result) =>
  Promise.all([pages[0].evaluate(act), pages[1].evaluate(act)])

export const say = (page: Page, text: string) => page.evaluate(text => window.tab.chat.send(text), text)
export const hear = (page: Page) => page.evaluate(() => window.tab.hear())

/** One says something, and the other hears it. */
export async function passes(from: Page, to: Page, text: string): Promise<void> {
  await say(from, text)
  expect(await hear(to)).toBe(text)
}

/** Opens a chat on which both have said something. */
export async function chat(from: Page, to: Page): Promise<void> {
  await from.evaluate(() => window.tab.openChat())
  await passes(from, to, 'hello')
  await passes(to, from, 'hello to you')
}

/** Connects from one to the other. */
export async function call(from: Page, to: Page): Promise<void> {
  const peerId = await to.evaluate(() => window.tab.room.peerId)
  await from.evaluate(peerId => window.tab.connect(peerId), peerId)
}

/** Connects, and opens a chat. */
export async function connect(from: Page, to: Page): Promise<void> {
  await call(from, to)
  await chat(from, to)
}

/** How the attempt is called by which a page is connected to that peer. */
export const attemptId = (page: Page, peerId: string) =>
  page.evaluate(peerId => window.tab.room.connection(peerId)?.negotiation.id, peerId)

/** Does something that restarts ICE, and waits until both sides have agreed on that. */
export async function agreeing(ada: Page, bob: Page, act: () => Promise<unknown>): Promise<void> {
  const before = await inBoth([ada, bob], () => window.tab.ufrags())
  await act()
  await ada.evaluate(ufrags => window.tab.restarted(ufrags), before[0])
  await bob.evaluate(ufrags => window.tab.restarted(ufrags), before[1])
}

/** They go on talking after ICE was restarted. */
export async function goOn(ada: Page, bob: Page): Promise<void> {
  await passes(ada, bob, 'still here')
  await passes(bob, ada, 'me too')
}

/** Restarts ICE, and they go on talking. */
export async function restarting(ada: Page, bob: Page, act: () => Promise<unknown>): Promise<void> {
  await agreeing(ada, bob, act)
  await goOn(ada, bob)
}
