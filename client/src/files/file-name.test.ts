import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { safeFileName } from './file-name.ts'

const bytes = (text: string) => new TextEncoder().encode(text).length

describe('safeFileName', () => {
  test.each([
    ['report.pdf', 'report.pdf'],
    ['Übersicht – 2. Fassung (neu).tar.gz', 'Übersicht – 2. Fassung (neu).tar.gz'],
    ['写真 🏝️.jpg', '写真 🏝️.jpg'],
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\Windows\\System32\\drivers.sys', 'drivers.sys'],
    ['C:\\autoexec.bat', 'autoexec.bat'],
    ['C:autoexec.bat', 'C_autoexec.bat'],
    ['/', 'file'],
    ['folder/', 'folder'],
    ['a/..', 'a'],
    ['..', 'file'],
    ['.', 'file'],
    ['', 'file'],
    [' \t. ', 'file'],
    ['.bashrc', 'bashrc'],
    ['...hidden', 'hidden'],
    ['name. . ', 'name'],
    ['a\u0000b\nc\u001b[31m.txt', 'abc[31m.txt'],
    // Shown as "annexe.exe", were it not for the name that it has.
    ['ann\u202Etxt.exe', 'anntxt.exe'],
    ['zero\u200Bwidth\uFEFF.txt', 'zerowidth.txt'],
    ['half\uD83C.txt', 'half.txt'],
    ['line\u2028break', 'linebreak'],
    ['what?*<>|":.txt', 'what_______.txt'],
    ['cafe\u0301.txt', 'caf\u00E9.txt'],
    ['CON', '_CON'],
    ['nul.txt', '_nul.txt'],
    ['Com1.tar.gz', '_Com1.tar.gz'],
    ['lpt¹', '_lpt¹'],
    ['aux .txt', '_aux .txt'],
    ['CONIN$', '_CONIN$'],
    ['control.txt', 'control.txt'],
    ['com10', 'com10'],
  ])('makes of %p %p', (name, safe) => {
    expect(safeFileName(name)).toBe(safe)
  })

  test('shortens the name and keeps the extension', () => {
    expect(safeFileName(`${'a'.repeat(300)}.tar.gz`)).toBe(`${'a'.repeat(252)}.gz`)
    // Four bytes each; half a character would be none.
    expect(safeFileName(`${'🏝'.repeat(100)}.jpeg`)).toBe(`${'🏝'.repeat(62)}.jpeg`)
    expect(safeFileName('b'.repeat(300))).toBe('b'.repeat(255))
    expect(safeFileName(`c.${'d'.repeat(300)}`)).toBe(`c.${'d'.repeat(253)}`)
    expect(safeFileName(`${'e'.repeat(100)}.md`, 64)).toBe(`${'e'.repeat(61)}.md`)
    // What would end with a blank after that does not.
    expect(safeFileName(`${'f'.repeat(250)}     ${'f'.repeat(50)}`)).toBe('f'.repeat(250))
  })

  test('is soon done with names of any length', () => {
    expect(safeFileName(`${'é'.repeat(100_000)}.txt`)).toBe(`${'é'.repeat(125)}.txt`)
  })

  const pieces = [
    '/',
    '\\',
    '..',
    '.',
    ' ',
    'CON',
    'nul',
    '\u202E',
    '\u0000',
    '<',
    '\u0338',
    '\uD800',
    'e\u0301',
    '🏝️',
    '.txt',
    'x',
  ]
  const names = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc
      .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3 })), { maxLength: 120 })
      .map(all => all.join('')),
  )

  test('never gives a name that leads out of its folder, hides or deceives', () => {
    fc.assert(
      fc.property(names, fc.constantFrom(255, 64), (name, most) => {
        const safe = safeFileName(name, most)
        expect(safe).not.toMatch(/[/\\<>:"|?*\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|^[\s.]|[\s.]$/u)
        expect(safe).not.toMatch(/^(con|prn|aux|nul|com[0-9]|lpt[0-9])\s*(\.|$)/i)
        expect(bytes(safe)).toBeGreaterThan(0)
        expect(bytes(safe)).toBeLessThanOrEqual(most)
      }),
      { numRuns: 2000 },
    )
  })

  test('leaves as it is what is safe already', () => {
    fc.assert(
      fc.property(names, name => expect(safeFileName(safeFileName(name))).toBe(safeFileName(name))),
      {
        numRuns: 2000,
      },
    )
  })
})
