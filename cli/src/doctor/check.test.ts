import { describe, expect, test } from 'bun:test'
import { type Act, both, type CheckResult, type Known, known, make, medianOf } from './check.ts'
import { Skip, Trouble } from './trouble.ts'

const never = new Promise<never>(() => {})
const silence = () => new Trouble('It is silent.', 'Wake it up.')

/** The results of one check, and what it leaves. */
async function run<Needed, Found>(
  needs: Known<Needed>,
  act: Act<Needed, Found>,
  bounds: { deadline?: number; signal?: AbortSignal } = {},
): Promise<{ results: CheckResult[]; found: Known<Found> }> {
  const steps = make({ name: 'it', needs, silence, act }, { deadline: 5000, signal: undefined, ...bounds })
  const results: CheckResult[] = []
  for (;;) {
    const step = await steps.next()
    if (step.done) return { results, found: step.value }
    results.push(step.value)
  }
}

describe('a check', () => {
  test('tells what it found, and leaves it to others', async () => {
    const act = async (needed: string) => ({ ms: 3, detail: 'fine', value: `${needed}!` })
    expect(await run(known('here'), act)).toEqual({
      results: [{ name: 'it', status: 'ok', ms: 3, detail: 'fine' }],
      found: known('here!'),
    })
  })

  test('fails with the trouble that it meets', async () => {
    const act = () => Promise.reject(new Trouble('It is broken.', 'Mend it.'))
    expect(await run(known(1), act)).toEqual({
      results: [{ name: 'it', status: 'failed', detail: 'It is broken.', advice: 'Mend it.' }],
      found: { isKnown: false, name: 'it' },
    })
  })

  test('is skipped, and says why, without what it needs', async () => {
    const both1 = both(known(1), { isKnown: false, name: 'room' } as Known<string>)
    const act = () => Promise.reject(new Error('must not be called'))
    expect(await run(both1, act)).toEqual({
      results: [{ name: 'it', status: 'skipped', detail: 'It needs “room”.' }],
      found: { isKnown: false, name: 'room' },
    })
  })

  test('may find that it cannot be made', async () => {
    const { results } = await run(known(1), () => Promise.reject(new Skip('Not from here.')))
    expect(results).toEqual([{ name: 'it', status: 'skipped', detail: 'Not from here.' }])
  })

  test('tells what it is called by scripts', async () => {
    const failed = await run(known(1), () => Promise.reject(new Trouble('Broken.', 'Mend it.', { code: 'BROKEN' })))
    expect(failed.results).toEqual([
      { name: 'it', status: 'failed', code: 'BROKEN', detail: 'Broken.', advice: 'Mend it.' },
    ])
    const skipped = await run(known(1), () => Promise.reject(new Skip('Not allowed.', 'Allow it.', { code: 'NO' })))
    expect(skipped.results).toEqual([
      { name: 'it', status: 'skipped', code: 'NO', detail: 'Not allowed.', advice: 'Allow it.' },
    ])
    const doubtful = { status: 'warning', code: 'ODD', detail: 'Odd.', value: 1 } as const
    expect((await run(known(1), async () => doubtful)).results).toEqual([
      { name: 'it', status: 'warning', code: 'ODD', detail: 'Odd.' },
    ])
  })

  test('fails at the deadline, and ends what it has opened', async () => {
    const signals: AbortSignal[] = []
    const act: Act<number, void> = (_, signal) => {
      signals.push(signal)
      return never
    }
    const { results } = await run(known(1), act, { deadline: 10 })
    expect(results).toEqual([{ name: 'it', status: 'failed', detail: 'It is silent.', advice: 'Wake it up.' }])
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  })

  test('fails at the deadline, whatever it makes of its end', async () => {
    const act: Act<number, void> = (_, signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new TypeError('socket closed'))))
    const { results } = await run(known(1), act, { deadline: 10 })
    expect(results).toMatchObject([{ status: 'failed', detail: 'It is silent.' }])
  })

  test('ends what it has opened when it is well, too', async () => {
    const signals: AbortSignal[] = []
    await run(known(1), async (_, signal) => {
      signals.push(signal)
      return { detail: '', value: 1 }
    })
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  })

  test('ends with the reason of the caller who wants no more', async () => {
    const ending = new AbortController()
    const running = run(known(1), () => never, { signal: ending.signal })
    ending.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
    await expect(run(known(1), () => never, { signal: ending.signal })).rejects.toThrow('enough')
  })

  test('does not hide a mistake of its own', async () => {
    await expect(run(known(1), () => Promise.reject(new TypeError('a bug')))).rejects.toThrow('a bug')
  })
})

test('a median is of five times', async () => {
  let calls = 0
  const median = await medianOf(async () => void calls++)
  expect(median).toEqual({ ms: expect.any(Number), times: 5 })
  expect(calls).toBe(5)
})
