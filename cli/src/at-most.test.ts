import { expect, test } from 'bun:test'
import { atMost } from './at-most.ts'

test('no more than so many are under way, in order, also if some fail', async () => {
  const turn = atMost(3)
  const begun: number[] = []
  let busy = 0
  let most = 0
  const all = Array.from({ length: 20 }, (_, i) =>
    turn(async () => {
      begun.push(i)
      most = Math.max(most, ++busy)
      await new Promise(resolve => setImmediate(resolve))
      busy--
      if (i % 2) throw new Error(`${i}`)
      return i
    }),
  )
  const results = await Promise.allSettled(all)
  expect([most, begun]).toEqual([3, [...all.keys()]])
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(10)
})
