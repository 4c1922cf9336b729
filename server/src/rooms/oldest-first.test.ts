import { expect, test } from 'bun:test'
import { OldestFirst } from './oldest-first.ts'

test('knows its oldest item, as a Set does, whatever is added and deleted', () => {
  const items = new OldestFirst<number>()
  const model = new Set<number>()
  let seed = 1
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  for (let i = 0; i < 20_000; i++) {
    const item = random(40)
    if (random(2) === 0) {
      items.add(item)
      model.add(item)
    } else expect(items.delete(item)).toBe(model.delete(item))
    const [oldest] = model
    expect(items.oldest).toBe(oldest)
    expect(items.size).toBe(model.size)
  }
})
