import { describe, expect, test } from 'bun:test'
import { manualClock } from '../clock.ts'
import { abortAfter, adapterTimeout, TimedOut, withDeadline, withTimeout } from './deadline.ts'

const hour = 3_600_000

test.each([48, -48])('a deadline holds though the clock is set by %d hours meanwhile', async hours => {
  const clock = manualClock()
  const waiting = withDeadline(clock, new Promise(() => {}), 'It is silent.', clock.uptime() + adapterTimeout)
  clock.set(clock.now() + hours * hour)
  clock.advance(adapterTimeout - 1)
  const before = await Promise.race([waiting, Promise.resolve('waits')])
  clock.advance(1)
  expect(before).toBe('waits')
  await expect(waiting).rejects.toThrow('It is silent.')
})

describe('a timeout', () => {
  const endless = () => new Promise<never>(() => {})

  test('ends work that does not listen to its signal', async () => {
    const clock = manualClock()
    const waiting = withTimeout(clock, 1000, undefined, endless)
    clock.advance(1000)
    await expect(waiting).rejects.toThrow(new TimedOut(1000))
  })

  test('leaves the last word to work that does', async () => {
    const clock = manualClock()
    const asked = abortAfter(
      clock,
      1000,
      undefined,
      signal =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error(`${signal.reason.message}!`))),
        ),
    )
    clock.advance(1000)
    await expect(asked).rejects.toThrow('no answer in 1000 ms!')
  })

  test('is over as soon as nobody waits any more, with the reason for that', async () => {
    const gone = new AbortController()
    const waiting = withTimeout(manualClock(), 1000, gone.signal, endless)
    gone.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    const work = () => Promise.reject(new Error('begun'))
    await expect(withTimeout(manualClock(), 1000, gone.signal, work)).rejects.toThrow('gone')
  })
})
