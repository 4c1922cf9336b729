import { expect, test } from 'bun:test'
import { SignalingError } from '@parley/protocol'
import { keptLog } from '../test/cognito-world.ts'
import { logFailure, reasons } from './log.ts'

test('a SignalingError is logged with its causes, and any other error as itself', () => {
  const cause = new Error('https://id.example/ is of another issuer', { cause: new Error('not said') })
  const inner = new SignalingError('UNAVAILABLE', 'The provider does not answer.', { cause })
  const outer = new SignalingError('UNAVAILABLE', 'No keys.', { cause: inner })
  expect(reasons(outer)).toBe('No keys. The provider does not answer. Error: https://id.example/ is of another issuer')
  expect(reasons(cause)).toBe('Error: https://id.example/ is of another issuer')
  expect(reasons(new SignalingError('UNAVAILABLE', 'Nothing more.'))).toBe('SignalingError: Nothing more.')
  expect(reasons('text')).toBe('text')
})

test('why a service is unavailable is logged as far as anybody knows it', () => {
  const log = keptLog()
  const cause = new SignalingError('UNAVAILABLE', 'The keys do not come.', { cause: new Error('no answer in 5 ms') })
  logFailure(log, new SignalingError('UNAVAILABLE', 'The identity provider does not answer.', { cause }), { path: '/' })
  expect(log.lines).toEqual([
    { msg: 'service unavailable', path: '/', cause: 'The keys do not come. Error: no answer in 5 ms' },
  ])
})
