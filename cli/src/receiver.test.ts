import { describe, expect, onTestFinished, test } from 'bun:test'
import { statSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { ParleyError } from '@parley/client'
import { FileReceiver } from '../../client/src/files/receive-files.ts'
import { sendOver } from '../../client/src/files/send-file.ts'
import { content, FileLink } from '../../client/test/file-link.ts'
import { Parts } from './files/parts.ts'
import { findParts } from './found-parts.ts'
import { output } from './output.ts'
import { Receiver } from './receiver.ts'
import { Transfers } from './transfers.ts'

const size = 3_000_000

/** A program that receives into a folder; what it tells. */
function receiving(folder: string, parts = new Parts(folder)) {
  const lines: string[] = []
  const screen = { write: (text: string) => lines.push(text.replace(/\n$/, '')) }
  const transfers = new Transfers(output({ isJson: false, stdout: screen, stderr: screen, env: {} }), () => 0)
  const ending = new AbortController()
  const receiver = new Receiver({ parts, transfers, signal: ending.signal })
  const files = new FileReceiver()
  files.handler = receiver.take
  return { receiver, files, lines, stop: () => ending.abort() }
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-receiver-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0

const visible = async (folder: string) => (await readdir(folder)).filter(name => !name.startsWith('.'))

describe('a file', () => {
  test('goes on with the same sender when the receiver was stopped and started again', async () => {
    const folder = await newFolder()
    const parts = new Parts(folder)
    const first = receiving(folder, parts)
    const link = new FileLink(first.files)
    let isStopped = false
    const open: FileLink['open'] = async request => {
      // A program that ends does so before the next one begins.
      if (isStopped) await first.receiver.idle()
      link.arrived = 0
      return link.open(request)
    }
    // More than may wait to be written, so that a part is there before the last of it arrives.
    const large = 12_000_000
    link.onArrival = data => {
      if (!isStopped && sizeOf(join(folder, 'a.bin.part')) > 1_000_000) {
        isStopped = true
        first.stop()
        link.receiver = second.files
      }
      return data
    }
    const second = receiving(folder, parts)
    const sent = await sendOver(open, new Blob([content(large)]), { name: 'a.bin', random: () => 0 })
    expect(sent.name).toBe('a.bin')
    await Promise.all([first.receiver.idle(), second.receiver.idle()])
    const end =
      /^✗ a\.bin: This program has ended before all of the file was there \(CHANNEL_CLOSED\)\. (\d+\.\d) MB of it stay in a\.bin\.part: it goes on from there when it is sent again\.$/
    const [, kept = ''] = end.exec(first.lines.at(-1) ?? '') ?? []
    expect(Number(kept)).toBeGreaterThanOrEqual(1)
    expect(second.lines[1]).toBe(`a.bin goes on at ${kept} MB of 12.0 MB`)
    // Nothing of it is sent twice.
    expect(Math.abs(link.arrived - (large - Number(kept) * 1e6))).toBeLessThan(60_000)
    expect(await readdir(folder)).toEqual(['a.bin'])
  })

  test('goes on with a sender that was started again while the receiver waits for the one before', async () => {
    const folder = await newFolder()
    const { files, receiver, lines } = receiving(folder)
    const killed = new FileLink(files, 'ada-1')
    killed.cuts = [2_000_000]
    const refused = new ParleyError('DISCONNECTED', 'The sender has ended.', { retryable: false })
    const options = {
      name: 'a.bin',
      onProgress: () => {
        if (killed.channels.length > 0) killed.refusal = refused
      },
    }
    await sendOver(killed.open, new Blob([content(size)]), options).catch(() => {})
    const link = new FileLink(files, 'ada-2')
    expect((await sendOver(link.open, new Blob([content(size)]), { name: 'a.bin' })).name).toBe('a.bin')
    await receiver.idle()
    expect(link.arrived).toBeLessThan(2_000_000)
    expect(lines[1]).toMatch(/^receiving a\.bin .+ from ada-2$/)
    expect(lines[2]).toMatch(
      /^✗ a\.bin: The sender has begun again \(CHANNEL_CLOSED\)\. [12]\.\d MB of it stay in a\.bin\.part/,
    )
    expect([receiver.failures, await readdir(folder)]).toEqual([0, ['a.bin']])
  })

  test('is not disturbed by another one of the same name and size while its sender is there', async () => {
    const folder = await newFolder()
    const { files, receiver } = receiving(folder)
    const links = ['ada', 'bob'].map(peer => new FileLink(files, peer))
    const sent = links.map(link => sendOver(link.open, new Blob([content(size)]), { name: 'a.bin' }))
    expect((await Promise.all(sent)).map(({ name }) => name).sort()).toEqual(['a (1).bin', 'a.bin'])
    await receiver.idle()
    expect((await readdir(folder)).sort()).toEqual(['a (1).bin', 'a.bin'])
  })
})

test('what was left is told: how much, and for how long it stays', async () => {
  const folder = await newFolder()
  const hour = new Date(Date.now() - 3_700_000)
  const ended = Bun.spawnSync(['true']).pid
  const lines: object[] = [{ version: 1, host: hostname(), pid: ended, since: 0 }]
  const leave = async (name: string, at: Date) => {
    const path = join(folder, name)
    await writeFile(path, new Uint8Array(1_000_000))
    await utimes(path, at, at)
    lines.push({ path: name, file: name.slice(0, -5), size: 5_000_000, ino: (await stat(path)).ino })
  }
  await leave('a.bin.part', hour)
  await leave('b.bin.part', new Date())
  await leave('old.bin.part', new Date(Date.now() - 8 * 24 * 3_600_000))
  await writeFile(join(folder, 'mine.part'), '')
  await writeFile(join(folder, '.parley-parts-000000000000'), lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  const told: string[] = []
  const screen = { write: (text: string) => told.push(text) }
  await findParts(folder, output({ isJson: false, stdout: screen, stderr: screen, env: {} }))
  expect(told).toEqual([
    `2 incomplete files in ${folder} (2.0 MB, the oldest 1 h old): each goes on when it is sent again, and is removed after 7 days.\n`,
    `1 incomplete file in ${folder} removed (1.0 MB): nothing has come of it for 7 days.\n`,
  ])
  expect((await visible(folder)).sort()).toEqual(['a.bin.part', 'b.bin.part', 'mine.part'])
})
