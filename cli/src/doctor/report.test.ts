import { describe, expect, test } from 'bun:test'
import type { CheckResult } from './check.ts'
import { line, summary } from './report.ts'

const ok: CheckResult = { name: 'sign-in', status: 'ok', ms: 12.5, detail: 'Anonymous sign-in works.' }
const warning: CheckResult = { name: 'clock', status: 'warning', detail: 'It is late.', advice: 'Set it.' }
const failed: CheckResult = { name: 'room', status: 'failed', detail: 'No room.', advice: 'Build one.' }
const skipped: CheckResult = { name: 'NAT', status: 'skipped', detail: 'It needs “room”.' }

const coded: CheckResult = { ...failed, name: 'metadata', code: 'HOP_LIMIT' }
const unchecked: CheckResult = { ...skipped, name: 'role', code: 'NOT_PERMITTED' }

describe('a line', () => {
  test.each([
    [coded, '✗ metadata     No room. (HOP_LIMIT)\n  → Build one.'],
    [ok, '✓ sign-in      Anonymous sign-in works. (12.5 ms)'],
    [warning, '! clock        It is late.\n  → Set it.'],
    [failed, '✗ room         No room.\n  → Build one.'],
    [skipped, '– NAT          It needs “room”.'],
  ])('says %o', (result, expected) => {
    expect(line(result, { colour: false })).toBe(expected)
  })

  test('has colours only when it may', () => {
    expect(line(failed, { colour: true })).toBe('\x1b[31m✗\x1b[0m room         No room.\n  \x1b[31m→\x1b[0m Build one.')
    expect(line(ok, { colour: false })).not.toContain('\x1b')
  })
})

describe('the summary', () => {
  test.each([
    [[ok, ok], 'Everything works.', 0],
    [[ok, skipped], 'Everything works.', 0],
    [[ok, warning], 'It works; 1 thing should be looked at.', 0],
    [[warning, warning], 'It works; 2 things should be looked at.', 0],
    [[ok, skipped, unchecked], 'Nothing is wrong in what was checked. 1 thing could not be checked.', 0],
    [[warning, unchecked], 'It works; 1 thing should be looked at. 1 thing could not be checked.', 0],
    [[failed, unchecked], '1 thing does not work. Begin with “room”. 1 thing could not be checked.', 1],
    [[ok, failed, skipped], '1 thing does not work. Begin with “room”.', 1],
    [[failed, warning, failed], '2 things do not work. Begin with “room”.', 1],
  ] as const)('of %o', (results, sentence, exitCode) => {
    expect(summary(results)).toEqual({ sentence, exitCode })
  })
})
