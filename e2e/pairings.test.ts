import { describe, expect } from 'bun:test'
import { type Page, sharedBrowsers } from './browsers.ts'
import { inPairing, pairings } from './pairing.ts'
import { agreeing, attemptId, call, connect, goOn, hear, inBoth, passes } from './two-tabs.ts'

const start = sharedBrowsers()

for (const pairing of pairings) {
  describe(`ada in ${pairing[0]} and bob in ${pairing[1]}`, () => {
    const declare = inPairing(start, pairing)

    /** Declares it for a connection that ada has begun, and one that bob has. */
    const declareBoth = (name: string, body: (first: Page, second: Page) => Promise<void>) => {
      const run = async (first: Page, second: Page) => {
        await connect(first, second)
        await body(first, second)
        await second.evaluate(() => window.tab.connection.close())
        await first.evaluate(() => window.tab.status('closed'))
        expect(await first.evaluate(() => window.tab.connection.error?.code)).toBeUndefined()
      }
      declare(`${name}; ada has begun`, run)
      declare(`${name}; bob has begun`, (ada, bob) => run(bob, ada))
    }

    declareBoth('send each other a file at the same time, and add tracks at the same time', async (first, second) => {
      const send = async (from: Page, to: Page) => {
        const peerId = await to.evaluate(() => window.tab.room.peerId)
        return from.evaluate(peerId => window.tab.sendFile(peerId, 'dice.bin', 1_000_000), peerId)
      }
      const [hers, his] = await Promise.all([send(first, second), send(second, first)])
      expect(await hear(second)).toMatchObject({ size: 1_000_000, sha256: hers.sha256 })
      expect(await hear(first)).toMatchObject({ size: 1_000_000, sha256: his.sha256 })

      for (let round = 1; round <= 5; round++) {
        await inBoth([first, second], () => window.tab.addVideo())
        for (const page of [first, second]) await page.waitForFunction(round => window.tab.hasTracks(round), round)
      }
      await passes(first, second, 'still here')
    })

    for (const begins of ['ada', 'bob'] as const) {
      const restart = async (ada: Page, bob: Page) => {
        const [first, second] = begins === 'ada' ? [ada, bob] : [bob, ada]
        await connect(first, second)
        for (const one of [first, second]) {
          await agreeing(first, second, () => one.evaluate(() => window.tab.connection.restart()))
          expect(await inBoth([ada, bob], () => window.tab.connection.pc.signalingState)).toEqual(['stable', 'stable'])
          await goOn(first, second)
        }
      }
      declare(`restart ICE from either side; ${begins} has begun`, restart)
    }

    declare('stay apart when one closes while the other takes a description', async (ada, bob) => {
      await connect(ada, bob)
      await bob.evaluate(() => window.tab.takesUntilClosed())
      await ada.evaluate(() => window.tab.addVideo())
      await bob.waitForFunction(() => window.tab.connection.pc.signalingState === 'have-remote-offer')
      await ada.evaluate(() => window.tab.connection.close())
      await bob.waitForFunction(() => window.tab.connection.pc.signalingState === 'closed')
      expect(await bob.evaluate(() => window.tab.statuses)).toEqual(['connected', 'closed'])
    })

    declare('end with one connection when both connect in the same instant, 10 times', async (ada, bob) => {
      for (let round = 0; round < 10; round++) {
        await Promise.all([call(ada, bob), call(bob, ada)])
        expect(await attemptId(ada, 'bob')).toBe((await attemptId(bob, 'ada')) ?? 'none')
        const [first, second] = round % 2 === 0 ? [ada, bob] : [bob, ada]
        await first.evaluate(() => window.tab.openChat())
        await passes(first, second, `round ${round}`)
        await second.evaluate(() => window.tab.connection.close())
        await first.evaluate(() => window.tab.status('closed'))
      }
    })
  })
}

describe('ada in firefox and bob in chromium', () => {
  const declare = inPairing(start, ['firefox', 'chromium'])

  declare(
    'are both told what they cannot agree upon, and go on talking',
    async (ada, bob) => {
      await connect(ada, bob)
      // Chromium does not forget the header extensions of an offer that was rolled back, and Firefox has other numbers for them.
      await bob.evaluate(async () => {
        const { pc } = window.tab.connection
        const transceiver = pc.addTransceiver('video')
        await pc.setLocalDescription()
        await pc.setLocalDescription({ type: 'rollback' })
        transceiver.stop()
      })
      await ada.evaluate(() => window.tab.addVideo())
      for (const page of [ada, bob]) await page.waitForFunction(() => window.tab.disagreements.length > 0, undefined)
      await passes(ada, bob, 'still here')
      await passes(bob, ada, 'me too')
      expect(await inBoth([ada, bob], () => window.tab.connection.pc.signalingState)).toEqual(['stable', 'stable'])
      expect(await inBoth([ada, bob], () => window.tab.connection.status)).toEqual(['connected', 'connected'])
    },
    { disagreements: ['NEGOTIATION_FAILED'] },
  )
})
