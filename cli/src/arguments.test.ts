import { describe, expect, test } from 'bun:test'
import { readArguments } from './arguments.ts'
import type { OptionTable } from './command.ts'
import { UsageError } from './failure.ts'

const options = {
  server: { type: 'string', value: 'URL', meaning: '' },
  send: { type: 'string', value: 'FILE', multiple: true, meaning: '' },
  tag: { type: 'string', multiple: true, meaning: '' },
  message: { type: 'string', short: 'm', meaning: '' },
  json: { type: 'boolean', meaning: '' },
  'bind-address': { type: 'string', meaning: '', isHidden: true },
} as const satisfies OptionTable

const read = (...args: string[]) => readArguments(args, options, 'connect', word => word.startsWith('http:'))

const faultOf = (...args: string[]): string => {
  try {
    read(...args)
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    return (error as UsageError).message
  }
  throw new Error('It is right.')
}

describe('the words behind a command', () => {
  test('give every option a value, also those that are not there', () => {
    expect(read()).toEqual({
      values: { server: undefined, send: [], tag: [], message: undefined, json: false, 'bind-address': undefined },
      operands: [],
    })
  })

  test('are options, by their names long and short, and operands', () => {
    const { values, operands } = read('a', '--server', 'x', '-m', 'hi', '--json', 'b', '--bind-address=::1')
    expect(values).toMatchObject({ server: 'x', message: 'hi', json: true, 'bind-address': '::1' })
    expect(operands).toEqual(['a', 'b'])
  })

  test('belong to the option of several values before them, but for a session', () => {
    const { values, operands } = read('--send', 'a', 'b', 'http://x', 'c', '--tag', 't', 'u', '--json', 'd', '--send=e')
    expect(values).toMatchObject({ send: ['a', 'b', 'c', 'e'], tag: ['t', 'u'] })
    expect(operands).toEqual(['http://x', 'd'])
  })

  test('are all operands behind --', () => {
    expect(read('--send', 'a', '--', '--json', 'b').operands).toEqual(['--json', 'b'])
  })

  const wrong: [args: string[], sentence: string][] = [
    [['--sever', 'x'], 'There is no option --sever; is --server meant?'],
    [['--colour'], 'There is no option --colour.'],
    [['--bind-adress', 'x'], 'There is no option --bind-adress.'],
    [['-x'], 'There is no option -x.'],
    [['--toString'], 'There is no option --toString.'],
    [['--server'], '--server needs a value: --server URL.'],
    [['--message', '--json'], '--message needs a value; if --json is meant to be it, write --message=--json.'],
    [['--json=yes'], '--json takes no value.'],
    [['--server', 'a', '--server', 'b'], '--server is given twice.'],
  ]

  test.each(wrong)('%p are refused', (args, sentence) => {
    expect(faultOf(...args)).toBe(sentence)
  })
})
