import { describe, expect, test } from 'bun:test'
import type { Socket } from 'bun'
import { frame } from '../../test/link-nodes.ts'
import { manualClock } from '../clock.ts'
import { Wire } from './wire.ts'

/** A socket that records what is done with it, and takes so many bytes at a time. */
function recordedSocket(takes: number) {
  const acts: string[] = []
  const socket = {
    remoteAddress: '192.0.2.1',
    write(_data: Uint8Array, _offset: number, length: number) {
      acts.push(`write ${length}`)
      return Math.min(takes, length)
    },
    shutdown: () => acts.push('shutdown'),
    terminate: () => acts.push('terminate'),
    end: () => acts.push('end'),
  }
  return { acts, socket: socket as unknown as Socket<Wire> }
}

function wireOver(takes: number) {
  const { acts, socket } = recordedSocket(takes)
  const clock = manualClock()
  const wire = new Wire(socket, clock)
  const ended: [string, boolean][] = []
  const types: number[] = []
  wire.user = { frame: type => void types.push(type), ended: (reason, isFault) => void ended.push([reason, isFault]) }
  return { acts, clock, wire, types, ended }
}

describe('a wire', () => {
  test('writes nothing to a socket that is full until it says that it takes more', () => {
    const { acts, wire } = wireOver(60)
    wire.outbox.add(16, 1, 'x'.repeat(91), 91)
    wire.flush()
    wire.outbox.add(16, 1, '', 0)
    wire.flush()
    expect(acts).toEqual(['write 100'])
    wire.drained()
    expect(acts).toEqual(['write 100', 'write 49'])
    wire.flush()
    expect(wire.outbox.waiting).toBe(0)
    expect(acts).toHaveLength(2)
  })

  test('says that nothing more comes, and waits a second for the other side to close', () => {
    const { acts, clock, wire, ended } = wireOver(100)
    wire.outbox.add(16, 1, '', 0)
    wire.close('on purpose')
    expect(acts).toEqual(['write 9', 'shutdown'])
    clock.advance(999)
    expect(acts).toHaveLength(2)
    clock.advance(1)
    expect(acts).toEqual(['write 9', 'shutdown', 'terminate'])
    expect(ended).toEqual([['on purpose', false]])
  })

  test('ends once, for the first reason, and reads nothing more', () => {
    const { acts, wire, types, ended } = wireOver(100)
    wire.received(frame(16, 1, 'before'))
    wire.break('first')
    wire.break('second')
    wire.refuse('third')
    wire.close('fourth')
    wire.lost(undefined)
    wire.received(frame(17, 1, 'after'))
    expect([acts, types, ended]).toEqual([['terminate'], [16], [['first', true]]])
  })
})
