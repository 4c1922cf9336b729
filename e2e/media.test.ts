import { afterAll, beforeAll, describe, expect, onTestFinished } from 'bun:test'
import { join } from 'node:path'
import type { BrowserContextOptions, Browser as Chromium, Page } from 'playwright-core'
import { hasChromium, launchWith, loopbackArgs, openPage } from './chromium.ts'
import { hasFirefox, launchFirefox } from './firefox.ts'
import { hears, isRed, keepConnections, sees } from './in-call.ts'
import { needs } from './needs.ts'
import { bundle, filesOf, html, type Pages, script, servePages } from './page-server.ts'
import { root, startParley } from './parley-process.ts'

const inChromium = needs({ chromium: hasChromium })
const inBoth = needs({ chromium: hasChromium, firefox: hasFirefox })

const args = [
  ...loopbackArgs,
  // Cameras that nobody has to plug in. The second one has pictures that WebRTC does not take.
  '--use-fake-device-for-media-stream=device-count=3,fps=10',
  // What a person would choose when a page asks for the screen.
  '--auto-select-tab-capture-source-by-title=Something to share',
  // A name under which a browser does not trust pages from http.
  '--host-resolver-rules=MAP insecure.test 127.0.0.1',
]

let browser: Chromium
let pages: Pages
beforeAll(async () => {
  if (!hasChromium) return
  browser = await launchWith(args)
  pages = {
    ...(await filesOf('examples', join(root, 'client'))),
    '/dist/parley.min.js': script(await bundle('client/src/browser.ts')),
    '/shared': html('<!doctype html><title>Something to share</title><body style="background: red">'),
  }
})
afterAll(() => browser?.close())

/** The page of the example as one opens it, and what opens it for one more person. */
async function startCall() {
  const { origin } = servePages(pages)
  const insecure = origin.replace('127.0.0.1', 'insecure.test')
  const settings = { PARLEY_ALLOWED_ORIGINS: `${origin},${insecure}` }
  const { httpUrl, wsUrl } = await startParley({ settings })
  let link = `${origin}/examples/media/index.html#${new URLSearchParams({ server: httpUrl, ws: wsUrl })}`
  const complaints: (readonly string[])[] = []
  return {
    origin,
    insecure,
    link: () => link,
    complaints: () => complaints.flat(),
    async enter(name: string, options: BrowserContextOptions = { permissions: ['camera', 'microphone'] }) {
      const opened = await openPage(browser, options)
      complaints.push(opened.complaints)
      const { page } = opened
      // Pictures cost the tests that follow much time.
      onTestFinished(() => page.context().close())
      await page.addInitScript(keepConnections)
      await page.goto(link)
      await enter(page, name)
      link = await page.getByLabel('Link for the others').inputValue()
      return page
    },
  }
}

async function enter(page: Page, name: string): Promise<void> {
  await page.getByLabel('Your name').fill(name)
  await page.getByRole('button', { name: 'Enter' }).click()
  await page.getByText('The server is there.').waitFor()
}

const tile = (page: Page, name: string) => page.locator(`[data-peer="${name}"]`)
const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()
const pressed = (page: Page, name: string) => page.getByRole('button', { name, pressed: true }).waitFor()
const released = (page: Page, name: string) => page.getByRole('button', { name, pressed: false }).waitFor()

/** Whether the devices of a page are on: of each track that it shows of itself, or has shown when `keepOwn` was called. */
const own = {
  keep: (page: Page) =>
    page.evaluate(() => {
      const video = document.querySelector<HTMLVideoElement>('[data-peer$="(you)"] video')
      Object.assign(window, { kept: (video?.srcObject as MediaStream | undefined)?.getTracks() })
    }),
  states: (page: Page) =>
    page.evaluate(() => (window as { kept?: MediaStreamTrack[] }).kept?.map(({ readyState }) => readyState)),
}

/** How many media the last connection has, of which each has room for one track in either direction. */
const media = (page: Page) => page.evaluate(() => window.peerConnections.at(-1)?.getTransceivers().length)

/** As a browser does until somebody clicks. */
const blockPlaying = () => {
  const { play } = HTMLMediaElement.prototype
  HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('', 'NotAllowedError'))
  const allow = () => Object.assign(HTMLMediaElement.prototype, { play })
  document.querySelector('#unheard')?.addEventListener('click', allow, true)
}

describe('the example for audio and video', () => {
  inChromium('has two people see and hear each other, until one leaves', async () => {
    const call = await startCall()
    const ada = await call.enter('ada')
    const bob = await call.enter('bob')
    await Promise.all([sees(ada, 'bob'), sees(bob, 'ada'), hears(ada, 'bob', 'sound')])
    expect(await Promise.all([media(ada), media(bob)])).toEqual([2, 2])

    await press(ada, 'Mute')
    await tile(bob, 'ada').getByText('muted').waitFor()
    await hears(bob, 'ada', 'silence')
    await press(ada, 'Mute')
    await hears(bob, 'ada', 'sound')

    await own.keep(ada)
    await press(ada, 'Camera off')
    await bob.waitForFunction(() => document.querySelector('[data-peer="ada"].dark'))
    expect(await own.states(ada)).toEqual(['live', 'ended'])
    await press(ada, 'Camera off')
    await sees(bob, 'ada')

    const [first] = await ada.getByRole('combobox', { name: 'Camera' }).selectOption({ index: 2 })
    expect(await ada.getByRole('combobox', { name: 'Camera' }).inputValue()).toBe(first ?? 'none')
    await sees(bob, 'ada')

    const shared = await ada.context().newPage()
    await shared.goto(`${call.origin}/shared`)
    await press(ada, 'Share screen')
    await bob.waitForFunction(isRed, ['ada', true] as const)
    await pressed(ada, 'Share screen')
    // As the browser's own button does, that ends the track.
    await shared.close()
    await released(ada, 'Share screen')
    await bob.waitForFunction(isRed, ['ada', false] as const)
    expect(await Promise.all([media(ada), media(bob)])).toEqual([2, 2])

    // For ada it is lost. Everything is sent again over a new connection.
    await bob.evaluate(() => window.peerConnections.at(-1)?.close())
    await ada.waitForFunction(() => window.peerConnections.length > 1)
    await Promise.all([sees(ada, 'bob'), sees(bob, 'ada'), hears(ada, 'bob', 'sound')])

    await own.keep(bob)
    await press(bob, 'Leave')
    await ada.getByText('Nobody else is here yet.').waitFor()
    expect(await tile(ada, 'bob').count()).toBe(0)
    // The lights are out.
    expect(await own.states(bob)).toEqual(['ended', 'ended'])
    await enter(bob, 'bob')
    await Promise.all([sees(ada, 'bob'), sees(bob, 'ada')])
    expect(call.complaints()).toEqual([])
  })

  inChromium('is for three: one has no camera at first, and one must click before anything plays', async () => {
    const call = await startCall()
    const ada = await call.enter('ada')
    await ada.evaluate(blockPlaying)
    const bob = await call.enter('bob', { permissions: ['microphone'] })
    await bob.getByText('This page may not use your camera.').waitFor()
    const carol = await call.enter('carol')
    await press(ada, 'Play picture and sound')
    await Promise.all([sees(ada, 'carol'), sees(bob, 'ada'), sees(bob, 'carol'), sees(carol, 'ada')])
    await hears(ada, 'bob', 'sound')
    expect(await ada.getByRole('button', { name: 'Play picture and sound' }).count()).toBe(0)
    await bob.context().grantPermissions(['camera', 'microphone'], { origin: call.origin })
    await press(bob, 'Camera off')
    await Promise.all([sees(ada, 'bob'), sees(carol, 'bob')])
    expect(call.complaints()).toEqual([])
  })

  inChromium('says what has become of a device that is taken away, and of each error what to do', async () => {
    const call = await startCall()
    const ada = await call.enter('ada')
    // Takes both away, and gives the microphone back.
    await ada.context().grantPermissions(['microphone'], { origin: call.origin })
    await ada.getByText('“Fake Default Audio Input” is used now.').waitFor()
    await pressed(ada, 'Camera off')
    await released(ada, 'Mute')
    await ada.context().grantPermissions(['camera', 'microphone'], { origin: call.origin })
    await press(ada, 'Camera off')
    await released(ada, 'Camera off')

    for (const [name, sentence] of [
      ['NotAllowedError', 'This page may not use your camera. Allow it in the browser’s address bar, and try again.'],
      ['NotFoundError', 'No camera was found. Plug one in, and try again.'],
      ['NotReadableError', 'Your camera does not start. Another program may be using it: close that, and try again.'],
      ['OverconstrainedError', 'The camera that you chose is not there any more.'],
      ['AbortError', 'Your camera did not start. Try again.'],
      ['SecurityError', 'The settings of this browser forbid the use of your camera.'],
      ['TypeError', 'Your camera cannot be used: as the browser has it'],
    ] as const) {
      await ada.evaluate(name => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('as the browser has it', name))
      }, name)
      await ada.getByRole('combobox', { name: 'Camera' }).selectOption({ index: 1 })
      await ada.getByText(sentence).first().waitFor()
    }
    await ada.evaluate(() => {
      navigator.mediaDevices.getDisplayMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))
    })
    await press(ada, 'Share screen')
    await ada.getByText('The screen is not shared.').waitFor()

    const { page: bob } = await openPage(browser)
    onTestFinished(() => bob.context().close())
    await bob.addInitScript(keepConnections)
    await bob.goto(call.link().replace(call.origin, call.insecure))
    await enter(bob, 'bob')
    for (const device of ['camera', 'microphone']) {
      await bob.getByText(`A browser gives your ${device} only to pages from https, or from localhost.`).waitFor()
    }
    expect(await bob.getByRole('button', { name: 'Share screen' }).count()).toBe(0)
    await hears(bob, 'ada', 'sound')
    expect(call.complaints()).toEqual([])
  })

  inBoth('works between Chromium and Firefox', async () => {
    const call = await startCall()
    const bob = await call.enter('bob')
    const firefox = await launchFirefox()
    try {
      const { page: ada, complaints } = await firefox.open(call.link())
      await ada.evaluate(keepConnections)
      await ada.evaluate(() => {
        const form = document.querySelector<HTMLFormElement>('#entry')
        Object.assign(form?.elements.namedItem('peerId') ?? {}, { value: 'ada' })
        form?.requestSubmit()
      })
      await Promise.all([sees(ada, 'bob'), sees(bob, 'ada'), hears(bob, 'ada', 'sound')])
      expect(
        await Promise.all([media(bob), ada.evaluate(() => window.peerConnections.at(-1)?.getTransceivers().length)]),
      ).toEqual([2, 2])
      expect([...complaints, ...call.complaints()]).toEqual([])
    } finally {
      await firefox.close()
    }
  })
})
