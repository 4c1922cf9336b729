import { describe, expect, test } from 'bun:test'
import { printBytes, printSeconds, progressLine, Rate } from './progress.ts'
import { width } from './terminal.ts'

test('bytes have three digits and a unit', () => {
  const all = [0, 999, 1000, 1234, 12_345, 99_949, 99_951, 999_499, 999_500, 5_000_000_000, 2 ** 53]
  expect(all.map(printBytes)).toEqual([
    ...['0 B', '999 B', '1.0 KB', '1.2 KB', '12.3 KB', '99.9 KB', '100 KB', '999 KB', '1.0 MB', '5.0 GB', '9007 TB'],
  ])
})

test('seconds are a time that is left', () => {
  expect([0, 6.2, 59.5, 754, 3600, 3723].map(printSeconds)).toEqual([
    '0:00',
    '0:07',
    '1:00',
    '12:34',
    '1:00:00',
    '1:02:03',
  ])
})

describe('the line of a transfer', () => {
  const progress = { label: '→ video.mp4', bytes: 62_500_000, size: 100_000_000, rate: 12_500_000 }

  test('has a bar, percent, rate and time', () => {
    expect(progressLine(progress, 79)).toBe(
      '→ video.mp4                [##############·········]  62 %   12.5 MB/s     0:03',
    )
  })

  test('says what it waits for', () => {
    expect(progressLine({ ...progress, bytes: 0, rate: undefined, note: 'waiting' }, 79)).toEndWith(']   0 %  waiting')
  })

  test('says 100 % when there is nothing left, and not before', () => {
    expect(progressLine({ ...progress, bytes: 99_999_999 }, 79)).toContain(' 99 %')
    expect(progressLine({ ...progress, bytes: 100_000_000 }, 79)).toContain('100 %')
    expect(progressLine({ ...progress, bytes: 0, size: 0 }, 79)).toContain('100 %')
  })

  test('is never wider than the terminal', () => {
    for (const columns of [20, 40, 60, 80, 200]) {
      const line = progressLine({ ...progress, label: '→ 世界世界世界世界世界世界世界世界世界' }, columns)
      expect(width(line)).toBeLessThanOrEqual(columns)
    }
  })
})

describe('a rate', () => {
  test('is that of the last seconds', () => {
    let now = 0
    const rate = new Rate(() => now)
    expect(rate.perSecond).toBeUndefined()
    for (; now <= 10_000; now += 500) rate.add(now < 5_000 ? now : 5_000 + (now - 5_000) * 3)
    expect(rate.perSecond).toBe(3_000)
  })

  test('begins again when the transfer does', () => {
    let now = 0
    const rate = new Rate(() => now)
    rate.add(1_000_000)
    now = 1_000
    rate.add(0)
    expect(rate.perSecond).toBeUndefined()
    now = 2_000
    rate.add(500)
    expect(rate.perSecond).toBe(500)
  })
})
