import { describe, expect, test } from 'bun:test'
import { believedTime, manualClock, systemClock } from './clock.ts'

const hour = 3_600_000

describe('the time that is believed', () => {
  test('is none for ten minutes, then the time of day', () => {
    const clock = manualClock()
    const believed = believedTime(clock)
    expect(believed()).toBe(Number.NEGATIVE_INFINITY)
    clock.advance(599_999)
    expect(believed()).toBe(Number.NEGATIVE_INFINITY)
    clock.advance(1)
    expect(believed()).toBe(clock.now())
    clock.advance(100 * hour)
    expect(believed()).toBe(clock.now())
  })

  test('follows a clock that was set back at once', () => {
    const clock = manualClock()
    const believed = believedTime(clock)
    clock.advance(hour)
    believed()
    clock.set(clock.now() - 48 * hour)
    expect(believed()).toBe(clock.now())
  })

  test('does not follow a clock that is ahead for less than ten minutes, whoever asks how often', () => {
    const clock = manualClock()
    const believed = believedTime(clock)
    clock.advance(hour)
    believed()
    const right = clock.now()
    for (let i = 0; i < 5; i++) {
      clock.set(clock.now() + 48 * hour)
      for (let second = 0; second < 590; second++) {
        clock.advance(1000)
        expect(believed()).toBeLessThan(right + hour)
      }
      clock.set(clock.now() - 48 * hour)
      clock.advance(10_000)
      expect(believed()).toBeLessThan(right + 2 * hour)
    }
  })
})

test('the uptime of the system goes on', async () => {
  const before = systemClock.uptime()
  await new Promise<void>(resolve => systemClock.after(5, resolve))
  expect(systemClock.uptime()).toBeGreaterThan(before)
})

test('what needs no time comes in the next turn of the event loop, and not by a timer, which takes a millisecond', async () => {
  const turns = 2000
  const start = performance.now()
  for (let turn = 0; turn < turns; turn++) await new Promise<void>(goOn => systemClock.after(0, goOn))
  expect(performance.now() - start).toBeLessThan(turns)
})
