import { describe, expect, test } from 'bun:test'
import { NumberedPings } from './numbered-pings.ts'

const answer = (pings: NumberedPings, payload: string) => pings.confirmed(Buffer.from(payload))

describe('a pong', () => {
  test('confirms what was written before the previous ping', () => {
    const pings = new NumberedPings()
    pings.wrote(10)
    const first = pings.next()
    pings.wrote(10)
    pings.wrote(10)
    const second = pings.next()
    pings.wrote(10)
    expect(answer(pings, first)).toBe(0)
    expect(answer(pings, second)).toBe(1)
    expect(answer(pings, pings.next())).toBe(3)
  })

  test('confirms as much when those before it are missing', () => {
    const pings = new NumberedPings()
    pings.next()
    pings.wrote(10)
    pings.next()
    pings.wrote(10)
    expect(answer(pings, pings.next())).toBe(1)
  })

  test('confirms nothing once the other end was asked to move', () => {
    const pings = new NumberedPings()
    pings.next()
    pings.wrote(10)
    const last = pings.next()
    pings.stop()
    expect([answer(pings, last), answer(pings, pings.next())]).toEqual([0, 0])
  })

  test.each(['', '7', '0', 'bye', '-1', '0.0', ' 1'])('that answers no ping (%p) confirms nothing', payload => {
    const pings = new NumberedPings()
    pings.wrote(10)
    expect(answer(pings, pings.next())).toBe(0)
    pings.wrote(10)
    pings.next()
    expect(answer(pings, payload)).toBe(0)
  })
})

test('it is time for a ping at half of what a session keeps, unless too many have no answer', () => {
  const pings = new NumberedPings()
  const writtenUntilPing = (characters: number) => {
    let written = 1
    while (written < 1000 && !pings.wrote(characters)) written++
    return written
  }
  expect([writtenUntilPing(1), pings.next()]).toEqual([128, '0'])
  expect([writtenUntilPing(32 * 1024), pings.next()]).toEqual([4, '1'])
  for (let i = 2; i < 8; i++) pings.next()
  expect(writtenUntilPing(1)).toBe(1000)
  answer(pings, '7')
  expect(writtenUntilPing(1)).toBe(1)
})
