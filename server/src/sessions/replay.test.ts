import { describe, expect, test } from 'bun:test'
import { type Keeper, Replay, replayLimits } from './replay.ts'

/** A memory that notes what is kept in it. */
function memory() {
  let bytes = 0
  const keepers = new Set<Keeper>()
  return {
    kept(keeper: Keeper, change: number) {
      bytes += change
      keepers.add(keeper)
    },
    get bytes() {
      return bytes
    },
  }
}

describe('what a session keeps', () => {
  test('is numbered from 1, and given back from any number on until it is confirmed', () => {
    const kept = memory()
    const replay = new Replay(kept)
    for (const text of ['a', 'bb', 'ü']) replay.keep(text)
    expect([replay.last, replay.after(0), replay.after(2), replay.after(3)]).toEqual([3, ['a', 'bb', 'ü'], ['ü'], []])
    expect([replay.after(4), replay.after(-1), kept.bytes]).toEqual([undefined, undefined, 5])
    replay.confirm(2)
    expect([replay.after(1), replay.after(2), kept.bytes]).toEqual([undefined, ['ü'], 2])
    // A pong that comes late, and one that claims too much.
    replay.confirm(1)
    replay.confirm(99)
    expect([replay.last, replay.after(3), kept.bytes]).toEqual([3, [], 0])
    replay.keep('d')
    expect(replay.after(3)).toEqual(['d'])
  })

  test.each([
    ['messages', replayLimits.messages, 'x'],
    ['bytes', 4, 'x'.repeat(replayLimits.bytes / 4)],
    ['bytes that are not characters', 4, 'ü'.repeat(replayLimits.bytes / 8)],
  ])('has a bound in %s: while connected the oldest go, while away nothing more is taken', (_, most, text) => {
    const [connected, away] = [new Replay(memory()), new Replay(memory())]
    for (let i = 0; i < most; i++) {
      connected.keep(text)
      expect(away.hold(text)).toBe(true)
    }
    expect(connected.after(0)).toHaveLength(most)
    connected.keep(text)
    expect([connected.after(0), connected.after(1)?.length]).toEqual([undefined, most])
    expect([away.hold('x'), away.after(0)?.length]).toEqual([false, most])
  })

  test('leaves room for what is held, whatever was sent before', () => {
    const replay = new Replay(memory())
    for (let i = 0; i < 255; i++) replay.keep('sent')
    for (let i = 0; i < replayLimits.messages; i++) expect(replay.hold('held')).toBe(true)
    expect([replay.hold('held'), replay.after(0)?.length, replay.after(255)?.length]).toEqual([false, 511, 256])
    // Nobody has what was never sent.
    expect(replay.after(256)).toBeUndefined()
    replay.sent()
    expect([replay.after(0)?.length, replay.after(256)?.length]).toEqual([511, 255])
    // One that comes and goes has no more and more kept.
    for (let i = 0; i < replayLimits.messages; i++) expect(replay.hold('held')).toBe(true)
    replay.sent()
    expect([replay.last, replay.after(254), replay.after(255)?.length]).toEqual([767, undefined, 512])
    replay.keep('sent')
    expect([replay.after(511), replay.after(512)?.length]).toEqual([undefined, 256])
  })

  test('is right however much has gone through it', () => {
    const kept = memory()
    const replay = new Replay(kept)
    for (let i = 1; i <= 5000; i++) {
      replay.keep(String(i))
      if (i % 7 === 0) replay.confirm(i - 3)
      expect(replay.after(i - 1)).toEqual([String(i)])
    }
    expect(replay.after(4996)).toEqual(['4997', '4998', '4999', '5000'])
    replay.confirm(5000)
    expect(kept.bytes).toBe(0)
  })

  test('can be let go of: then who has it all goes on, unless something was never sent', () => {
    const [sent, held] = [new Replay(memory()), new Replay(memory())]
    sent.keep('a')
    sent.forget()
    expect([sent.after(0), sent.after(1), sent.hold('b')]).toEqual([undefined, [], true])
    held.hold('a')
    held.forget()
    expect([held.after(0), held.after(1), held.hold('b'), held.isBroken]).toEqual([undefined, undefined, false, true])
  })
})
