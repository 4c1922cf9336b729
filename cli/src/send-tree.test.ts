import { describe, expect, onTestFinished, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ParleyError } from '@parley/client'
import { FileReceiver } from '../../client/src/files/receive-files.ts'
import { sendOver } from '../../client/src/files/send-file.ts'
import { FileLink } from '../../client/test/file-link.ts'
import { atMost } from './at-most.ts'
import { Parts } from './files/parts.ts'
import { readTree } from './files/tree.ts'
import { output } from './output.ts'
import { Receiver } from './receiver.ts'
import { sendTree } from './send-tree.ts'
import { Transfers } from './transfers.ts'

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-tree-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Makes files of the contents that are given by their names; undefined: a folder. */
async function fill(folder: string, files: { readonly [name: string]: string | undefined }): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    await mkdir(content === undefined ? path : join(path, '..'), { recursive: true })
    if (content !== undefined) await writeFile(path, content)
  }
  return folder
}

/** All that is in a folder, folders with a slash. */
async function all(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1) + (entry.isDirectory() ? '/' : ''))
    .sort()
}

/** A program that receives into a folder, and a way to send it one; what each of them tells. */
async function receiving(options: { readonly folders: boolean } = { folders: true }) {
  const inbox = await newFolder()
  const telling = (isJson: boolean) => {
    const lines: string[] = []
    const screen = { write: (text: string) => lines.push(text.replace(/\n$/, '')) }
    return { lines, transfers: new Transfers(output({ isJson, stdout: screen, stderr: screen, env: {} }), () => 0) }
  }
  const [there, here, events] = [telling(false), telling(false), telling(true)]
  const kept: string[] = []
  const ending = new AbortController()
  const receiver = new Receiver({
    parts: new Parts(inbox),
    transfers: there.transfers,
    signal: ending.signal,
    kept: ({ path }) => kept.push(path),
  })
  const link = new FileLink(new FileReceiver(options))
  link.receiver.handler = receiver.take
  const send = async (path: string) => {
    const isSent = await sendTree(await readTree(path), {
      peer: 'bob',
      transfers: here.transfers,
      signal: new AbortController().signal,
      turn: atMost(32),
      send: (source, options) => sendOver(link.open, source, options),
    })
    await receiver.idle()
    return isSent
  }
  return { inbox, link, kept, ending, send, received: there.lines, told: here.lines, events }
}

describe('a folder', () => {
  test('arrives with all that is in it, folders that are empty too, and without what links lead to', async () => {
    const { inbox, send, told, received, kept } = await receiving()
    const outside = await fill(await newFolder(), { secret: 'x' })
    const folder = await fill(join(await newFolder(), 'photos'), {
      'a.txt': 'A',
      'empty.txt': '',
      'x/b.txt': 'BB',
      'x/y/z/c.txt': 'CCC',
      'none/at all': undefined,
    })
    await symlink(join(outside, 'secret'), join(folder, 'link'))
    await symlink(outside, join(folder, 'x', 'folder'))
    await symlink(join(folder, 'nowhere'), join(folder, 'broken'))
    spawnSync('mkfifo', [join(folder, 'pipe')])
    expect(await send(`${folder}/`)).toBe(true)
    const files = ['a.txt', 'empty.txt', 'x/b.txt', 'x/y/z/c.txt']
    const folders = ['none/', 'none/at all/', 'x/', 'x/y/', 'x/y/z/']
    expect(await all(inbox)).toEqual(['photos/', ...[...files, ...folders].map(name => `photos/${name}`)].sort())
    expect(await readFile(join(inbox, 'photos/x/y/z/c.txt'), 'utf8')).toBe('CCC')
    expect(told.toSorted()).toEqual([
      '! photos/broken is a link: it is not sent.',
      '! photos/link is a link: it is not sent.',
      '! photos/pipe is neither a file nor a folder: it is not sent.',
      '! photos/x/folder is a link: it is not sent.',
      'sending photos (5 files, 6 B) to bob',
      '✓ photos sent to bob: 5 files (6 B)',
    ])
    expect(received).toContain('✓ photos/x/b.txt received from ada (2 B)')
    expect(kept.sort()).toEqual(files.map(name => join(inbox, 'photos', name)))
  })

  test('may be empty itself', async () => {
    const { inbox, send } = await receiving()
    expect(await send(await fill(join(await newFolder(), 'empty'), { '.': undefined }))).toBe(true)
    expect(await all(inbox)).toEqual(['empty/'])
  })

  test('replaces nothing: what is the same is not sent again, and what is not gets a number', async () => {
    const { inbox, send, told, received, kept, link } = await receiving()
    const path = await fill(join(await newFolder(), 'photos'), { 'a.txt': 'AAAA', 'b.txt': 'BBBB', 'c.txt': 'CCCC' })
    await fill(join(inbox, 'photos'), { 'a.txt': 'AAAA', 'b.txt': 'bbbb', 'c.txt': 'other' })
    expect(await send(path)).toBe(true)
    expect(await all(inbox)).toEqual(
      ['', 'a.txt', 'b (1).txt', 'b.txt', 'c (1).txt', 'c.txt'].map(name => `photos/${name}`),
    )
    expect(await readFile(join(inbox, 'photos/b.txt'), 'utf8')).toBe('bbbb')
    expect(await readFile(join(inbox, 'photos/b (1).txt'), 'utf8')).toBe('BBBB')
    expect([link.arrived, received.filter(line => line.includes('there already'))]).toEqual([
      8,
      ['✓ photos/a.txt was there already'],
    ])
    expect(told).toContain('✓ photos/b.txt sent to bob (4 B), kept as “b (1).txt”')
    expect(kept).toHaveLength(2)
  })

  test('does not go where a link or a file of the receiver has its name', async () => {
    const { inbox, send } = await receiving()
    const outside = await newFolder()
    await symlink(outside, join(inbox, 'photos'))
    await fill(inbox, { 'photos (1)/x': 'a file' })
    expect(await send(await fill(join(await newFolder(), 'photos'), { 'x/a.txt': 'A' }))).toBe(true)
    expect(await all(inbox)).toEqual([
      'photos',
      'photos (1)/',
      'photos (1)/x',
      'photos (1)/x (1)/',
      'photos (1)/x (1)/a.txt',
    ])
    expect(await readdir(outside)).toEqual([])
  })

  test('keeps names apart that become the same', async () => {
    const { inbox, send } = await receiving()
    const names = { '.env': 'A', env: 'B', 'e\u0301': 'C', '\u00e9': 'D', 'aux.txt': 'E' }
    expect(await send(await fill(join(await newFolder(), '.hidden'), names))).toBe(true)
    expect(await all(inbox)).toEqual(
      ['_aux.txt', 'env', 'env (1)', '\u00e9', '\u00e9 (1)', ''].map(name => `hidden/${name}`).sort(),
    )
  })

  test('goes on behind a file that cannot be read, and has not all arrived then', async () => {
    const { inbox, send, told, events } = await receiving()
    const deep = Array(33).fill('d').join('/')
    const path = await fill(join(await newFolder(), 'photos'), { 'a.txt': 'A', [`${deep}/b.txt`]: 'B', 'z.txt': 'Z' })
    expect(await send(path)).toBe(false)
    expect(told[1]).toMatch(/^✗ photos\/d.+\/d is deeper than 32 folders, or its name too long: it is not sent\.$/)
    expect(told.at(-1)).toBe('✗ photos sent to bob: 2 of 3 files (2 B)')
    expect((await all(inbox)).filter(name => name.endsWith('.txt'))).toEqual(['photos/a.txt', 'photos/z.txt'])

    await rm(join(path, 'd'), { recursive: true })
    const tree = await readTree(path)
    await rm(join(path, 'a.txt'))
    const { transfers } = events
    const all2 = { peer: 'bob', transfers, signal: new AbortController().signal, turn: atMost(32) }
    const other = await receiving()
    const sent = sendTree(tree, { ...all2, send: (source, options) => sendOver(other.link.open, source, options) })
    expect(await sent).toBe(false)
    const told2 = events.lines.map(line => JSON.parse(line))
    expect(told2.find(({ event }) => event === 'file_failed')).toMatchObject({
      name: 'a.txt',
      folder: 'photos',
      code: 'ENOENT',
    })
    expect(told2.at(-1)).toMatchObject({ event: 'folder_sent', files: 2, sent: 1, failed: 1 })
    expect(await all(other.inbox)).toEqual(['photos/', 'photos/z.txt'])
  })

  test('is refused by a receiver that takes none, once, with what to do instead', async () => {
    const { inbox, send, told } = await receiving({ folders: false })
    const names = Array.from({ length: 100 }, (_, i) => [`${i}`, 'x'])
    expect(await send(await fill(join(await newFolder(), 'photos'), Object.fromEntries(names)))).toBe(false)
    expect(told).toEqual([
      'sending photos (100 files, 100 B) to bob',
      expect.stringMatching(
        /^✗ photos\/\d+: The receiver takes no files of folders \(UNSUPPORTED\)\. Send an archive: tar c 'photos' \| parley connect SESSION --send -$/,
      ),
      expect.stringMatching(/^✗ photos sent to bob: 0 of 100 files/),
    ])
    expect(await readdir(inbox)).toEqual([])
  })

  test('is given up as a whole when the other peer is lost', async () => {
    const { link, send, told } = await receiving()
    link.refusal = new ParleyError('ROOM_DELETED', 'The room was deleted.')
    const names = Array.from({ length: 100 }, (_, i) => [`${i}`, 'x'])
    expect(await send(await fill(join(await newFolder(), 'photos'), Object.fromEntries(names)))).toBe(false)
    expect(told.filter(line => line.includes('ROOM_DELETED'))).toHaveLength(1)
    expect(told).toHaveLength(3)
  })

  test('may have more files than a receiver takes at once', async () => {
    const { inbox, send, link } = await receiving()
    const names = Array.from({ length: 300 }, (_, i) => [`${i % 10}/${i}.txt`, `content of ${i}`])
    const path = await fill(join(await newFolder(), 'many'), Object.fromEntries(names))
    expect(await send(path)).toBe(true)
    expect((await all(inbox)).filter(name => name.endsWith('.txt'))).toHaveLength(300)
    // One channel for each, and no second try.
    expect(link.channels).toHaveLength(300)
  })
})
