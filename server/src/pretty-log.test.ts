import { expect, test } from 'bun:test'
import { prettyLine } from './pretty-log.ts'

const render = (fields: object) =>
  prettyLine(false)(`${JSON.stringify({ level: 30, time: '2026-01-02T03:04:05.678Z', ...fields })}\n`)

test('a line has time, level by name, message and fields', () => {
  const line = render({ level: 40, peer: 'me', words: 'two words', n: 1, list: [1], msg: 'peer registered' })
  expect(line).toMatch(/^\d\d:\d\d:05 WARN {2}peer registered peer=me words="two words" n=1 list=\[1\]\n$/)
})

test('an error has its stack on lines below', () => {
  const err = { type: 'Error', message: 'broken', stack: 'Error: broken\n    at a.ts:1' }
  expect(render({ err, msg: 'unforeseen error' })).toEndWith(' unforeseen error\n  Error: broken\n      at a.ts:1\n')
  expect(render({ err: { message: 'no stack' }, msg: 'x' })).toEndWith(' x\n  {"message":"no stack"}\n')
})

test('what others have chosen cannot steer a terminal', () => {
  const evil = '\x1b[2J\x9b2J\r\n\u202e'
  const err = { stack: `Error: ${evil}` }
  const line = render({ [evil]: evil, nested: { [evil]: [evil] }, err, msg: evil })
  expect(line.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  expect(line.split('\n').every(part => part === '' || /^(\d| {2})/.test(part))).toBe(true)
})

test('colour is for the level and dims the rest, if it is wanted', () => {
  const line = prettyLine(true)('{"level":50,"time":"2026-01-02T03:04:05.678Z","a":1,"msg":"x"}\n')
  expect(line).toContain('\x1b[31mERROR\x1b[0m x\x1b[2m a=1\x1b[0m')
})
