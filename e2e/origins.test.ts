import { describe, expect } from 'bun:test'
import { Parley } from '@parley/client'
import { hasChromium, loopbackArgs, openPage, startChromium } from './chromium.ts'
import { needs } from './needs.ts'
import { html, script, scriptOfTab, servePages } from './page-server.ts'
import { startParley } from './parley-process.ts'

const inChromium = needs({ chromium: hasChromium })

/** A page with the SDK, and how it enters rooms. */
async function startPage() {
  const { origin } = servePages({
    '/': html('<!doctype html><title>A tab</title><script type="module" src="/in-tab.js"></script>'),
    '/in-tab.js': script(await scriptOfTab()),
  })
  const { page } = await openPage(await startChromium(loopbackArgs))
  await page.goto(origin)
  /** What is wrong, if anything, when it enters a room that others made for it. */
  const enter = async (httpUrl: string, wsUrl: string) => {
    const room = await new Parley(httpUrl, { wsUrl }).createRoom()
    const given = [httpUrl, wsUrl, room, 'ada', {}] as const
    return page.evaluate(given => window.tab.enter(...given).then(() => '', String), given)
  }
  return { origin, enter }
}

const start = (origins: string) => startParley({ settings: { PARLEY_ALLOWED_ORIGINS: origins } })

describe('a page of an origin that the server does not know', () => {
  inChromium('is told what the cause may be, and the operator which setting lets it in', async () => {
    const { origin, enter } = await startPage()
    const hint = `If it is running, PARLEY_ALLOWED_ORIGINS may lack ${origin}.`
    const strict = await start('https://app.example.com')
    const { httpUrl, wsUrl } = strict
    expect(await enter(httpUrl, wsUrl)).toEndWith(`${httpUrl} cannot be reached. ${hint}`)

    const open = await start('*')
    expect(await enter(open.httpUrl, wsUrl)).toEndWith(`The connection to ${wsUrl} has ended (1006). ${hint}`)
    expect(await enter(open.httpUrl, open.wsUrl)).toBe('')

    await strict.stop()
    const logged = strict.stderr.map(line => JSON.parse(line)).filter(({ level }) => level === 40)
    expect(logged).toEqual([
      expect.objectContaining({
        origin,
        over: 'http',
        msg: 'page refused: to let it in, add its origin to PARLEY_ALLOWED_ORIGINS',
      }),
    ])
  })
})
