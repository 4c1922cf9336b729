import { expect, test } from 'bun:test'
import { readCommandLine } from './command-line.ts'

const read = (line: string) => readCommandLine(line.split(' ').filter(Boolean))

test.each([
  ['', { kind: 'start', config: undefined }],
  ['start', { kind: 'start', config: undefined }],
  ['--config a.toml', { kind: 'start', config: 'a.toml' }],
  ['--config=a.toml check --services', { kind: 'check', config: 'a.toml', services: true }],
  ['check', { kind: 'check', config: undefined, services: false }],
  ['--check', { kind: 'check', config: undefined, services: false }],
  [
    'config --json --config -odd.toml'.replace('--config -', '--config=-'),
    { kind: 'config', config: '-odd.toml', json: true },
  ],
  ['healthcheck', { kind: 'healthcheck', config: undefined }],
  ['--help', { kind: 'help' }],
  ['-h', { kind: 'help' }],
  ['help', { kind: 'help' }],
  ['check --help', { kind: 'help' }],
  ['--version', { kind: 'version' }],
  ['version', { kind: 'version' }],
])('%j is understood', (line, command) => {
  expect(read(line)).toEqual(command as ReturnType<typeof read>)
})

test.each([
  ['chek', '"chek" is not a command; is check meant?'],
  ['frobnicate', '"frobnicate" is not a command.'],
  ['--confg a.toml', '"--confg" is not an option; is --config meant?'],
  ['-x', '"-x" is not an option.'],
  ['--config', '--config needs the path of a settings file.'],
  ['--config=', '--config needs the path of a settings file.'],
  ['--config --json', '--config needs the path of a settings file.'],
  ['--config a --config b', '--config is given twice.'],
  ['config --json=1', '--json takes no value.'],
  ['check now', '"now" is too much: check takes no further word.'],
  ['healthcheck --services', '--services does not go with healthcheck.'],
  ['--json', '--json does not go with a start of the server.'],
])('%j is a fault, told in a sentence', (line, sentence) => {
  expect(read(line)).toEqual({ kind: 'fault', sentence: `${sentence} Try --help.` })
})
