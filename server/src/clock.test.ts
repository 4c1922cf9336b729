import { describe, expect, test } from 'bun:test'
import { atMostEvery, believedTime, inTime, manualClock, nowAndThen, outsideDeadline, systemClock } from './clock.ts'

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

test.each([48, -48])('a deadline holds though the clock is set by %d hours meanwhile', async hours => {
  const clock = manualClock()
  const waiting = inTime(clock, new Promise(() => {}), 'It is silent.', clock.uptime() + outsideDeadline)
  clock.set(clock.now() + hours * hour)
  clock.advance(outsideDeadline - 1)
  const before = await Promise.race([waiting, Promise.resolve('waits')])
  clock.advance(1)
  expect(before).toBe('waits')
  await expect(waiting).rejects.toThrow('It is silent.')
})

test('what is asked now and then is asked once in that time, also if it fails or takes longer', async () => {
  const clock = manualClock()
  let asked = 0
  const ask = nowAndThen(clock, 2000, async () => {
    asked++
    await new Promise<void>(resume => clock.after(5000, resume))
    if (asked === 1) throw new Error('full')
  })
  const first = [ask(), ask()]
  clock.advance(4000)
  first.push(ask())
  clock.advance(1000)
  for (const outcome of first) await expect(outcome).rejects.toThrow('full')
  await expect(ask()).rejects.toThrow('full')
  expect(asked).toBe(1)
  clock.advance(2000)
  const second = ask()
  clock.advance(5000)
  await second
  expect(asked).toBe(2)
})

test('what may be done every second at most may be done at once, and again after a second, however the clock is set', () => {
  const clock = manualClock()
  const mayLog = atMostEvery(clock, 1000)
  expect([mayLog(), mayLog()]).toEqual([true, false])
  clock.set(clock.now() + 1e9)
  expect(mayLog()).toBe(false)
  clock.advance(1000)
  expect([mayLog(), mayLog()]).toEqual([true, false])
})

test('what needs no time comes in the next turn of the event loop, and not by a timer, which takes a millisecond', async () => {
  const turns = 2000
  const start = performance.now()
  for (let turn = 0; turn < turns; turn++) await new Promise<void>(goOn => systemClock.after(0, goOn))
  expect(performance.now() - start).toBeLessThan(turns)
})
