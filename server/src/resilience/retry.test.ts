import { describe, expect, test } from 'bun:test'
import { manualClock } from '../clock.ts'
import { backoff, retry, sleep } from './retry.ts'

/** A clock on which every pause is over at once, and the pauses that there were. */
function hurriedClock() {
  const pauses: number[] = []
  const clock = manualClock()
  const after = (ms: number, act: () => void) => {
    pauses.push(ms)
    return clock.after(0, act)
  }
  return { clock: { ...clock, after }, pauses }
}

describe('a retry', () => {
  test('goes on after the pauses that the caller says, until a try succeeds', async () => {
    const { clock, pauses } = hurriedClock()
    const act = async (attempt: number) => {
      if (attempt < 4) throw attempt
      return attempt
    }
    expect(await retry(clock, act, (error, attempt) => 100 * (Number(error) + attempt))).toBe(4)
    expect(pauses).toEqual([200, 400, 600])
  })

  test('ends with what the caller makes of an error that will not pass', async () => {
    const { clock, pauses } = hurriedClock()
    const act = () => Promise.reject(new Error('no'))
    const explain = (error: unknown) => {
      throw new Error(`it says ${(error as Error).message}`)
    }
    await expect(retry(clock, act, explain)).rejects.toThrow('it says no')
    expect(pauses).toEqual([])
  })

  test('ends in a pause with what the last try has failed with', async () => {
    const stopped = new AbortController()
    const act = (attempt: number) => Promise.reject(new Error(`try ${attempt}`))
    const waiting = retry(manualClock(), act, () => 1000, stopped.signal)
    // The pause begins a few microtasks later.
    setImmediate(() => stopped.abort(new Error('the server is stopping')))
    await expect(waiting).rejects.toThrow('try 1')
  })
})

test('a sleep ends with the reason for which nobody waits any more, and leaves nothing planned', async () => {
  const clock = manualClock()
  const gone = new AbortController()
  const asleep = sleep(clock, 1000, gone.signal)
  gone.abort(new Error('gone'))
  await expect(asleep).rejects.toThrow('gone')
  await expect(sleep(clock, 1000, gone.signal)).rejects.toThrow('gone')
})

test('pauses double up to the longest', () => {
  expect([1, 2, 3, 4, 100].map(failures => backoff([250, 1500], failures))).toEqual([250, 500, 1000, 1500, 1500])
})
