import { expect, test } from 'bun:test'
import { type Clock, manualClock } from './clock.ts'
import { sliceUnits, TimeSlices } from './time-slices.ts'

/** A job of so many pieces, each of a whole slice, that notes each in `done`. */
function job(name: string, pieces: number, done: string[], units = sliceUnits) {
  let left = pieces
  return () => {
    done.push(name)
    return { units, isDone: --left === 0 }
  }
}

/** A clock whose next turn comes when it is told. */
function turnByTurn(): Clock & { turn(): void } {
  let plans: (() => void)[] = []
  return {
    ...manualClock(),
    after(_, act) {
      plans.push(act)
      return () => {
        plans = plans.filter(plan => plan !== act)
      }
    },
    turn() {
      for (const act of plans.splice(0)) act()
    },
  }
}

test('jobs take turns, one slice in each turn of the event loop', () => {
  const clock = turnByTurn()
  const slices = new TimeSlices(clock)
  const done: string[] = []
  slices.add(job('long', 3, done))
  slices.add(job('short', 1, done))
  expect(done).toEqual([])
  const turns: string[][] = []
  for (let turn = 0; turn < 5; turn++) {
    clock.turn()
    turns.push(done.splice(0))
  }
  expect(turns).toEqual([['long'], ['short'], ['long'], ['long'], []])
})

test('small pieces share a slice', () => {
  const clock = turnByTurn()
  const slices = new TimeSlices(clock)
  const done: string[] = []
  for (const name of ['a', 'b', 'c']) slices.add(job(name, 1, done, sliceUnits / 2))
  clock.turn()
  expect(done).toEqual(['a', 'b'])
})

test('what has begun goes on before anything else begins', async () => {
  const clock = turnByTurn()
  const slices = new TimeSlices(clock)
  const done: string[] = []
  const request = async (name: string) => {
    await slices.turn()
    done.push(`${name} begins`)
    await slices.nextTurn()
    done.push(`${name} goes on`)
  }
  const all = Promise.all([request('a'), request('b')])
  for (let turn = 0; turn < 4; turn++) {
    clock.turn()
    // What follows a promise, as in a turn of the event loop.
    await new Promise(setImmediate)
  }
  await all
  expect(done).toEqual(['a begins', 'a goes on', 'b begins', 'b goes on'])
})

test('however much has begun, one slice in four is for what has not', async () => {
  const clock = turnByTurn()
  const slices = new TimeSlices(clock)
  const done: string[] = []
  const note = (name: string) => () => void done.push(name)
  for (let i = 0; i < 8; i++) void slices.nextTurn().then(note('begun'))
  for (let i = 0; i < 2; i++) void slices.turn().then(note('new'))
  for (let turn = 0; turn < 10; turn++) {
    clock.turn()
    await new Promise(setImmediate)
  }
  const [three, one] = [['begun', 'begun', 'begun'], ['new']]
  expect(done).toEqual([...three, ...one, ...three, ...one, 'begun', 'begun'])
})

test('what is not done when the server stops is forgotten', () => {
  const clock = turnByTurn()
  const slices = new TimeSlices(clock)
  const done: string[] = []
  slices.add(job('a', 2, done))
  slices.close()
  clock.turn()
  expect(done).toEqual([])
})
