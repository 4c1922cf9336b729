import { expect, test } from 'bun:test'
import { pauseBefore } from './backoff.ts'

test('number 0 is tried at once, number 1 within a second, the later ones after anything up to twice as much', () => {
  expect([0, 1, 2, 3].map(attempt => pauseBefore(attempt, 1))).toEqual([0, 1_000, 2_000, 4_000])
  expect([0, 1, 2, 3].map(attempt => pauseBefore(attempt, 0))).toEqual([0, 0, 0, 0])
  expect(pauseBefore(2, 0.5)).toBe(1_000)
})

test('no pause is longer than 20 s, however many attempts there were', () => {
  for (const attempt of [7, 30, 1_100, 1e9]) expect(pauseBefore(attempt, 1)).toBe(20_000)
})
