import { describe, expect, test } from 'bun:test'
import { SignalingError } from '@parley/protocol'
import { manualClock } from '../../clock.ts'
import { keySource } from './key-source.ts'

/** A provider that answers when it is told to, and what became of the questions. */
function provider() {
  const clock = manualClock()
  const stopped = new AbortController()
  const questions: PromiseWithResolvers<string>[] = []
  const outcomes: unknown[] = []
  const source = keySource<string>({
    ...{ clock, answerWithin: 3_000, pauses: { answered: 5_000, failed: 1_000 }, keptFor: 60_000 },
    until: stopped.signal,
    load() {
      const question = Promise.withResolvers<string>()
      questions.push(question)
      return question.promise
    },
    explain: cause => new SignalingError('UNAVAILABLE', 'It is silent.', { cause }),
    settled: outcome => outcomes.push('keys' in outcome ? outcome.keys : outcome.failures),
  })
  return { clock, stopped, questions, outcomes, source }
}

describe('the keys of a provider', () => {
  test('are asked for once by all who want them, and not again within the pause', async () => {
    const { clock, questions, source } = provider()
    const all = [source.held(), source.recent(), source.renew()]
    questions[0]?.resolve('a')
    expect(await Promise.all(all)).toEqual(['a', 'a', 'a'])
    clock.advance(4_999)
    expect(await source.recent()).toBe('a')
    clock.advance(1)
    const later = source.recent()
    questions[1]?.resolve('b')
    expect([await later, questions.length]).toEqual(['b', 2])
  })

  test('serve while nobody confirms them, until they are too old', async () => {
    const { clock, outcomes, questions, source } = provider()
    const first = source.held()
    questions[0]?.resolve('a')
    await first
    const asked = source.renew()
    expect(await source.held()).toBe('a')
    questions[1]?.reject(new Error('away'))
    await expect(asked).rejects.toThrow('It is silent.')
    clock.advance(59_999)
    expect(await source.held()).toBe('a')
    clock.advance(1)
    const late = source.held()
    clock.advance(3_000)
    await expect(late).rejects.toMatchObject({ cause: { message: 'no answer in 3000 ms' } })
    // Those who come within the pause hear the same.
    await expect(source.recent()).rejects.toThrow('It is silent.')
    expect([outcomes, source.failures, questions.length]).toEqual([['a', 1, 2], 2, 3])
  })

  test('are asked for no more once nobody wants them', async () => {
    const { questions, source, stopped } = provider()
    const waiting = source.held()
    stopped.abort(new Error('closed'))
    await expect(waiting).rejects.toThrow('It is silent.')
    await expect(source.renew()).rejects.toThrow('It is silent.')
    expect(questions).toHaveLength(1)
  })
})
