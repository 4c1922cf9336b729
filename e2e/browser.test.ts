import { describe, expect } from 'bun:test'
import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Page, sharedBrowsers } from './browsers.ts'
import { hasChromium } from './chromium.ts'
import { newFolder, startCli } from './cli-process.ts'
import { hasDataChannel, needs } from './needs.ts'
import { type Place, startPlace } from './tab.ts'
import { agreeing, attemptId, chat, connect, hear, inBoth, passes, restarting, say } from './two-tabs.ts'

const inChromium = needs({ chromium: hasChromium })
const withCli = needs({ chromium: hasChromium, 'node-datachannel': await hasDataChannel() })

const start = sharedBrowsers()
const chromium = () => start('chromium')

type TwoTabs = (ada: Page, bob: Page, place: Place) => Promise<void>

/** What Chromium says in the console when a page connects to a server that is not there. */
const outage = /^WebSocket connection to .* failed/

/** Declares a test with two pages that are in the same room, and do not complain of anything but an outage. */
function twoTabs(name: string, body: TwoTabs, settings: Readonly<Record<string, string>> = {}): void {
  inChromium(name, async () => {
    const place = await startPlace(settings)
    const [ada, bob] = await Promise.all([place.enter('ada', chromium()), place.enter('bob', chromium())])
    await ada.evaluate(() => window.tab.sees('bob'))
    await body(ada, bob, place)
    expect(place.complaints().filter(complaint => !outage.test(complaint))).toEqual([])
  })
}

describe('two tabs', () => {
  twoTabs('connect and chat both ways', connect)

  twoTabs('end with one connection when both connect in the same instant, 50 times', async (ada, bob) => {
    for (let round = 0; round < 50; round++) {
      await Promise.all([ada.evaluate(() => window.tab.connect('bob')), bob.evaluate(() => window.tab.connect('ada'))])
      expect(await attemptId(ada, 'bob')).toBe((await attemptId(bob, 'ada')) ?? 'none')
      const [first, second] = round % 2 === 0 ? [ada, bob] : [bob, ada]
      await first.evaluate(() => window.tab.openChat())
      await passes(first, second, `round ${round}`)
      await second.evaluate(() => window.tab.connection.close())
      await first.evaluate(() => window.tab.status('closed'))
    }
  })

  twoTabs('send each other a file of 6 MB at the same time', async (ada, bob) => {
    const [hers, his] = await Promise.all([
      ada.evaluate(() => window.tab.sendFile('bob', 'hers.bin', 6_000_000)),
      bob.evaluate(() => window.tab.sendFile('ada', 'his.bin', 6_000_000)),
    ])
    expect(await hear(bob)).toEqual({ name: 'hers.bin', size: 6_000_000, sha256: hers.sha256 })
    expect(await hear(ada)).toEqual({ name: 'his.bin', size: 6_000_000, sha256: his.sha256 })
    for (const { progress } of [hers, his]) {
      expect(progress).toEqual(progress.toSorted((one, other) => one - other))
      expect([progress[0], progress.at(-1)]).toEqual([0, 6_000_000])
    }
    expect(await attemptId(ada, 'bob')).toBe((await attemptId(bob, 'ada')) ?? 'none')
  })

  twoTabs('go on with a file over another connection when the first is closed', async (ada, bob) => {
    const sent = await ada.evaluate(() => window.tab.sendFile('bob', 'hers.bin', 6_000_000, 2_000_000))
    expect(await hear(bob)).toEqual({ name: 'hers.bin', size: 6_000_000, sha256: sent.sha256 })
    expect(sent.isClosed).toBe(true)
    // Nothing that has been written is written again.
    expect(sent.progress).toEqual(sent.progress.toSorted((one, other) => one - other))
  })

  twoTabs('learn at once that the other has closed the connection, and connect anew', async (ada, bob) => {
    for (const [closer, other] of [
      [ada, bob],
      [bob, ada],
    ] as const) {
      await connect(ada, bob)
      await closer.evaluate(() => window.tab.connection.close())
      await other.evaluate(() => window.tab.status('closed'))
      // Were it found out only because nothing comes any more, there would be an error.
      expect(await other.evaluate(() => window.tab.connection.error?.code)).toBeUndefined()
    }
  })

  twoTabs('connect anew when one of them has been loaded again', async (ada, bob, place) => {
    await connect(ada, bob)
    await ada.reload()
    await bob.evaluate(() => window.tab.status('closed'))
    await place.enterAgain(ada, 'ada')
    await connect(ada, bob)
    await bob.reload()
    await ada.evaluate(() => window.tab.status('closed'))
    await place.enterAgain(bob, 'bob')
    await connect(ada, bob)
  })

  twoTabs('learn at once that the other tab was closed', async (ada, bob) => {
    await connect(ada, bob)
    const start = performance.now()
    await bob.close()
    await ada.evaluate(() => window.tab.status('closed'))
    expect(performance.now() - start).toBeLessThan(4_000)
    // It was closed on purpose, and so the tab says, if there is time for that; otherwise the server says so.
    expect(await ada.evaluate(() => window.tab.ended()?.retryable)).not.toBe(true)
  })

  twoTabs('learn that the other tab has crashed', async (ada, bob) => {
    await connect(ada, bob)
    const start = performance.now()
    await (await chromium()).crash?.(bob)
    await ada.evaluate(() => window.tab.status('closed'))
    expect(performance.now() - start).toBeLessThan(8_000)
    expect((await ada.evaluate(() => window.tab.ended()))?.code).toBe('CHANNEL_CLOSED')
  })

  twoTabs('connect anew when one has crashed and comes back', async (ada, bob, place) => {
    await connect(ada, bob)
    const used = ada.evaluate(() => window.tab.connectWhenJoined('bob'))
    await (await chromium()).crash?.(bob)
    await ada.waitForFunction(() => !window.tab.room.peers.has('bob'))
    const again = await place.enter('bob', chromium())
    expect(await used).toBe(false)
    await chat(ada, again)
  })

  twoTabs('do not wait for one that leaves while it is called', async (ada, _bob, place) => {
    const far = await place.enter('far', chromium(), { isDeaf: true })
    const code = ada.evaluate(() => window.tab.codeOfConnect('far'))
    await far.evaluate(() => window.tab.hear())
    // Otherwise the server would have an answer to a candidate that comes too late.
    await ada.waitForFunction(() => window.tab.room.connection('far')?.pc.iceGatheringState === 'complete')
    await ada.evaluate(() => window.tab.room.discover())
    const start = performance.now()
    await far.close()
    expect(await code).toBe('PEER_NOT_FOUND')
    expect(performance.now() - start).toBeLessThan(4_000)
  })

  twoTabs('are told why there will be no connection', async (ada, _bob, place) => {
    await place.enter('shy', chromium(), { isShy: true })
    expect(await ada.evaluate(() => window.tab.codeOfConnect('shy'))).toBe('DECLINED')
    expect(await ada.evaluate(() => window.tab.codeOfConnect('nobody'))).toBe('PEER_NOT_FOUND')
  })
})

describe('while the server is away', () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    twoTabs(`two tabs go on talking; they come back by themselves (${signal})`, async (ada, bob, { server }) => {
      await connect(ada, bob)
      await server.stop(signal)
      await inBoth([ada, bob], () => window.tab.state('reconnecting'))
      await passes(ada, bob, 'is anybody there?')
      await passes(bob, ada, 'I am')
      const { sha256 } = await ada.evaluate(() => window.tab.sendFile('bob', 'hers.bin', 5_000_000))
      expect(await hear(bob)).toEqual({ name: 'hers.bin', size: 5_000_000, sha256 })

      await server.start()
      await inBoth([ada, bob], () => window.tab.state('connected'))
      await ada.evaluate(() => window.tab.sees('bob'))
      await bob.evaluate(() => window.tab.sees('ada'))
      await passes(ada, bob, 'the server is back')
      for (const page of [ada, bob]) {
        const states = await page.evaluate(() => window.tab.states)
        expect([states[0], states.at(-1), new Set(states).size]).toEqual(['reconnecting', 'connected', 2])
        expect(await page.evaluate(() => window.tab.room.peers.size)).toBe(1)
        expect(await page.evaluate(() => window.tab.connection.status)).toBe('connected')
      }

      await ada.evaluate(() => window.tab.connection.close())
      await bob.evaluate(() => window.tab.status('closed'))
      await connect(ada, bob)
    })
  }

  twoTabs('both begin a connection, and have one when it is back', async (ada, bob, { server }) => {
    await server.stop('SIGKILL')
    await inBoth([ada, bob], () => window.tab.state('reconnecting'))
    const connected = Promise.all([
      ada.evaluate(() => window.tab.connect('bob')),
      bob.evaluate(() => window.tab.connect('ada')),
    ])
    await server.start()
    await connected
    await chat(bob, ada)
    expect(await attemptId(ada, 'bob')).toBe((await attemptId(bob, 'ada')) ?? 'none')
  })
})

describe('a tab that is loaded again', () => {
  const username = (page: Page) => page.evaluate(() => window.tab.username)

  twoTabs('after its network was gone has its place back at once', async (ada, bob, place) => {
    await connect(ada, bob)
    const before = await username(bob)
    place.cutNetwork()
    await bob.reload()
    const start = performance.now()
    // The server has heard nothing of the end of the connection before.
    await place.enterAgain(bob, 'bob')
    expect(performance.now() - start).toBeLessThan(2_000)
    expect(await username(bob)).toBe(before)
  })

  twoTabs('is somebody else if it wants to be, and so is another tab', async (ada, bob, place) => {
    expect(await username(ada)).not.toBe(await username(bob))
    const before = await username(bob)
    await bob.reload()
    await ada.waitForFunction(() => !window.tab.room.peers.has('bob'))
    await place.enterAgain(bob, 'bob', { keepIdentity: false })
    expect(await username(bob)).not.toBe(before)
  })
})

/** The credentials are there to be compared; nobody listens at that address. */
const turn = { PARLEY_TURN_URLS: 'turn:127.0.0.1:9?transport=udp', PARLEY_TURN_SECRET: 'secret' }

describe('a connection', () => {
  inChromium('is tried once more when there is no way at first', async () => {
    const place = await startPlace()
    // It takes 10 s until then.
    const ada = await place.enter('ada', chromium(), { speed: 4 })
    const bob = await place.enter('bob', chromium(), { speed: 4 })
    await inBoth([ada, bob], () => window.tab.loseCandidates())
    await ada.evaluate(() => window.tab.sees('bob'))
    await connect(ada, bob)
    expect(place.complaints()).toEqual([])
  })

  twoTabs(
    'restarts ICE from either side, with fresh credentials on both',
    async (ada, bob) => {
      await connect(ada, bob)
      const before = await inBoth([ada, bob], () => window.tab.usernames())
      const name = expect.stringMatching(/^\d+:[\da-f]{32}$/)
      expect(before).toEqual([[name], [name]])
      expect(before[0]).not.toEqual(before[1])
      // Credentials are those of a second.
      for (let after = before; after.some((usernames, index) => usernames?.[0] === before[index]?.[0]); ) {
        await restarting(ada, bob, () => ada.evaluate(() => window.tab.connection.restart()))
        await restarting(ada, bob, () => bob.evaluate(() => window.tab.connection.restart()))
        after = await inBoth([ada, bob], () => window.tab.usernames())
      }
      expect(await inBoth([ada, bob], () => window.tab.connection.status)).toEqual(['connected', 'connected'])
    },
    turn,
  )

  twoTabs('restarts ICE when a browser says that it is online again', async (ada, bob) => {
    await connect(ada, bob)
    const online = () => window.dispatchEvent(new Event('online'))
    await restarting(ada, bob, () => ada.evaluate(online))
    await restarting(ada, bob, () => bob.evaluate(online))
    await restarting(ada, bob, () => inBoth([ada, bob], online))
  })

  for (const arrive of [0, 1]) {
    const what = arrive === 0 ? 'nothing arrives' : 'what arrives is what still came by the old way'
    twoTabs(`is lost, and told so, when ${what} after ICE was restarted`, async (_, bob, place) => {
      // Its seconds are short.
      const ada = await place.enter('carol', chromium(), { speed: 20 })
      await connect(ada, bob)
      await bob.evaluate(arrive => {
        const { prototype } = RTCDataChannel
        const send = prototype.send as (this: RTCDataChannel, data: unknown) => void
        let sent = 0
        prototype.send = function (this: RTCDataChannel, data: unknown) {
          if (data === 'pong' && sent++ < arrive) send.call(this, data)
        }
      }, arrive)
      await agreeing(ada, bob, () => ada.evaluate(() => window.tab.connection.restart()))
      await ada.evaluate(() => window.tab.status('closed'))
      expect(await ada.evaluate(() => window.tab.ended())).toEqual({ code: 'CHANNEL_CLOSED', retryable: true })
    })
  }

  twoTabs('is negotiated anew when media are added, also by both at once', async (ada, bob) => {
    await connect(ada, bob)
    for (let round = 1; round <= 5; round++) {
      await inBoth([ada, bob], () => window.tab.addVideo())
      for (const page of [ada, bob]) await page.waitForFunction(round => window.tab.hasTracks(round), round)
    }
    await passes(ada, bob, 'still here')
  })

  twoTabs('is not taken for the one before it, which was still being negotiated', async (ada, bob) => {
    await connect(ada, bob)
    for (let round = 0; round < 10; round++) {
      await Promise.all([
        bob.evaluate(() => window.tab.connection.pc.addTransceiver('audio')),
        ada.evaluate(() => {
          window.tab.connection.close()
          return window.tab.connect('bob')
        }),
      ])
      await chat(ada, bob)
    }
  })

  twoTabs('does not begin with the offer of one that has ended', async (ada, bob) => {
    await bob.evaluate(async () => {
      const { room } = window.tab
      await room.signal({ type: 'offer', target: 'ada', sdp: 'v=0', parley: { link: 'an old one', restart: true } })
      await room.send('ada', 'that was it')
    })
    expect(await hear(ada)).toBe('that was it')
    expect(await attemptId(ada, 'bob')).toBeUndefined()
    await connect(ada, bob)
  })
})

describe('a tab and the CLI', () => {
  const bytes = 6_000_000
  const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex')

  /** What `parley` is started with, and a session in which it meets that peer. */
  async function cli({ server: { httpUrl, wsUrl }, room }: Place, peerId: string) {
    const folder = await newFolder()
    const options = { runtime: 'bun', home: join(folder, 'home') } as const
    const session = `${httpUrl}#${[room.roomId, room.token, peerId, wsUrl].map(encodeURIComponent).join('/')}`
    return { folder, options, session, args: ['--json', '--folder', folder, '--bind-address', '127.0.0.1'] }
  }

  withCli('connect, chat, and exchange files of 6 MB, when the tab begins', async () => {
    const place = await startPlace()
    const { folder, options, session, args } = await cli(place, 'worker')
    const worker = startCli(options, 'worker', '--room', session, '--peer-id', 'worker', ...args)
    await worker.event('ready')
    const ada = await place.enter('ada', chromium())
    await ada.evaluate(() => window.tab.connect('worker'))
    await ada.evaluate(() => window.tab.openChat())
    await say(ada, 'hello worker')
    expect(await worker.event('chat')).toMatchObject({ peer: 'ada', text: 'hello worker' })
    worker.type('hello ada')
    expect(await hear(ada)).toBe('hello ada')

    const sent = await ada.evaluate(bytes => window.tab.sendFile('worker', 'dice.bin', bytes), bytes)
    const received = await worker.event('file_received')
    expect(received).toMatchObject({ peer: 'ada', name: 'dice.bin', size: bytes, sha256: sent.sha256 })
    expect(sha256(await readFile(join(folder, 'dice.bin')))).toBe(sent.sha256)
    await ada.evaluate(() => window.tab.connection.close())
    expect(await worker.event('disconnected')).toEqual({ event: 'disconnected', peer: 'ada' })
    worker.signal('SIGINT')
    expect((await worker.ended).stderr).toBe('')
    expect(place.complaints()).toEqual([])
  })

  withCli('connect, chat, and exchange files of 6 MB, when the CLI begins', async () => {
    const place = await startPlace()
    const ada = await place.enter('ada', chromium())
    const { folder, options, session, args } = await cli(place, 'ada')
    const path = join(folder, 'dice.bin')
    const content = randomBytes(bytes)
    await writeFile(path, content)
    const talk = ['--message', 'hello ada', '--chat', '--peer-id', 'client']
    const client = startCli(options, 'connect', session, '--send', path, ...talk, ...args)
    const heard = [await hear(ada), await hear(ada)]
    expect(heard).toContain('hello ada')
    expect(heard).toContainEqual({ name: 'dice.bin', size: bytes, sha256: sha256(content) })
    await say(ada, 'thanks')
    expect(await client.event('chat')).toMatchObject({ peer: 'ada', text: 'thanks' })
    client.closeInput()
    await ada.evaluate(() => window.tab.status('closed'))
    expect(await ada.evaluate(() => window.tab.connection.error?.code)).toBeUndefined()
    expect(await client.ended).toMatchObject({ code: 0, stderr: '' })
    expect(place.complaints()).toEqual([])
  })
})
