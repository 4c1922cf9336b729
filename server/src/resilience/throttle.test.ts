import { expect, test } from 'bun:test'
import { manualClock } from '../clock.ts'
import { memoizeFor, throttle } from './throttle.ts'

test('what is asked now and then is asked once in that time, also if it fails or takes longer', async () => {
  const clock = manualClock()
  let asked = 0
  const ask = memoizeFor(clock, 2000, async () => {
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
  const mayLog = throttle(clock, 1000)
  expect([mayLog(), mayLog()]).toEqual([true, false])
  clock.set(clock.now() + 1e9)
  expect(mayLog()).toBe(false)
  clock.advance(1000)
  expect([mayLog(), mayLog()]).toEqual([true, false])
})
