import { describe, expect, test } from 'bun:test'
import { EventEmitter } from 'node:events'
import { Interruption } from './interruption.ts'

describe('an interruption', () => {
  test('asks for the end first, and then for one at once', () => {
    const process = new EventEmitter()
    const exits: number[] = []
    const interruption = new Interruption()
    interruption.listen(process, code => exits.push(code))
    expect([interruption.signal.aborted, interruption.exitCode]).toEqual([false, undefined])
    process.emit('SIGINT')
    expect([interruption.signal.aborted, interruption.exitCode, exits.length]).toEqual([true, 130, 0])
    process.emit('SIGTERM')
    expect([interruption.exitCode, exits]).toEqual([130, [143]])
  })

  test('may have another cause than a signal', () => {
    const interruption = new Interruption()
    interruption.interrupt('SIGPIPE')
    expect([interruption.signal.aborted, interruption.exitCode]).toEqual([true, 141])
  })
})
