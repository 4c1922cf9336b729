import { expect, test } from 'bun:test'
import { recordingLog } from '../test/harness.ts'
import { manualClock } from './clock.ts'
import { createMetrics } from './metrics.ts'
import { refusedOrigins } from './refused-origins.ts'

test('an origin is logged once, and counted each time', () => {
  const metrics = createMetrics()
  const log = recordingLog()
  const refused = refusedOrigins(manualClock(), log, metrics)
  refused('https://a.example', 'http')
  refused('https://a.example', 'websocket')
  refused('https://b.example', 'websocket')
  const msg = 'page refused: to let it in, add its origin to PARLEY_ALLOWED_ORIGINS'
  expect(log.lines).toMatchObject([
    { level: 40, origin: 'https://a.example', over: 'http', msg },
    { level: 40, origin: 'https://b.example', over: 'websocket', msg },
  ])
  expect(metrics.originsRefused).toEqual({ http: 1, websocket: 2 })
})

test('a flood of origins makes few lines, which say so, and does not keep a later one from being logged', () => {
  const clock = manualClock()
  const log = recordingLog()
  const refused = refusedOrigins(clock, log, createMetrics())
  for (let i = 0; i < 10_000; i++) refused(`https://${i}.example/${'x'.repeat(10_000)}`, 'http')
  expect(log.lines).toHaveLength(21)
  expect(log.lines.at(-1)).toMatchObject({ msg: expect.stringContaining('more origins refused') })
  expect(String(log.lines[0]?.origin)).toHaveLength(200)
  clock.advance(600_000)
  refused('https://late.example', 'http')
  expect(log.lines.at(-1)).toMatchObject({ origin: 'https://late.example' })
})
