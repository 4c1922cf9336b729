import { describe, expect, test } from 'bun:test'
import { ParleyError } from '@parley/client'
import { explain, Failure, systemFailure, told, traceOf, UsageError } from './failure.ts'

const system = (code: string) => Object.assign(new Error(`${code}: something, open '/home/x'`), { code })
const line = (error: unknown) => told(explain(error))

describe('an error', () => {
  test('of the command line names the page that helps', () => {
    expect(explain(new UsageError('So not.', 'worker')).exitCode).toBe(2)
    expect(line(new UsageError('So not.', 'worker'))).toBe('So not (USAGE). “parley worker --help” explains it.')
    expect(line(new UsageError('Which?'))).toBe('Which? (USAGE). “parley --help” explains it.')
  })

  test('of the SDK is told with its code and what to do', () => {
    const error = new ParleyError('PEER_NOT_FOUND', 'There is no such peer in the room.')
    expect(line(error)).toStartWith('There is no such peer in the room (PEER_NOT_FOUND). The worker has ended')
    expect(explain(error).exitCode).toBe(1)
    expect(line(new ParleyError('SOMETHING_NEW', 'New.'))).toBe('New (SOMETHING_NEW).')
    const limited = new ParleyError('RATE_LIMITED', 'Too fast.', { retryAfter: 2.5 })
    expect(line(limited)).toBe('Too fast (RATE_LIMITED). Try again in 3 s.')
    expect(explain(new ParleyError('INVALID_ARGUMENT', 'No.')).exitCode).toBe(2)
  })

  test('of a file names what the system has said', () => {
    const error = new ParleyError('FILE_FAILED', 'No: the disk is full.', { cause: system('ENOSPC') })
    expect(explain(error).code).toBe('FILE_FAILED, ENOSPC')
    expect(explain(new ParleyError('FILE_FAILED', 'No.', { cause: system('EODD') })).code).toBe('FILE_FAILED')
    expect(line(systemFailure('x cannot be read', system('EACCES')))).toBe(
      'x cannot be read: that is not permitted (EACCES).',
    )
  })

  test('of this program has its own advice', () => {
    expect(line(new Failure('NO_SERVER', 'There is none.', 'Start one.'))).toBe('There is none (NO_SERVER). Start one.')
  })

  test('that nobody has thought of is told without a stack', () => {
    expect(line(new TypeError('x is undefined'))).toContain('x is undefined (INTERNAL). PARLEY_DEBUG=1')
    expect(line('odd')).toContain('odd (INTERNAL)')
  })

  test('tells all there is for who wants to mend it', () => {
    const error = new Failure('X', 'Outer.', undefined, { cause: new Error('Inner.') })
    expect(traceOf(error)).toMatch(/Outer\.\n +at (.|\n)+\ncaused by: Error: Inner\.\n +at /)
  })
})
