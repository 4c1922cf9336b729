import { expect, test } from 'bun:test'
import { manualClock } from '../clock.ts'
import { Deadlines } from './deadlines.ts'

function waitFor(ms: number) {
  const clock = manualClock()
  const ended: string[] = []
  const deadlines: Deadlines<string> = new Deadlines(clock, ms, item => ended.push(item))
  return { clock, deadlines, ended }
}

test('each item has its time, from when it was added', () => {
  const { clock, deadlines, ended } = waitFor(1_000)
  deadlines.add('a')
  clock.advance(400)
  deadlines.add('b')
  deadlines.add('c')
  clock.advance(599)
  expect(ended).toEqual([])
  clock.advance(1)
  expect(ended).toEqual(['a'])
  clock.advance(400)
  expect(ended).toEqual(['a', 'b', 'c'])
})

test('what was removed does not end, and keeps nothing else from ending', () => {
  const { clock, deadlines, ended } = waitFor(1_000)
  deadlines.add('a')
  clock.advance(500)
  deadlines.add('b')
  deadlines.remove('a')
  deadlines.remove('a')
  clock.advance(1_000)
  expect(ended).toEqual(['b'])
  deadlines.add('c')
  deadlines.remove('c')
  clock.advance(500)
  deadlines.add('d')
  clock.advance(999)
  expect(ended).toEqual(['b'])
  clock.advance(1)
  expect(ended).toEqual(['b', 'd'])
})
