import { expect, test } from 'bun:test'
import { type Clock, manualClock } from '../clock.ts'
import { sliceUnits, TimeSlices } from '../time-slices.ts'
import { WorkBudget, workOfFlood } from '../work-budget.ts'
import { Incoming } from './incoming.ts'
import type { Outgoing } from './outgoing.ts'

const atOnce = 20_000

/** A node whose turns of the event loop come when they are told. */
function node() {
  const turns: (() => void)[] = []
  const manual = manualClock()
  const clock: Clock & { advance(ms: number): void } = {
    ...manual,
    after(ms, act) {
      if (ms > 0) return manual.after(ms, act)
      turns.push(act)
      return () => {}
    },
  }
  const parts = {
    clock,
    budget: new WorkBudget(atOnce, clock),
    slices: new TimeSlices(clock),
    limits: { waitingBytes: 256 * 1024, messageBytes: 1024 * 1024 },
    resized: [] as string[],
    buffers: {
      resize: ({ address }: { address: string }, size: string) => void parts.resized.push(`${address} ${size}`),
    },
  }
  const turn = () => {
    for (const act of turns.splice(0)) act()
  }
  /** A connection that notes what is handled. */
  const connection = (address: string, isPeer = true) => {
    const handled: string[] = []
    const owner = {
      ...{ open: true, session: isPeer ? {} : undefined, payer: { address }, socketAddress: { address, port: 1 } },
      handle: (frame: string | Buffer) => void handled.push(String(frame)),
      overflowed() {
        owner.open = false
      },
    }
    const incoming = new Incoming(owner, { hold() {} } as unknown as Outgoing, parts)
    return { incoming, handled, owner }
  }
  return { ...parts, turn, connection }
}

test('while there is long work, one that has caused much waits for its turn, and others do not', () => {
  const { budget, slices, turn, connection } = node()
  const [heavy, light] = [connection('192.0.2.1'), connection('192.0.2.2')]
  heavy.incoming.receive('at once')
  expect(heavy.handled).toEqual(['at once'])
  budget.charge({ address: '192.0.2.1' }, atOnce / 2)
  heavy.incoming.receive('still at once, as there is nothing else to do')
  expect(heavy.handled).toHaveLength(2)
  slices.add(() => ({ units: sliceUnits, isDone: true }))
  heavy.incoming.receive('later')
  light.incoming.receive('now')
  expect([heavy.handled.length, light.handled]).toEqual([2, ['now']])
  turn()
  expect(heavy.handled).toHaveLength(2)
  turn()
  expect(heavy.handled.at(-1)).toBe('later')
})

test('so do large frames, and all of connections that have not registered', () => {
  const { slices, turn, connection } = node()
  const [peer, stranger] = [connection('192.0.2.1'), connection('192.0.2.2', false)]
  const large = 'x'.repeat(20_000)
  slices.add(() => ({ units: sliceUnits, isDone: true }))
  peer.incoming.receive(large)
  stranger.incoming.receive('register')
  expect([peer.handled, stranger.handled]).toEqual([[], []])
  for (let turns = 0; turns < 3; turns++) turn()
  expect([peer.handled, stranger.handled]).toEqual([[large], ['register']])
})

test('what is sent before the register gives others their turn by its size, as nobody is charged for it', () => {
  const { turn, connection } = node()
  const { incoming, handled } = connection('192.0.2.1', false)
  for (let n = 0; n < 3; n++) incoming.receive('x'.repeat(60_000))
  expect(handled).toHaveLength(1)
  turn()
  expect(handled).toHaveLength(2)
})

test('a flood is charged once and handled in slices, in order; nothing of it is lost', () => {
  const { budget, resized, turn, connection } = node()
  const { incoming, handled } = connection('192.0.2.1')
  for (let n = 0; n < 300; n++) incoming.receive(String(n))
  expect(handled).toHaveLength(128)
  expect(budget.total).toBe(workOfFlood)
  expect(resized).toEqual(['192.0.2.1 little'])
  turn()
  expect(handled).toHaveLength(128 + sliceUnits)
  for (let turns = 0; turns < 4; turns++) turn()
  expect(handled).toEqual(Array.from({ length: 300 }, (_, n) => String(n)))
  incoming.receive('at once again')
  expect(handled.at(-1)).toBe('at once again')
})

test('as many frames over a while are no flood', () => {
  const { clock, budget, resized, connection } = node()
  const { incoming, handled } = connection('192.0.2.1')
  for (let n = 0; n < 1000; n++) {
    incoming.receive(String(n))
    clock.advance(0.1)
  }
  expect([handled.length, budget.total, resized]).toEqual([1000, 0, []])
})

test('of a peer that sends much, more is read at once; of a stranger and of a flood, never', () => {
  const { clock, resized, connection } = node()
  const send = (address: string, isPeer: boolean, pause: number) => {
    const { incoming } = connection(address, isPeer)
    for (let n = 0; n < 1000; n++) {
      incoming.receive('x'.repeat(100))
      clock.advance(pause)
    }
  }
  send('192.0.2.1', true, 1)
  expect(resized.splice(0)).toEqual(['192.0.2.1 much'])
  send('192.0.2.2', false, 1)
  expect(resized).toEqual([])
  send('192.0.2.3', true, 0)
  expect(resized).toEqual(['192.0.2.3 little'])
})

test('pings count for a flood, and one that goes on with them is closed', () => {
  const { clock, budget, connection } = node()
  const { incoming, owner } = connection('192.0.2.1')
  const ping = (count: number) => {
    for (let n = 0; n < count; n++) incoming.pinged()
  }
  ping(128)
  expect([budget.total, owner.open]).toEqual([workOfFlood, true])
  clock.advance(5)
  ping(64)
  expect(owner.open).toBe(true)
  ping(64)
  expect(owner.open).toBe(false)
})
