import { describe, expect, onTestFinished, test } from 'bun:test'
import { appendFile, mkdtemp, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ParleyError } from '@parley/client'
import type { Failure } from '../failure.ts'
import { diskSource } from './disk-source.ts'

async function newFile(content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-source-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'a file.txt')
  await writeFile(path, content)
  return path
}

async function open(path: string) {
  const source = await diskSource(path)
  onTestFinished(() => source.close())
  return source
}

const errorOf = (promise: Promise<unknown>): Promise<Failure | ParleyError> =>
  promise.then(
    () => {
      throw new Error('It did not fail.')
    },
    error => error,
  )

describe('a file to be sent', () => {
  test('is read from wherever it is wanted, also again', async () => {
    const path = await newFile('0123456789')
    await utimes(path, 1_700_000_000, 1_700_000_000)
    const source = await open(path)
    expect(source).toMatchObject({ name: 'a file.txt', size: 10, type: '', modified: 1_700_000_000_000 })
    const read = async (offset: number, length: number) => Buffer.from(await source.read(offset, length)).toString()
    expect([await read(0, 4), await read(4, 6), await read(2, 1)]).toEqual(['0123', '456789', '2'])
  })

  test.each([
    ['longer', (path: string) => appendFile(path, 'x')],
    ['shorter', (path: string) => truncate(path, 3)],
    ['another', (path: string) => utimes(path, 1, 1)],
  ])('must not become %s meanwhile', async (_, change) => {
    const path = await newFile('0123456789')
    const source = await open(path)
    await source.read(0, 5)
    await change(path)
    const error = await errorOf(source.read(5, 5))
    expect(error).toBeInstanceOf(ParleyError)
    expect([error.code, error.message]).toEqual(['FILE_FAILED', 'The file has changed while it was sent.'])
  })

  test('must be a file', async () => {
    const path = await newFile('')
    const failures = [join(path, '..', 'other'), join(path, '..'), '/dev/null'].map(each => errorOf(diskSource(each)))
    expect((await Promise.all(failures)).map(({ code }) => code)).toEqual(['ENOENT', 'EISDIR', 'NOT_A_FILE'])
  })
})
