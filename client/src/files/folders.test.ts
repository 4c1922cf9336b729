import { describe, expect, test } from 'bun:test'
import { ChannelEnd } from '../../test/channel-pair.ts'
import { content, errorOf, linkTo, RawEnd, waiting } from '../../test/file-link.ts'
import type { IncomingFile } from './index.ts'
import { sendOver } from './send-file.ts'

/** A receiver, and what it is offered. */
function receiver(folders: boolean) {
  const offered = waiting<IncomingFile>()
  const link = linkTo(
    file => {
      offered.push(file)
      return file.blob()
    },
    { folders },
  )
  const offer = (folder: unknown) => {
    const [near, far] = ChannelEnd.pair()
    link.receiver.receive('mallory', far)
    const raw = new RawEnd(near)
    raw.send({ type: 'offer', id: `${folder}`.slice(0, 100), name: 'a', size: 5, folder })
    return raw
  }
  return { link, offered, offer }
}

describe('a file of a folder', () => {
  test.each([
    ['photos/2026/May', ['photos', '2026', 'May']],
    ['', []],
    ['a b/.git/CON/x\u202e', ['a b', 'git', '_CON', 'x']],
    ['../x', 'refused'],
    ['x/..', 'refused'],
    ['x/./y', 'refused'],
    ['/etc', 'refused'],
    ['x//y', 'refused'],
    ['x/', 'refused'],
    ['C:\\Windows/x', ['Windows', 'x']],
    ['e\u0301', ['\u00e9']],
    [`${'a/'.repeat(31)}a`, Array(32).fill('a')],
    [`${'a/'.repeat(32)}a`, 'refused'],
    ['a'.repeat(1025), 'refused'],
    [7, 'refused'],
  ])('is below folders whose names are safe: %p', async (folder, expected) => {
    const { offer, offered, link } = receiver(true)
    const raw = offer(folder)
    if (expected === 'refused') {
      const message = 'The other peer broke the file protocol (folder).'
      expect(await raw.next()).toEqual({ type: 'error', code: 'FILE_FAILED', message })
    } else {
      expect(await raw.next()).toEqual({ type: 'waiting', folders: 1 })
      expect<readonly string[] | string>((await offered.next()).folders).toEqual(expected)
    }
    link.receiver.close()
  })

  test('is sent with its folder, and a folder without files, too', async () => {
    const { link, offered } = receiver(true)
    await sendOver(link.open, new Blob([content(5)]), { name: 'a.txt', folder: 'x/y' })
    expect(await offered.next()).toMatchObject({ name: 'a.txt', folders: ['x', 'y'], size: 5 })
    await sendOver(link.open, new Blob([], { type: 'inode/directory' }), { name: 'empty', folder: '' })
    expect(await offered.next()).toMatchObject({ name: 'empty', folders: [], size: 0, type: 'inode/directory' })
  })

  test('is not sent to a receiver that takes no folders, also of an older version', async () => {
    const { link } = receiver(false)
    const error = await errorOf(sendOver(link.open, new Blob([content(5)]), { folder: 'x' }))
    expect(error).toMatchObject({ code: 'UNSUPPORTED', message: 'The receiver takes no files of folders.' })
    expect(link.arrived).toBe(0)
    // Others are.
    expect((await sendOver(link.open, new Blob([content(5)]))).size).toBe(5)
  })

  test('keeps its folder when it is offered again', async () => {
    const { link, offer } = receiver(true)
    const first = offer('x')
    expect(await first.next()).toMatchObject({ type: 'waiting' })
    const [near, far] = ChannelEnd.pair()
    link.receiver.receive('mallory', far)
    const again = new RawEnd(near)
    again.send({ type: 'offer', id: 'x', name: 'a', size: 5, folder: 'y' })
    expect(await again.next()).toMatchObject({ message: 'The other peer broke the file protocol (offer).' })
    link.receiver.close()
  })
})
