import { expect, test } from 'bun:test'
import { WaitingFrames } from './frames.ts'

test('frames that wait are taken in their order, and their bytes counted, however many come meanwhile', () => {
  const waiting = new WaitingFrames()
  let added = 0
  const add = () => waiting.add(String(added++))
  for (let n = 0; n < 100; n++) add()
  for (let taken = 0; taken < 2000; taken++) {
    expect(waiting.take()).toBe(String(taken))
    add()
  }
  expect([...waiting.rest()]).toEqual(Array.from({ length: 100 }, (_, n) => String(2000 + n)))
  expect(waiting.bytes).toBe(0)
  expect(waiting.take()).toBeUndefined()
  expect(waiting.add('ü')).toBe(waiting.bytes)
  expect(waiting.take()).toBe('ü')
})
