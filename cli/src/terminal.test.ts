import { describe, expect, test } from 'bun:test'
import { fitted, hasColours, painter, printable, printableLines, width } from './terminal.ts'

const terminal = { isTTY: true, write() {} }
const pipe = { write() {} }

describe('colours', () => {
  test.each([
    [terminal, {}, true],
    [pipe, {}, false],
    [terminal, { NO_COLOR: '1' }, false],
    [terminal, { NO_COLOR: '' }, true],
    [terminal, { TERM: 'dumb' }, false],
    [pipe, { FORCE_COLOR: '1' }, true],
    [pipe, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
    [terminal, { FORCE_COLOR: '0' }, false],
    [pipe, { FORCE_COLOR: '' }, false],
  ])('are there if they are wanted: %p %p', (screen, env, are) => {
    expect(hasColours(screen, env)).toBe(are)
  })

  test('go around the text, or are left out', () => {
    expect(painter(true).red('x')).toBe('\x1b[31mx\x1b[39m')
    expect(painter(false).red('x')).toBe('x')
  })
})

describe('text of somebody else', () => {
  test('cannot do anything to a terminal', () => {
    expect(printable('a\x1b[2Jb\u009bc\rd\u202ee')).toBe('a[2Jbcde')
    expect(printable('a\nb\tc\r\nd')).toBe('a b c d')
    expect(printableLines('a\x07\n\x1b]0;x\x07b\n', '  ')).toBe('a\n  ]0;xb')
  })

  test('that can be seen stays', () => {
    expect(printable('Grüße, 世界 🎈 naïve')).toBe('Grüße, 世界 🎈 naïve')
    for (const name of ['می‌خواهم', '👨‍👩‍👧‍👦', '🏴󠁧󠁢󠁷󠁬󠁳󠁿']) expect(printable(name)).toBe(name)
    expect(printable('a\u2066b\u200b\u00adc\ufeff')).toBe('abc')
  })
})

describe('columns', () => {
  test('are counted as a terminal shows them', () => {
    expect([width('abc'), width('世界'), width('🎈'), width('é'), width('e\u0301')]).toEqual([3, 4, 2, 1, 1])
  })

  test('are filled, or the text is cut off', () => {
    expect(fitted('ab', 4)).toBe('ab  ')
    expect(fitted('abcdef', 4)).toBe('abc…')
    expect(fitted('世界世界', 6)).toBe('世界… ')
    expect(fitted('世界世界', 5)).toBe('世界…')
  })
})
