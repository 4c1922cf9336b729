import { expect } from 'bun:test'
import { errorKinds, peerMessages, serverMessages } from '@parley/protocol'
import { hasChromium, openPage, startChromium } from './chromium.ts'
import { needs } from './needs.ts'
import { startParley } from './parley-process.ts'

const phone = { width: 390, height: 844 }

const declare = needs({ chromium: hasChromium })

declare('/docs shows every route, message and error, and needs nothing but itself', async () => {
  const { httpUrl } = await startParley()
  const { page, requests, complaints } = await openPage(await startChromium())
  await page.goto(`${httpUrl}/docs`)

  const { paths } = (await (await fetch(`${httpUrl}/openapi.json`)).json()) as { paths: Record<string, object> }
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`),
  )
  expect(routes).toContain('POST /create-room')
  const titles = async (section: string) => page.locator(`section:has(h2#${section}) h3`).allInnerTexts()
  const shown = [...(await titles('http-1')), ...(await titles('http-2')), ...(await titles('http-3'))]
  shown.push(...(await titles('http-4')))
  expect(shown.toSorted()).toEqual(routes.toSorted())
  expect((await titles('peer')).toSorted()).toEqual(Object.keys(peerMessages).toSorted())
  expect(await titles('server')).toEqual(expect.arrayContaining([...Object.keys(serverMessages), 'offer']))
  expect(await page.locator('tbody tr td:first-child').allInnerTexts()).toEqual(Object.keys(errorKinds))

  // Every link within the page leads somewhere.
  const targets = await page.locator('a[href^="#"]').evaluateAll(links => links.map(link => link.getAttribute('href')))
  const anchors = await page.locator('[id]').evaluateAll(elements => elements.map(({ id }) => `#${id}`))
  expect(targets.length).toBeGreaterThan(50)
  expect(anchors).toEqual(expect.arrayContaining(targets))
  expect(new Set(anchors).size).toBe(anchors.length)

  expect(requests.filter(url => !url.endsWith('/favicon.ico'))).toEqual([`${httpUrl}/docs`])
  expect(complaints).toEqual([])
})

declare('/docs fits a phone, by day and by night', async () => {
  const { httpUrl } = await startParley()
  const browser = await startChromium()
  const colours = new Set<string>()
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page, complaints } = await openPage(browser, { viewport: phone, colorScheme, isMobile: true })
    await page.goto(`${httpUrl}/docs`)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(phone.width)
    colours.add(await page.evaluate<string>('getComputedStyle(document.body).backgroundColor'))
    expect(complaints).toEqual([])
  }
  // So the style has passed the page's own policy.
  expect(colours.size).toBe(2)
})
