import { describe, expect, test } from 'bun:test'
import { ParleyError } from '@parley/client'
import { output } from './output.ts'
import { Transfers } from './transfers.ts'

/** How a transfer is told, at a time that the test sets. */
function begin(isJson: boolean) {
  const lines: string[] = []
  const screen = { write: (text: string) => lines.push(text.replace(/\n$/, '')) }
  const time = { now: 0 }
  const out = output({ isJson, stdout: screen, stderr: screen, env: {} })
  const transfers = new Transfers(out, () => time.now)
  const shown = transfers.begin({ direction: 'sending', peer: 'ada', name: 'a\x1b.bin', size: 10_000_000 })
  return { lines, time, shown, events: () => lines.map(line => JSON.parse(line)) }
}

const at = (bytes: number) => ({ status: 'transferring', bytes, size: 10_000_000 }) as const
const receipt = { name: 'a (1).bin', size: 10_000_000, sha256: 'abc' }

describe('a transfer', () => {
  test('is told to people at its begin and its end', () => {
    const { lines, time, shown } = begin(false)
    time.now = 500
    shown.onProgress(at(5_000_000))
    time.now = 2_000
    shown.kept(receipt)
    expect(lines).toEqual([
      'sending a.bin (10.0 MB) to ada',
      '✓ a.bin sent to ada (10.0 MB, 5.0 MB/s), kept as “a (1).bin”',
    ])
  })

  test('is told to people with what went wrong', () => {
    const { lines, shown } = begin(false)
    const cause = Object.assign(new Error(), { code: 'ENOSPC' })
    shown.failed(new ParleyError('FILE_FAILED', 'The receiver could not write the file: the disk is full.', { cause }))
    expect(lines[1]).toBe('✗ a.bin: The receiver could not write the file: the disk is full (FILE_FAILED, ENOSPC).')
  })

  test('that goes on where it was is told, and its speed is that of the rest', () => {
    const { lines, time, shown } = begin(false)
    shown.onProgress({ ...at(0), status: 'waiting' })
    shown.onProgress(at(4_000_000))
    time.now = 2_000
    shown.onProgress({ ...at(8_000_000), status: 'connecting' })
    shown.onProgress(at(8_000_000))
    shown.kept({ ...receipt, name: 'a\x1b.bin' })
    expect(lines.slice(1)).toEqual([
      'a.bin goes on at 4.0 MB of 10.0 MB',
      'a.bin goes on at 8.0 MB of 10.0 MB',
      '✓ a.bin sent to ada (10.0 MB, 3.0 MB/s)',
    ])
  })

  test('that failed and left a part is told with what to do', () => {
    const { lines, shown } = begin(false)
    const error = new ParleyError('CHANNEL_CLOSED', 'The connection was lost.')
    shown.failed(error, { path: '/x/a.bin.part', bytes: 4_000_000 })
    expect(lines[1]).toBe(
      '✗ a.bin: The connection was lost (CHANNEL_CLOSED). 4.0 MB of it stay in a.bin.part: it goes on from there when it is sent again.',
    )
  })

  test('is told to scripts, progress twice a second, and each change of its status', () => {
    const { time, shown, events } = begin(true)
    shown.onProgress({ ...at(0), status: 'waiting' })
    for (; time.now < 2_000; time.now += 100) shown.onProgress(at(time.now * 1_000))
    shown.kept(receipt, '/x/a (1).bin')
    const progress = events().filter(({ event }) => event === 'progress')
    expect(progress.map(({ status, bytes, bytes_per_second }) => [status, bytes, bytes_per_second])).toEqual([
      ['waiting', 0, null],
      ['transferring', 0, null],
      ['transferring', 500_000, 1_000_000],
      ['transferring', 1_000_000, 1_000_000],
      ['transferring', 1_500_000, 1_000_000],
    ])
    expect(events().at(-1)).toEqual({
      ...{ event: 'file_sent', transfer: 1, direction: 'sending', peer: 'ada', name: 'a\x1b.bin', size: 10_000_000 },
      ...{ kept_as: 'a (1).bin', path: '/x/a (1).bin', sha256: 'abc', ms: 2_000 },
    })
  })
})
