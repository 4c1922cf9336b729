import { expect, test } from 'bun:test'
import { recordingLog } from '../../test/harness.ts'
import { manualClock } from '../clock.ts'
import type { Certificate } from './certificate.ts'
import type { PairOfFiles } from './files.ts'
import { renewCertificate } from './renewal.ts'

const day = 86_400_000
const start = 1_700_000_000_000

/** What is read of files with a certificate in them. */
const good = (contents: string, days = 90) => {
  const certificate: Certificate = { cert: contents, key: '', names: [], expiresAt: start + days * day }
  return { contents, certificate, faults: [], warnings: [] } satisfies PairOfFiles
}
const bad = (contents: string): PairOfFiles => ({ contents, faults: [{ sentence: `${contents}!` }], warnings: [] })

/** A server with the certificate `first`, whose files change as `next` says. */
function serving(first = good('first'), refused: string[] = []) {
  const clock = manualClock(start)
  const log = recordingLog()
  const taken: string[] = []
  const state: { now: PairOfFiles } = { now: first }
  const look = renewCertificate(first, {
    ...{ clock, log, read: async () => state.now },
    take({ cert }) {
      if (refused.includes(cert)) throw new Error('no descriptors')
      taken.push(cert)
    },
  })
  const said = () => log.lines.splice(0).map(({ level, msg, why }) => [level, msg, why].filter(Boolean))
  return {
    ...{ clock, taken, look, said },
    /** The files are these from now on, and are looked at by the clock, so many times. */
    async becomes(now: PairOfFiles, looks = 1) {
      state.now = now
      for (let count = 0; count < looks; count++) {
        clock.advance(5_000)
        // The look that has begun.
        await look()
        await Promise.resolve()
      }
      return said()
    },
  }
}

const kept = 'new TLS certificate not taken; the one before stays in force'

test('takes what changes, once, by the clock and when it is told to look', async () => {
  const { becomes, taken, look, clock, said } = serving()
  expect(await becomes(good('first'), 3)).toEqual([])
  expect(await becomes(good('second'), 3)).toEqual([[30, 'TLS certificate renewed']])
  expect(taken).toEqual(['second'])
  expect(await becomes(good('first'))).toEqual([[30, 'TLS certificate renewed']])
  await Promise.all([look(), look()])
  expect([taken, said()]).toEqual([['second', 'first'], []])
  clock.advance(0)
})

test('complains of a pair that cannot be used when it is found twice, and once for each', async () => {
  const { becomes, taken } = serving()
  // Between the two files.
  expect(await becomes(bad('half'))).toEqual([])
  expect(await becomes(good('second'))).toEqual([[30, 'TLS certificate renewed']])
  expect(await becomes(bad('broken'), 4)).toEqual([[50, kept, 'broken!']])
  expect(await becomes(bad('broken too'), 4)).toEqual([[50, kept, 'broken too!']])
  // Mended, and broken in the same way again.
  expect(await becomes(good('second'), 2)).toEqual([])
  expect(await becomes(bad('broken too'), 2)).toEqual([[50, kept, 'broken too!']])
  expect(taken).toEqual(['second'])
})

test('tries again to take what the server could not', async () => {
  const refused = ['second']
  const { becomes, taken } = serving(undefined, refused)
  expect(await becomes(good('second'), 3)).toEqual([[50, kept, 'Error: no descriptors']])
  refused.pop()
  expect(await becomes(good('second'))).toEqual([[30, 'TLS certificate renewed']])
  expect(taken).toEqual(['second'])
})

test('says when the end of the one in force is near, and when it has come', async () => {
  const { becomes, clock } = serving(good('first', 20))
  clock.set(start + 7 * day)
  expect(await becomes(good('first', 20), 2)).toEqual([[40, 'the TLS certificate expires soon']])
  clock.set(start + 20 * day)
  expect(await becomes(good('first', 20), 2)).toEqual([
    [50, 'the TLS certificate has expired; clients no longer trust it'],
  ])
  expect(await becomes(good('second', 90))).toEqual([[30, 'TLS certificate renewed']])
})
