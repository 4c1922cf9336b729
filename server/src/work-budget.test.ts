import { expect, test } from 'bun:test'
import type { SignalingError } from '@parley/protocol'
import { manualClock } from './clock.ts'
import { type Payer, WorkBudget } from './work-budget.ts'

const ada: Payer = { identity: 'ada', address: '192.0.2.1' }

/** Seconds after which `payer` may go on; 0: at once. */
function waitOf(budget: WorkBudget, payer: Payer): number {
  try {
    budget.check(payer)
    return 0
  } catch (error) {
    const { code, context } = error as SignalingError
    expect(code).toBe('RATE_LIMITED')
    return context.retryAfter ?? 0
  }
}

test('so much may be done at once, and as much again in ten seconds', () => {
  const clock = manualClock()
  const budget = new WorkBudget(1000, clock)
  for (let n = 0; n < 10; n++) {
    expect(waitOf(budget, ada)).toBe(0)
    budget.charge(ada, 100)
  }
  budget.charge(ada, 100)
  expect(waitOf(budget, ada)).toBe(1)
  clock.advance(1000)
  expect(waitOf(budget, ada)).toBe(0)
  budget.charge(ada, 500)
  expect(waitOf(budget, ada)).toBe(5)
  clock.advance(15_000)
  budget.charge(ada, 1000)
  expect(waitOf(budget, ada)).toBe(0)
})

test('an identity pays at every address, and an address for all its identities, up to twice as much', () => {
  const budget = new WorkBudget(1000, manualClock())
  budget.charge(ada, 1001)
  expect(waitOf(budget, { identity: 'ada', address: '192.0.2.2' })).toBe(1)
  expect(waitOf(budget, { identity: 'bob', address: '192.0.2.1' })).toBe(0)
  budget.charge({ identity: 'bob', address: '192.0.2.1' }, 1001)
  expect(waitOf(budget, { identity: 'carol', address: '192.0.2.1' })).toBe(1)
  expect(waitOf(budget, { identity: 'carol', address: '192.0.2.2' })).toBe(0)
  budget.charge({ address: '2001:db8:0:1::1' }, 2001)
  expect(waitOf(budget, { address: '2001:db8:0:1:ffff::2' })).toBe(1)
  expect(waitOf(budget, { address: undefined })).toBe(0)
})

test('one that enters waits for its turn because of its neighbours, but is not kept out by them', async () => {
  const clock = manualClock()
  const budget = new WorkBudget(1000, clock)
  budget.charge({ identity: 'bob', address: '192.0.2.1' }, 3000)
  let hasTurn = false
  const turn = budget.turn(ada, true).then(() => {
    hasTurn = true
  })
  clock.advance(1999)
  await Promise.resolve()
  expect(hasTurn).toBe(false)
  clock.advance(1)
  await turn
  await expect(budget.turn(ada, false)).rejects.toMatchObject({ code: 'RATE_LIMITED', context: { retryAfter: 3 } })
  budget.charge({ identity: 'ada' }, 3500)
  await expect(budget.turn(ada, true)).rejects.toMatchObject({ code: 'RATE_LIMITED', context: { retryAfter: 25 } })
})

test('who owes nothing is forgotten', () => {
  const clock = manualClock()
  const budget = new WorkBudget(1000, clock)
  for (let n = 0; n < 10_000; n++) budget.charge({ identity: `${n}` }, 1)
  expect(budget.size).toBe(10_000)
  clock.advance(10)
  budget.charge(ada, 1)
  expect(budget.size).toBe(2)
})

test('one that goes on and on owes no more than can be paid for in a minute: it may be somebody else behind its address', () => {
  const clock = manualClock()
  const budget = new WorkBudget(1000, clock)
  for (let n = 0; n < 100; n++) budget.charge(ada, 1000)
  expect(waitOf(budget, ada)).toBe(60)
  clock.advance(60_000)
  expect(waitOf(budget, ada)).toBe(0)
})

test('new connections from where too much comes wait, for 2 s at most', () => {
  const clock = manualClock()
  const budget = new WorkBudget(1000, clock)
  const { address } = ada
  budget.charge(ada, 2000)
  expect(budget.wait({ address })).toBe(0)
  budget.charge(ada, 100)
  expect(budget.wait({ address })).toBe(500)
  budget.charge(ada, 2000)
  expect(budget.wait({ address })).toBe(2000)
  expect(budget.wait({ address: '192.0.2.2' })).toBe(0)
})

test('one is heavy for as long as it owes a tenth of what it may do at once', () => {
  const clock = manualClock()
  const budget = new WorkBudget(1000, clock)
  budget.charge(ada, 100)
  expect(budget.isHeavy(ada)).toBe(false)
  budget.charge(ada, 100)
  expect(budget.isHeavy(ada)).toBe(true)
  clock.advance(1000)
  expect(budget.isHeavy(ada)).toBe(false)
})
