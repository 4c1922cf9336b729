import { describe, expect, test } from 'bun:test'
import { keyedMutex, semaphore } from './semaphore.ts'

const never = new AbortController().signal
/** Resolves when all that can go on has done so. */
const settled = () => new Promise<void>(resolve => setImmediate(resolve))

describe('a semaphore', () => {
  test('lets in as many as there are places, first come, first served', async () => {
    const enter = semaphore(2)
    const here: string[] = []
    const come = (name: string) => enter(never).then(leave => ({ leave, at: here.push(name) }))
    const [ada] = await Promise.all([come('ada'), come('bob')])
    void come('cleo')
    void come('dan')
    await settled()
    expect(here).toEqual(['ada', 'bob'])
    ada.leave()
    await settled()
    expect(here).toEqual(['ada', 'bob', 'cleo'])
  })

  test('forgets one who gives up in the line', async () => {
    const enter = semaphore(1)
    const leave = await enter(never)
    const gone = new AbortController()
    const waiting = enter(gone.signal)
    const next = enter(never)
    gone.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    leave()
    ;(await next)()
    await enter(never)
  })
})

test('a mutex keeps the order of each key, whether a task fails or not, and lets other keys go on', async () => {
  const mutex = keyedMutex()
  const done: string[] = []
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const act = (name: string, wait?: Promise<void>) => async () => {
    await wait
    done.push(name)
    if (name === 'a1') throw new Error(name)
  }
  const first = mutex.run('a', act('a1', gate)).catch(String)
  const second = mutex.run('a', act('a2'))
  await mutex.run('b', act('b1'))
  expect([mutex.length('a'), mutex.length('b')]).toEqual([2, 0])
  open()
  await Promise.all([first, second])
  expect([done, mutex.length('a')]).toEqual([['b1', 'a1', 'a2'], 0])
})
