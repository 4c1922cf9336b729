import { describe, expect, onTestFinished, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import {
  appendFile,
  readdir as entries,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { ParleyError } from '@parley/client'
import { type Arrival, type DiskSink, diskSink as sinkOf } from './disk-sink.ts'
import { Parts, partsLast } from './parts.ts'

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-parts-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const megabyte = (fill: number) => new Uint8Array(1_000_000).fill(fill)
const lost = new ParleyError('CHANNEL_CLOSED', 'The connection was lost.')
const readdir = async (folder: string) => (await entries(folder)).sort()
const visible = async (folder: string) => (await readdir(folder)).filter(name => !name.startsWith('.'))
const journals = async (folder: string) => (await readdir(folder)).filter(name => name.startsWith('.parley-parts-'))

/** It is closed at the end of the test at the latest. */
async function diskSink(parts: Parts, file: Arrival): Promise<DiskSink> {
  const sink = await sinkOf(parts, file)
  onTestFinished(() => sink.abort(new Error('The test is over.')))
  return sink
}

/** A program receives the file, and is killed when it has a megabyte of it. */
function killed(folder: string, name: string, size: number, ...folders: string[]): void {
  const program = `
    const { diskSink } = await import(${JSON.stringify(join(import.meta.dir, 'disk-sink.ts'))})
    const { Parts } = await import(${JSON.stringify(join(import.meta.dir, 'parts.ts'))})
    const sink = await diskSink(new Parts(process.argv[1]), JSON.parse(process.argv[2]))
    await sink.write(new Uint8Array(1_000_000).fill(7))
    process.kill(process.pid, 'SIGKILL')`
  const file = JSON.stringify({ name, size, folders })
  const { signal } = spawnSync(process.execPath, ['-e', program, folder, file])
  expect(signal).toBe('SIGKILL')
}

/** Goes on with what the sink has, or not, and fills it up. */
async function complete(sink: DiskSink, size: number): Promise<string> {
  const { earlier } = sink
  await sink.write(new Uint8Array(size - (earlier?.size ?? 0)).fill(8))
  return sink.finish()
}

describe('what a program that was killed has left', () => {
  test('is found by the next one, and goes on', async () => {
    const folder = await newFolder()
    killed(folder, 'a.bin', 3_000_000)
    expect(await visible(folder)).toEqual(['a.bin.part'])
    const parts = new Parts(folder)
    const found = await parts.find()
    expect(found.map(({ part, bytes }) => [part.path, bytes])).toEqual([['a.bin.part', 1_000_000]])
    expect(await parts.removeOld(found)).toEqual([])
    const sink = await diskSink(parts, { name: 'a.bin', size: 3_000_000 })
    expect(sink.earlier?.size).toBe(1_000_000)
    expect(await sink.earlier?.read(0, 2)).toEqual(new Uint8Array([7, 7]))
    expect(await complete(sink, 3_000_000)).toBe('a.bin')
    const content = await readFile(join(folder, 'a.bin'))
    expect([content.length, content[999_999], content[1_000_000]]).toEqual([3_000_000, 7, 8])
    expect(await readdir(folder)).toEqual(['a.bin'])
  })

  test('is found by one that was there before, when a file comes, and once', async () => {
    const folder = await newFolder()
    const parts = new Parts(folder)
    killed(folder, 'a.bin', 3_000_000)
    killed(folder, 'b.bin', 3_000_000)
    const sinks = await Promise.all(['a.bin', 'b.bin', 'a.bin'].map(name => diskSink(parts, { name, size: 3_000_000 })))
    expect(sinks.map(({ earlier }) => earlier?.size).sort()).toEqual([1_000_000, 1_000_000, undefined])
  })

  test('is of one file only: of another name, size or folder, everything comes', async () => {
    const folder = await newFolder()
    killed(folder, 'a.bin', 3_000_000)
    const parts = new Parts(folder)
    await parts.find()
    const files = [
      { name: 'b.bin', size: 3_000_000 },
      { name: 'a.bin', size: 2_999_999 },
      { name: 'a.bin', size: 3_000_000, folders: ['x'] },
    ]
    for (const file of files) expect((await diskSink(parts, file)).earlier).toBeUndefined()
    // It is for one transfer at a time.
    const both = await Promise.all([1, 2].map(() => diskSink(parts, { name: 'a.bin', size: 3_000_000 })))
    expect(both.filter(({ earlier }) => earlier)).toHaveLength(1)
  })

  test('is put aside if it is of another file, and stays for that', async () => {
    const folder = await newFolder()
    killed(folder, 'a.bin', 3_000_000)
    const parts = new Parts(folder)
    await parts.find()
    const other = await diskSink(parts, { name: 'a.bin', size: 3_000_000 })
    await other.earlier?.discard()
    await other.write(new Uint8Array(3_000_000))
    expect([await other.finish(), (await readFile(join(folder, 'a.bin')))[0]]).toEqual(['a.bin', 0])
    const sink = await diskSink(parts, { name: 'a.bin', size: 3_000_000 })
    expect([sink.earlier?.size, await complete(sink, 3_000_000)]).toEqual([1_000_000, 'a (1).bin'])
    expect(await readdir(folder)).toEqual(['a (1).bin', 'a.bin'])
  })

  test('stays when a sender goes before it was compared, whyever', async () => {
    const folder = await newFolder()
    killed(folder, 'a.bin', 3_000_000)
    const parts = new Parts(folder)
    await parts.find()
    for (const reason of [new ParleyError('ABORTED', '?'), lost]) {
      const sink = await diskSink(parts, { name: 'a.bin', size: 3_000_000 })
      expect(sink.earlier?.size).toBe(1_000_000)
      await sink.abort(reason)
    }
    const sink = await diskSink(parts, { name: 'a.bin', size: 3_000_000 })
    // Also while it is put aside: then nothing is left of what was begun.
    await Promise.all([sink.earlier?.discard(), sink.abort(lost)])
    expect(await visible(folder)).toEqual(['a.bin.part'])
  })

  test('goes on again and again, also below folders', async () => {
    const folder = await newFolder()
    killed(folder, 'a.bin', 3_000_000, 'x', 'y')
    for (const size of [1_000_000, 2_000_000]) {
      const parts = new Parts(folder)
      await parts.find()
      const sink = await diskSink(parts, { name: 'a.bin', size: 3_000_000, folders: ['x', 'y'] })
      expect(sink.earlier?.size).toBe(size)
      await sink.write(megabyte(8))
      await sink.abort(lost)
      expect(sink.left).toEqual({ path: join(folder, 'x/y/a.bin.part'), bytes: size + 1_000_000 })
      await ended(folder)
    }
  })

  test('is removed after a week', async () => {
    const folder = await newFolder()
    killed(folder, 'old.bin', 3_000_000)
    killed(folder, 'new.bin', 3_000_000)
    const at = (ago: number) => new Date(Date.now() - ago)
    await utimes(join(folder, 'old.bin.part'), at(0), at(partsLast + 60_000))
    await utimes(join(folder, 'new.bin.part'), at(0), at(partsLast - 60_000))
    const parts = new Parts(folder)
    const found = await parts.find()
    const removed = await parts.removeOld(found)
    expect([found.length, removed.map(({ part, bytes }) => [part.path, bytes])]).toEqual([
      2,
      [['old.bin.part', 1_000_000]],
    ])
    const sizes = await Promise.all(['old.bin', 'new.bin'].map(name => diskSink(parts, { name, size: 3_000_000 })))
    expect(sizes.map(({ earlier }) => earlier?.size)).toEqual([undefined, 1_000_000])
    await Promise.all(sizes.map(sink => sink.abort(lost)))
    expect(await visible(folder)).toEqual(['new.bin.part'])
  })

  test('is not touched if it is not that any more, or another file stands in its place', async () => {
    const folder = await newFolder()
    const outside = await newFolder()
    await writeFile(join(outside, 'mine'), 'mine')
    for (const name of ['gone', 'changed', 'linked']) killed(folder, name, 3_000_000)
    killed(folder, 'a', 3_000_000, 'below')
    await rm(join(folder, 'gone.part'))
    await writeFile(join(folder, 'new'), 'mine')
    await rename(join(folder, 'new'), join(folder, 'changed.part'))
    await rm(join(folder, 'linked.part'))
    await symlink(join(outside, 'mine'), join(folder, 'linked.part'))
    await rename(join(folder, 'below'), join(outside, 'below'))
    await symlink(join(outside, 'below'), join(folder, 'below'))
    const parts = new Parts(folder)
    expect(await parts.find()).toEqual([])
    expect((await diskSink(parts, { name: 'changed', size: 3_000_000 })).earlier).toBeUndefined()
    expect([await readFile(join(folder, 'changed.part'), 'utf8'), await readdir(join(outside, 'below'))]).toEqual([
      'mine',
      ['a.part'],
    ])
  })

  test('goes to one of two programs that start at once', async () => {
    const folder = await newFolder()
    for (const name of ['a', 'b', 'c']) killed(folder, name, 3_000_000)
    const both = await Promise.all([new Parts(folder).find(), new Parts(folder).find()])
    expect(both.flatMap(parts => parts.map(({ part }) => part.path)).sort()).toEqual(['a.part', 'b.part', 'c.part'])
  })
})

/** Makes it look as if the program whose journal this is had ended. */
async function ended(folder: string): Promise<void> {
  const { pid } = Bun.spawnSync(['true'])
  for (const name of await journals(folder)) {
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n')
    lines[0] = JSON.stringify({ ...JSON.parse(lines[0] ?? ''), pid })
    await writeFile(join(folder, name), lines.join('\n'))
  }
}

describe('the parts of a program that lives', () => {
  test('are not those of another one', async () => {
    const folder = await newFolder()
    const mine = await diskSink(new Parts(folder), { name: 'a.bin', size: 3_000_000 })
    await mine.write(megabyte(1))
    const other = new Parts(folder)
    expect(await other.find()).toEqual([])
    const sink = await diskSink(other, { name: 'a.bin', size: 3_000_000 })
    expect(sink.earlier).toBeUndefined()
    expect(await visible(folder)).toEqual(['a (1).bin.part', 'a.bin.part'])
    expect([await complete(mine, 2_000_000), await complete(sink, 3_000_000)]).toEqual(['a.bin', 'a (1).bin'])
    expect(await readdir(folder)).toEqual(['a (1).bin', 'a.bin'])
  })

  test('are known by signs of life where its number says nothing: on another machine', async () => {
    const folder = await newFolder()
    const mine = await diskSink(new Parts(folder), { name: 'a.bin', size: 3_000_000 })
    await mine.write(megabyte(1))
    const [journal = ''] = await journals(folder)
    const path = join(folder, journal)
    await writeFile(path, (await readFile(path, 'utf8')).replace(hostname(), 'elsewhere'))
    const count = async () => (await new Parts(folder).find()).length
    expect(await count()).toBe(0)
    const before = new Date(Date.now() - 61_000)
    await utimes(path, before, before)
    expect(await count()).toBe(1)
  })

  test('are lost to it when another one has taken over: it touches them no more', async () => {
    const folder = await newFolder()
    const mine = await diskSink(new Parts(folder), { name: 'a.bin', size: 3_000_000 })
    await mine.write(megabyte(1))
    await ended(folder)
    const other = new Parts(folder)
    expect(await other.find()).toHaveLength(1)
    await expect(async () => await mine.write(megabyte(2))).toThrow('Another program goes on with this file.')
    await expect(mine.finish()).rejects.toThrow('Another program goes on with this file.')
    await mine.abort(new Error('enough'))
    expect((await readFile(join(folder, 'a.bin.part'))).length).toBe(1_000_000)
  })

  test('stay for another time when the connection is lost, and go with a file that has failed', async () => {
    const folder = await newFolder()
    const parts = new Parts(folder)
    const begin = async () => {
      const sink = await diskSink(parts, { name: 'a.bin', size: 3_000_000 })
      await sink.write(megabyte(1))
      return sink
    }
    await (await begin()).abort(lost)
    const sink = await begin()
    expect(sink.earlier?.size).toBe(1_000_000)
    await sink.abort(new ParleyError('FILE_FAILED', '?'))
    expect(await readdir(folder)).toEqual([])
    // Nor of one of which nothing has come.
    await (await diskSink(parts, { name: 'a.bin', size: 3_000_000 })).abort(lost)
    expect(await readdir(folder)).toEqual([])
  })
})

describe('a journal', () => {
  test('that is damaged, or leads elsewhere, does no harm', async () => {
    const folder = await newFolder()
    const outside = await newFolder()
    const victim = join(outside, 'victim.part')
    await writeFile(victim, 'mine')
    await mkdir(join(folder, '.parley-parts-folder'))
    await symlink(victim, join(folder, '.parley-parts-link'))
    await writeFile(join(folder, '.parley-parts-empty'), '')
    killed(folder, 'a', 3_000_000)
    const [journal = ''] = (await journals(folder)).filter(name => /-[\da-f]{12}$/.test(name))
    const path = join(folder, journal)
    const { ino } = await Bun.file(victim).stat()
    for (const to of [`../${outside.split('/').at(-1)}/victim.part`, victim, '.hidden.part', 'a', 'a/../b.part']) {
      await appendFile(path, `${JSON.stringify({ path: to, file: 'x', size: 4, ino })}\n`)
    }
    await appendFile(path, 'null\n[]\n{"path":5}\n{"path":"cut.pa')
    const parts = await new Parts(folder).find()
    expect(parts.map(({ part }) => part.path)).toEqual(['a.part'])
    expect(await readFile(victim, 'utf8')).toBe('mine')
    // One that is empty may be of a program that has just begun.
    expect(await readdir(folder)).toEqual(expect.arrayContaining(['.parley-parts-empty', '.parley-parts-link']))
  })
})
