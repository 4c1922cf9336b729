import { describe, expect, onTestFinished, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { readdir as entries, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DiskSink, openFolder, diskSink as sinkOf } from './disk-sink.ts'
import { Parts } from './parts.ts'

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-sink-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const diskSink = (folder: string, name: string, size: number): Promise<DiskSink> =>
  sinkOf(new Parts(folder), { name, size })

/** What is visible there. */
const readdir = async (folder: string) => (await entries(folder)).filter(name => !name.startsWith('.parley-parts-'))

const bytes = (text: string) => new Uint8Array(Buffer.from(text))

async function keep(folder: string, name: string, content: string): Promise<string> {
  const sink = await diskSink(folder, name, content.length)
  await sink.write(bytes(content))
  return sink.finish()
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'it worked',
    error => error.code,
  )

describe('a received file', () => {
  test('has a name of its own until it is complete, and then its own', async () => {
    const folder = await newFolder()
    const sink = await diskSink(folder, 'a.txt', 6)
    await sink.write(bytes('abc'))
    await sink.write(bytes('def'))
    expect([await readdir(folder), sink.path]).toEqual([['a.txt.part'], undefined])
    expect(await sink.finish()).toBe('a.txt')
    expect([await entries(folder), sink.path]).toEqual([['a.txt'], join(folder, 'a.txt')])
    expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('abcdef')
  })

  test('is written in the order of its parts, however many there are', async () => {
    const folder = await newFolder()
    const part = (i: number) => new Uint8Array(64 * 1024).fill(i)
    const sink = await diskSink(folder, 'big.bin', 40 * 64 * 1024)
    for (let i = 0; i < 40; i++) await sink.write(part(i))
    await sink.finish()
    const expected = Buffer.concat(Array.from({ length: 40 }, (_, i) => part(i)))
    expect((await readFile(join(folder, 'big.bin'))).equals(expected)).toBe(true)
  })

  test('may be empty', async () => {
    const folder = await newFolder()
    expect(await (await diskSink(folder, 'empty', 0)).finish()).toBe('empty')
    expect((await stat(join(folder, 'empty'))).size).toBe(0)
  })

  test('never replaces another one, also if several come at once', async () => {
    const folder = await newFolder()
    await writeFile(join(folder, 'a.tar.gz'), 'mine')
    const all = await Promise.all(['1', '2', '3', '4'].map(content => keep(folder, 'a.tar.gz', content)))
    expect(all.sort()).toEqual(['a (1).tar.gz', 'a (2).tar.gz', 'a (3).tar.gz', 'a (4).tar.gz'])
    expect(await readFile(join(folder, 'a.tar.gz'), 'utf8')).toBe('mine')
    const contents = await Promise.all(all.map(name => readFile(join(folder, name), 'utf8')))
    expect(contents.sort()).toEqual(['1', '2', '3', '4'])
    expect(await readdir(folder)).toHaveLength(5)
  })

  test('leaves nothing when it is not wanted any more, but what was there', async () => {
    const folder = await newFolder()
    await writeFile(join(folder, 'a.part'), 'of another program')
    const sink = await diskSink(folder, 'a', 3)
    await sink.write(bytes('abc'))
    expect((await readdir(folder)).sort()).toEqual(['a (1).part', 'a.part'].sort())
    await sink.abort(new Error('enough'))
    await sink.abort(new Error('again'))
    expect(await readdir(folder)).toEqual(['a.part'])
  })

  test.each(['../evil', '/etc/evil', '..\\evil', 'C:\\evil', '..', '.', '', 'a/../../evil', 'evil\0.txt', '~/evil'])(
    'stays in its folder when it is called %p',
    async name => {
      const outer = await newFolder()
      const folder = join(outer, 'inbox')
      await mkdir(folder)
      const kept = await keep(folder, name, 'x')
      expect(await readdir(outer)).toEqual(['inbox'])
      expect(await readdir(folder)).toEqual([kept])
    },
  )

  test('does not follow a link that stands in its way', async () => {
    const outer = await newFolder()
    const folder = join(outer, 'inbox')
    await mkdir(folder)
    const victim = join(outer, 'victim')
    await writeFile(victim, 'mine')
    await symlink(victim, join(folder, 'a'))
    await symlink(victim, join(folder, 'a.part'))
    await symlink(join(outer, 'nowhere'), join(folder, 'b'))
    expect([await keep(folder, 'a', 'x'), await keep(folder, 'b', 'x')]).toEqual(['a (1)', 'b (1)'])
    expect([await readFile(victim, 'utf8'), (await readdir(outer)).sort()]).toEqual(['mine', ['inbox', 'victim']])
  })

  test('has a name that leaves space for what is added to it', async () => {
    const folder = await newFolder()
    const name = `${'ü'.repeat(127)}.txt`
    for (let i = 0; i < 2; i++) expect(await keep(folder, name, 'x')).toMatch(/^ü+( \(1\))?\.txt$/)
  })

  test('that the disk has no space for is refused before it comes', async () => {
    const folder = await newFolder()
    expect(await codeOf(diskSink(folder, 'a', 2 ** 52))).toBe('ENOSPC')
    expect(await readdir(folder)).toEqual([])
  })

  test('that cannot be written to its end tells why', async () => {
    const folder = await newFolder()
    // A process that may not write more than 64 KiB to a file, and is not ended for it.
    const program = `
      const { diskSink } = await import(${JSON.stringify(join(import.meta.dir, 'disk-sink.ts'))})
      const { Parts } = await import(${JSON.stringify(join(import.meta.dir, 'parts.ts'))})
      const sink = await diskSink(new Parts(${JSON.stringify(folder)}), { name: 'a', size: 10_000_000 })
      let code
      try {
        for (let i = 0; i < 100; i++) await sink.write(new Uint8Array(65_536))
      } catch (error) {
        code = error.code
      }
      await sink.abort()
      console.log(code)`
    const limited = 'trap "" XFSZ; ulimit -f 64; exec "$0" -e "$1"'
    const { stdout, stderr } = spawnSync('bash', ['-c', limited, process.execPath, program], { encoding: 'utf8' })
    expect([stdout, stderr]).toEqual(['EFBIG\n', ''])
    expect(await entries(folder)).toEqual([])
  })
})

describe('the folder for received files', () => {
  test('is made if need be', async () => {
    const folder = join(await newFolder(), 'a', 'b')
    expect(await openFolder(folder)).toBe(folder)
    expect(await readdir(folder)).toEqual([])
  })

  test('must be one, and somebody must be allowed to write there', async () => {
    const file = join(await newFolder(), 'file')
    await writeFile(file, '')
    expect(await codeOf(openFolder(file))).toBe('EEXIST')
    expect(await codeOf(openFolder(join(file, 'below')))).toBe('ENOTDIR')
    // Where nobody may write, whoever it is.
    expect(await codeOf(openFolder('/proc/self'))).toMatch(/^(EACCES|EPERM|EROFS|ENOENT)$/)
  })
})
