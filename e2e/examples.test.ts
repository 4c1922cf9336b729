import { describe, expect } from 'bun:test'
import { createHash, randomBytes } from 'node:crypto'
import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BunPlugin } from 'bun'
import type { Browser, Page } from 'playwright-core'
import { hasChromium, loopbackArgs, openPage, startChromium, type WatchedPage } from './chromium.ts'
import { newFolder } from './cli-process.ts'
import { svelteFiles, vueFiles } from './framework-plugins.ts'
import { hasDataChannel, needs, runs } from './needs.ts'
import { bundle, filesOf, html, type Pages, script, servePages } from './page-server.ts'
import { type ParleyProcess, root, startParley } from './parley-process.ts'
import { type Program, startProgram } from './program.ts'
import { sharedSdk } from './sdk-build.ts'

const dataChannel = { 'node-datachannel': await hasDataChannel() }
const inNode = needs({ ...dataChannel, node: runs('node', '--version') })
const inChromium = needs({ chromium: hasChromium })

const sdk = sharedSdk()
const loopback = { BIND_ADDRESS: '127.0.0.1' }
const bun = join(root, 'node_modules/.bin/bun')
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A folder in which node.mjs is, and the SDK as it is now, built, as if it had been installed there. */
async function installed(): Promise<string> {
  const folder = await newFolder()
  await sdk.install(join(folder, 'node_modules'))
  for (const name of ['node-datachannel', 'ws']) {
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  }
  await cp(join(root, 'client/examples/node.mjs'), join(folder, 'node.mjs'))
  return folder
}

/** node.mjs, running, and the line for the other side. */
async function startWorker({ httpUrl, wsUrl }: ParleyProcess): Promise<Program & { session: string; folder: string }> {
  const cwd = await installed()
  const env = { ...loopback, PARLEY_SERVER: httpUrl, PARLEY_WS: wsUrl }
  const worker = startProgram({ cwd, env }, 'node', 'node.mjs', 'inbox')
  return { ...worker, session: await worker.lines.next(), folder: join(cwd, 'inbox') }
}

describe('the examples for Node and Bun', () => {
  inNode('talk to each other, send a file, and end by themselves', async () => {
    const worker = await startWorker(await startParley())
    const bytes = randomBytes(300_000)
    const file = join(await newFolder(), 'a file.bin')
    await writeFile(file, bytes)
    const program = join(root, 'client/examples/bun.ts')
    const client = startProgram({ cwd: root, env: loopback }, bun, program, worker.session, file)
    expect(await client.lines.next()).toBe('You said: Hello from Bun')
    expect(await worker.lines.find(line => line.includes('says'))).toMatch(/^peer-\w+ says: Hello from Bun$/)
    await client.lines.find(line => line === 'transferring: 300000 of 300000 bytes')
    expect(await client.lines.find(line => line.startsWith('kept'))).toBe(
      `kept as a file.bin, SHA-256 ${sha256(bytes)}`,
    )
    expect(await client.ended).toEqual({ code: 0, stderr: '' })
    // The client leaves as soon as it knows that the file is kept, so either may come first.
    const isNews = (line: string) => line.includes(' sent: ') || line.endsWith(': closed')
    const news = [await worker.lines.find(isNews), await worker.lines.find(isNews)]
    expect(news.find(line => line.includes(' sent: '))).toEndWith(
      `sent: a file.bin (300000 bytes, SHA-256 ${sha256(bytes)})`,
    )
    expect(await readFile(join(worker.folder, 'a file.bin'))).toEqual(bytes)

    // The same name again is not written over what is there.
    const second = startProgram({ cwd: root, env: loopback }, bun, program, worker.session, file)
    const { code, stderr } = await second.ended
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^FILE_FAILED: /)])
    expect(await worker.lines.find(line => line.includes('not kept'))).toStartWith('a file.bin was not kept: ')

    worker.signal('SIGINT')
    expect(await worker.ended).toEqual({ code: 0, stderr: '' })
  })

  inNode('say what is wrong', async () => {
    const program = join(root, 'client/examples/bun.ts')
    const { httpUrl, wsUrl } = await startParley()
    const lost = `${httpUrl}#nowhere/token/worker/${encodeURIComponent(wsUrl)}`
    const { code, stderr } = await startProgram({ cwd: root, env: loopback }, bun, program, lost).ended
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^ROOM_NOT_FOUND: /)])
    expect((await startProgram({ cwd: root }, bun, program).ended).code).toBe(2)
  })
})

/** A server that pages of `origin` may use, and a browser for them. */
async function startFor(origin: string): Promise<[ParleyProcess, Browser]> {
  const settings = { PARLEY_ALLOWED_ORIGINS: origin }
  return Promise.all([startParley({ settings }), startChromium(loopbackArgs)])
}

const open = (browser: Browser): Promise<WatchedPage> => openPage(browser, { permissions: ['microphone'] })

describe('the example for browsers', () => {
  /** The page, and the SDK beside it where its import map looks for it. */
  async function files(): Promise<Pages> {
    const built = await filesOf('dist', join(await sdk.folder(), 'client'))
    return { ...(await filesOf('examples/browser', join(root, 'client'))), ...built }
  }

  async function enter(page: Page, name: string): Promise<void> {
    await page.getByLabel('Your name').fill(name)
    await page.getByRole('button', { name: 'Enter' }).click()
    await page.getByText('The server is there.').waitFor()
  }

  inChromium('connects two people, who talk and send a file', async () => {
    const { origin } = servePages(await files())
    const [{ httpUrl, wsUrl }, browser] = await startFor(origin)
    const { page: ada, complaints: hers } = await open(browser)
    const { page: bob, complaints: his } = await open(browser)

    await ada.goto(`${origin}/examples/browser/index.html`)
    await ada.getByText('Server', { exact: true }).click()
    await ada.getByLabel('Address', { exact: true }).fill(httpUrl)
    await ada.getByLabel('Address of its WebSocket').fill(wsUrl)
    await enter(ada, 'ada')
    await bob.goto(await ada.getByLabel('Link for the others').inputValue())
    await enter(bob, 'bob')

    const cardOfBob = ada.locator('[data-peer=bob]')
    const cardOfAda = bob.locator('[data-peer=ada]')
    await cardOfBob.getByRole('button', { name: 'Connect', exact: true }).click()
    for (const card of [cardOfBob, cardOfAda]) await card.getByText('connected', { exact: true }).waitFor()
    await ada.getByLabel('Text for bob').fill('<b>hello</b>')
    await ada.getByLabel('Text for bob').press('Enter')
    await cardOfAda.getByText('<b>hello</b>').waitFor()
    await bob.getByLabel('Text for ada').fill('hello yourself')
    await cardOfAda.getByRole('button', { name: 'Send', exact: true }).click()
    await cardOfBob.getByText('hello yourself').waitFor()

    const buffer = randomBytes(2_000_000)
    await cardOfBob.getByLabel('Send a file').setInputFiles({ name: 'dice.bin', mimeType: 'text/html', buffer })
    await cardOfAda.getByText('dice.bin (2.0 MB)').waitFor()
    await cardOfAda.getByRole('button', { name: 'Accept' }).click()
    await cardOfBob.getByText('sent', { exact: true }).waitFor()
    const [download] = await Promise.all([
      bob.waitForEvent('download'),
      cardOfAda.getByRole('link', { name: 'Save dice.bin' }).click(),
    ])
    expect(download.suggestedFilename()).toBe('dice.bin')
    expect(sha256(await readFile(await download.path()))).toBe(sha256(buffer))

    await cardOfAda.getByLabel('Send a file').setInputFiles({ name: 'no.txt', mimeType: '', buffer: Buffer.from('no') })
    await cardOfBob.getByRole('button', { name: 'Decline' }).click()
    await cardOfAda.getByText('The other peer does not want the file.').waitFor()

    await cardOfBob.getByRole('button', { name: 'Disconnect' }).click()
    await cardOfAda.getByText('not connected', { exact: true }).waitFor()
    await bob.reload()
    await ada.getByText('Nobody yet.').waitFor()
    await enter(bob, 'bob')
    await cardOfAda.getByRole('button', { name: 'Connect', exact: true }).click()
    await cardOfBob.getByText('connected', { exact: true }).waitFor()
    const late = { name: 'late.txt', mimeType: '', buffer: Buffer.from('late') }
    await cardOfBob.getByLabel('Send a file').setInputFiles(late)
    await cardOfAda.getByRole('button', { name: 'Accept' }).click()
    await cardOfBob.getByText('sent', { exact: true }).waitFor()
    await ada.getByRole('button', { name: 'Leave' }).click()
    await bob.getByText('Nobody yet.').waitFor()
    // What was received stays when its sender leaves.
    await cardOfAda.getByText('has left', { exact: true }).waitFor()
    const [kept] = await Promise.all([
      bob.waitForEvent('download'),
      cardOfAda.getByRole('link', { name: 'Save late.txt' }).click(),
    ])
    expect(await readFile(await kept.path(), 'utf8')).toBe('late')
    expect([...hers, ...his]).toEqual([])
  })

  inNode('takes the line of a worker', async () => {
    const { origin } = servePages(await files())
    const [server, browser] = await startFor(origin)
    const worker = await startWorker(server)
    const { page, complaints } = await open(browser)
    await page.goto(`${origin}/examples/browser/index.html`)
    await page.getByLabel('Link of a room').fill(worker.session)
    await enter(page, 'ada')
    const card = page.locator('[data-peer=worker]')
    await card.getByRole('button', { name: 'Connect', exact: true }).click()
    await page.getByLabel('Text for worker').fill('hello')
    await page.getByLabel('Text for worker').press('Enter')
    await card.getByText('You said: hello').waitFor()
    const buffer = randomBytes(100_000)
    await card.getByLabel('Send a file').setInputFiles({ name: 'dice.bin', mimeType: '', buffer })
    await card.getByText('sent', { exact: true }).waitFor()
    expect(await readFile(join(worker.folder, 'dice.bin'))).toEqual(buffer)
    expect(complaints).toEqual([])
  })
})

/** Has a bundle use React 18. */
const react18: BunPlugin = {
  name: 'react 18',
  setup(build) {
    build.onResolve({ filter: /^react(-dom)?($|\/)/ }, ({ path }) => ({
      path: Bun.resolveSync(path.replace(/^react(-dom)?/, '$&-18'), join(root, 'e2e')),
    }))
  },
}

describe('the example for React', () => {
  inChromium('is in the room once, also in StrictMode, and talks; with React 18, too', async () => {
    const page = await readFile(join(root, 'client/examples/react/index.html'), 'utf8')
    const with18 = await bundle('client/examples/react/app.tsx', [react18])
    expect(with18).toContain('18.3.1')
    const { origin } = servePages({
      '/': html(page.replace('app.tsx', 'app.js')),
      '/app.js': script(await bundle('client/examples/react/app.tsx')),
      '/18/': html(page.replace('app.tsx', 'app.js')),
      '/18/app.js': script(with18),
    })
    const [{ httpUrl, wsUrl }, browser] = await startFor(origin)
    const { page: ada, complaints: hers } = await open(browser)
    const { page: bob, complaints: his } = await open(browser)

    await ada.goto(`${origin}/#${new URLSearchParams({ server: httpUrl, ws: wsUrl })}`)
    await ada.getByRole('button', { name: 'New room' }).click()
    await ada.getByText('connected', { exact: true }).waitFor()
    const link = await ada.getByRole('link', { name: 'Link for the others' }).getAttribute('href')
    await bob.goto(`${origin}/18${link}&name=bob`)
    await ada.getByRole('heading', { name: 'bob' }).waitFor()
    await ada.getByRole('button', { name: 'Connect', exact: true }).click()
    for (const page of [ada, bob]) await page.getByRole('button', { name: 'Disconnect' }).waitFor()

    for (const [from, to] of [
      [ada, bob],
      [bob, ada],
    ] as const) {
      await from.getByLabel('Text for').fill('hello')
      await from.getByRole('button', { name: 'Send' }).click()
      await to.getByText(/^(peer-\w+|bob): hello$/).waitFor()
    }
    // Whoever is in the room twice is seen twice.
    for (const page of [ada, bob]) expect(await page.getByRole('heading', { level: 2 }).count()).toBe(1)

    await bob.getByRole('button', { name: 'Disconnect' }).click()
    await ada.getByText('not connected').waitFor()
    await bob.close()
    await ada.getByText('Nobody else is here yet.').waitFor()
    expect([...hers, ...his]).toEqual([])
  })
})

describe('the examples for Vue and Svelte', () => {
  inChromium('see each other in a room', async () => {
    const app = async (folder: string, plugin: BunPlugin) => {
      const page = await readFile(join(root, 'client/examples', folder, 'index.html'), 'utf8')
      return {
        [`/${folder}/`]: html(page.replace('main.ts', 'main.js')),
        [`/${folder}/main.js`]: script(await bundle(`client/examples/${folder}/main.ts`, [plugin])),
      }
    }
    const { origin } = servePages({ ...(await app('vue', vueFiles)), ...(await app('svelte', svelteFiles)) })
    const [{ httpUrl, wsUrl }, browser] = await startFor(origin)
    const { page: ada, complaints: hers } = await open(browser)
    const { page: bob, complaints: his } = await open(browser)
    // Vite defines them.
    await ada.addInitScript(() =>
      Object.assign(window, {
        __VUE_OPTIONS_API__: true,
        __VUE_PROD_DEVTOOLS__: false,
        __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: false,
      }),
    )

    for (const [one, other, mine, others] of [
      [ada, bob, 'vue', 'svelte'],
      [bob, ada, 'svelte', 'vue'],
    ] as const) {
      await one.goto(`${origin}/${mine}/#${new URLSearchParams({ server: httpUrl, ws: wsUrl })}`)
      await one.getByRole('button', { name: 'New room' }).click()
      await one.getByText('connected', { exact: true }).waitFor()
      const link = await one.getByRole('link', { name: 'Link for the others' }).getAttribute('href')
      await other.goto(`${origin}${link?.replace(mine, others)}&name=carol`)
      // A page does not load again by a change of what is behind the #.
      await other.reload()
      await one.getByRole('listitem').getByText('carol').waitFor()
      await other.getByRole('listitem').waitFor()
      await other.goto('about:blank')
      await one.getByText('Nobody else is here yet.').waitFor()
    }
    expect([...hers, ...his]).toEqual([])
  })
})
