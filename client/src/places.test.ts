import { expect, test } from 'bun:test'
import type { ParleyError } from './errors.ts'
import { nextTurn, type PlaceHolder, takePlace } from './places.ts'

const enter = async () => {}

/** Somebody who wants a place, and is over when the test says that the server has seen it. */
function holder({ isRegistered = false } = {}) {
  const over = Promise.withResolvers<void>()
  const codes: unknown[] = []
  const holder: PlaceHolder = {
    replaced(error) {
      codes.push(error.code)
      return isRegistered ? Promise.resolve() : over.promise
    },
    kept: () => codes.push('kept'),
    over: over.promise,
  }
  return { ...holder, codes, end: over.resolve }
}

test('the later call waits until the earlier one is over', async () => {
  const [first, second] = [nextTurn(), nextTurn()]
  const [one, two] = [holder(), holder()]
  const events: string[] = []
  await takePlace('waits', first, one, enter)
  const taken = takePlace('waits', second, two, enter).then(() => events.push('taken'))
  expect(one.codes).toEqual(['PEER_REPLACED'])
  events.push('over')
  one.end()
  await taken
  expect(events).toEqual(['over', 'taken'])
  // That the one before is over does not free it.
  const third = takePlace('waits', nextTurn(), holder(), enter)
  expect(two.codes).toEqual(['PEER_REPLACED'])
  two.end()
  await third
})

test('the later call has the place, also when it comes to that first', async () => {
  const [first, second] = [nextTurn(), nextTurn()]
  const [one, two] = [holder(), holder()]
  await takePlace('late', second, two, enter)
  one.end()
  const error = await takePlace('late', first, one, enter).catch((error: ParleyError) => error.code)
  expect([error, one.codes, two.codes]).toEqual(['PEER_REPLACED', ['PEER_REPLACED'], []])
})

test('a place that was left is free', async () => {
  const one = holder()
  await takePlace('left', nextTurn(), one, enter)
  one.end()
  await one.over
  await takePlace('left', nextTurn(), holder(), enter)
  expect(one.codes).toEqual([])
})

test('one that cannot enter gives the place back', async () => {
  const one = holder({ isRegistered: true })
  const [two, three] = [holder(), holder()]
  await takePlace('back', nextTurn(), one, enter)
  const refused = takePlace('back', nextTurn(), two, () => Promise.reject(new Error('refused')))
  expect(await refused.catch((error: Error) => error.message)).toBe('refused')
  await takePlace('back', nextTurn(), three, enter)
  expect([one.codes, two.codes]).toEqual([['PEER_REPLACED', 'kept', 'PEER_REPLACED'], []])
})
