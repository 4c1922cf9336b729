import { expect, test } from 'bun:test'
import { recordingLog } from '../test/harness.ts'
import { manualClock } from './clock.ts'
import { refusedAttempts } from './refused-attempts.ts'

const start = () => {
  const clock = manualClock()
  const log = recordingLog()
  const said = (msg: string) => log.lines.filter(line => line.msg === msg)
  return { clock, log, refused: refusedAttempts(clock, log), said }
}

test('a guess is logged with address, code and way, and what is nobody else’s business is not', () => {
  const { log, refused } = start()
  refused('192.0.2.1', 'INVALID_ROOM_TOKEN', 'websocket')
  refused('2001:db8::1', 'FORBIDDEN', 'http')
  for (const code of ['INVALID_JSON', 'NOT_FOUND', 'ROOM_FULL', 'UNAVAILABLE', 'INTERNAL'] as const) {
    refused('192.0.2.1', code, 'http')
  }
  expect(log.lines).toMatchObject([
    { level: 30, client: '192.0.2.1', code: 'INVALID_ROOM_TOKEN', over: 'websocket', msg: 'attempt refused' },
    { level: 30, client: '2001:db8::1', code: 'FORBIDDEN', over: 'http', msg: 'attempt refused' },
  ])
})

test('one address, or one network of IPv6, takes 20 lines a minute, and no other loses its own by that', () => {
  const { clock, refused, said } = start()
  for (let i = 0; i < 500; i++) {
    refused('192.0.2.1', 'INVALID_TOKEN', 'http')
    refused(`2001:db8::${i.toString(16)}`, 'INVALID_TOKEN', 'http')
  }
  refused('192.0.2.2', 'INVALID_TOKEN', 'http')
  expect(said('attempt refused')).toHaveLength(41)

  clock.advance(60_000)
  expect(said('more attempts refused than are logged')).toMatchObject([
    {
      attempts: 960,
      addresses: 3,
      most: [
        { client: '192.0.2.1', attempts: 500 },
        { client: '2001:db8:0:0', attempts: 500 },
      ],
    },
  ])
  refused('192.0.2.1', 'INVALID_TOKEN', 'http')
  expect(said('attempt refused')).toHaveLength(42)
  clock.advance(600_000)
  expect(said('more attempts refused than are logged')).toHaveLength(1)
})

test('all addresses together take 200 lines a minute, however many they are', () => {
  const { clock, refused, said } = start()
  for (let i = 0; i < 20_000; i++) refused(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 'INVALID_TOKEN', 'websocket')
  clock.advance(60_000)
  expect(said('attempt refused')).toHaveLength(200)
  expect(said('more attempts refused than are logged')).toMatchObject([
    { attempts: 19_800, addresses: 10_000, most: [] },
  ])
})
