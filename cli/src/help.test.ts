import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Glob } from 'bun'
import { overview, page, wrap } from './help.ts'
import { commands } from './run.ts'
import { painter, width } from './terminal.ts'

const plain = (columns: number) => ({ paint: painter(false), columns })

describe('the help', () => {
  test('breaks lines at spaces', () => {
    expect(wrap('one two three', 8)).toEqual(['one two', 'three'])
    expect(wrap('incomprehensible x', 4)).toEqual(['incomprehensible', 'x'])
    expect(wrap('', 4)).toEqual([''])
  })

  test('names every command', () => {
    for (const { name, summary } of commands) {
      expect(overview(commands, plain(200))).toMatch(new RegExp(`\n  ${name} +${summary.slice(0, 20)}`))
    }
  })

  test.each(commands.map(({ name }) => name))('of %s has its options, examples and events', name => {
    const command = commands.find(each => each.name === name)
    if (!command) throw new Error('There is no such command.')
    const text = page(command, plain(100))
    for (const [option, { isHidden = false }] of Object.entries(command.options)) {
      expect([option, text.includes(`\n  --${option}`)]).toEqual([option, !isHidden])
    }
    for (const [line] of command.examples) expect(text).toContain(`\n  ${line}\n`)
    for (const event of Object.keys(command.events)) expect(text).toContain(`\n  ${event} `)
  })

  test('tells of every event that there is', () => {
    const known = new Set(['error', 'end', ...commands.flatMap(({ events }) => Object.keys(events))])
    for (const path of new Glob('**/*.ts').scanSync(import.meta.dir)) {
      if (path.endsWith('.test.ts')) continue
      const source = readFileSync(join(import.meta.dir, path), 'utf8')
      const told = [...source.matchAll(/\bevent: '(\w+)'/g)].map(([, event = '']) => event)
      expect([path, told.filter(event => !known.has(event))]).toEqual([path, []])
    }
  })

  test('keeps to the terminal, but for what is to be typed as it stands', () => {
    const lines = commands.flatMap(command => page(command, plain(60)).split('\n'))
    expect(lines.filter(line => width(line) > 60 && !/^ {2}.*(parley |\{")/.test(line))).toEqual([])
  })
})
