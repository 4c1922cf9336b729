import { describe, expect, test } from 'bun:test'
import { manualClock } from '../clock.ts'
import { heartbeat, type Pulse } from './heartbeat.ts'

const deadAfter = 40_000

function world() {
  const clock = manualClock()
  const beat = heartbeat(deadAfter, clock)
  const start = clock.now()
  const happened: string[] = []
  const add = (name: string, answers: boolean) => {
    const pulse: Pulse = {
      heardAt: beat.beat.now,
      part: 0,
      ping() {
        happened.push(`${name} pinged`)
        if (answers) pulse.heardAt = beat.beat.now
      },
      giveUp() {
        happened.push(`${name} given up after ${clock.now() - start}`)
        beat.remove(pulse)
      },
    }
    beat.add(pulse)
    return pulse
  }
  return { clock, beat, happened, add }
}

describe('the heartbeat', () => {
  test('pings who is silent, and gives up within the time who does not answer', () => {
    const { clock, happened, add } = world()
    for (let i = 0; i < 120; i++) add('dead', false)
    clock.advance(deadAfter)
    expect(happened.filter(what => what === 'dead pinged')).toHaveLength(240)
    const ends = happened.filter(what => what.startsWith('dead given up')).map(what => Number(what.split(' ').at(-1)))
    expect(ends).toHaveLength(120)
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(0.75 * deadAfter)
  })

  test('keeps who answers, and does not ping who speaks', () => {
    const { clock, beat, happened, add } = world()
    add('answering', true)
    const speaking = add('speaking', false)
    for (let second = 0; second < 200; second++) {
      clock.advance(1000)
      speaking.heardAt = beat.beat.now
    }
    expect(new Set(happened)).toEqual(new Set(['answering pinged']))
  })

  test('leaves alone who was removed, and everybody once it has stopped', () => {
    const { clock, beat, happened, add } = world()
    beat.remove(add('removed', false))
    add('other', false)
    beat.stop()
    clock.advance(10 * deadAfter)
    expect(happened).toEqual([])
  })
})
