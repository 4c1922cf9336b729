import { expect } from 'bun:test'
import { needs, runs } from '../../e2e/needs.ts'
import { completion, type Shell } from './completion.ts'
import { commands } from './run.ts'

/** What a shell says. @throws Error with its complaint */
function say(shell: Shell, options: readonly string[], text: string): string[] {
  const { exitCode, stdout, stderr } = Bun.spawnSync([shell, ...options, '-c', text])
  if (exitCode !== 0 || stderr.length > 0) throw new Error(`${shell} ended with code ${exitCode}: ${stderr}`)
  return `${stdout}`.split('\n').filter(Boolean)
}

const withShell = (shell: Shell) => needs({ [shell]: runs(shell, '-c', 'true') })

withShell('bash')('bash completes commands, options, and topics of help', async () => {
  const complete = (...words: string[]) =>
    say(
      'bash',
      ['--norc'],
      `${completion.bash(commands)}
      COMP_WORDS=(parley ${words.map(word => `'${word}'`).join(' ')})
      COMP_CWORD=${words.length}
      _parley
      printf '%s\\n' "\${COMPREPLY[@]}"`,
    )
  expect(complete('wo')).toEqual(['worker'])
  expect(complete('')).toEqual([...commands.map(({ name }) => name), 'help'])
  expect(complete('worker', '--fo')).toEqual(['--folder'])
  expect(complete('worker', '--folder', 'in')).toEqual([])
  expect(complete('connect', '--b')).toEqual([])
  expect(complete('help', 'con')).toEqual(['connect'])
  expect(complete('nothing', '-')).toEqual([])
})

withShell('zsh')('zsh takes the script, and completes with it', async () => {
  // What the functions of its completion system are handed.
  const stubs = `compdef() { : }
    _describe() { print -rl -- $commands }
    _arguments() { print -rl -- "$@" }`
  const complete = (...words: string[]) =>
    say(
      'zsh',
      ['-f'],
      `${stubs}
      ${completion.zsh(commands)}
      words=(parley ${words.map(word => `'${word}'`).join(' ')})
      CURRENT=${words.length + 1}
      _parley`,
    )
  expect(complete('')).toContain('worker:Makes a room and waits in it for others\\: takes their files and text')
  const options = complete('connect', '--')
  expect(options).toContain('*--send[Sends these files and folders]:PATH:_files')
  expect(options.join()).not.toContain('bind-address')
})

withShell('fish')('fish completes commands, options, and topics of help', async () => {
  const complete = (line: string) =>
    say('fish', ['--no-config'], `${completion.fish(commands)}complete -C ${JSON.stringify(line)}`).map(
      text => text.split('\t')[0],
    )
  expect(complete('parley wo')).toEqual(['worker'])
  expect(complete('parley worker --fo')).toEqual(['--folder'])
  expect(complete('parley connect --b')).toEqual([])
  expect(complete('parley help con')).toEqual(['connect'])
})
