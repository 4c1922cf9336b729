import { expect, test } from 'bun:test'
import { nearest } from './nearest.ts'

const options = ['server', 'send', 'json', 'message', 'anonymous', 'peer-id', 'ws']

test.each([
  ['sever', 'server'],
  ['sned', 'send'],
  ['messgae', 'message'],
  ['anon', 'anonymous'],
  ['peerid', 'peer-id'],
  ['jsno', 'json'],
])('%s is a slip of %s', (name, meant) => {
  expect(nearest(name, options)).toBe(meant)
})

test.each(['colour', 'x', '', 'verbose'])('“%s” is something else', name => {
  expect(nearest(name, options)).toBeUndefined()
})
