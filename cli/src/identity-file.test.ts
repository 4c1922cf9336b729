import { describe, expect, onTestFinished, test } from 'bun:test'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Failure } from './failure.ts'
import { IdentityFile } from './identity-file.ts'

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-identity-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const faultOf = (act: () => unknown): Failure => {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(Failure)
    return error as Failure
  }
  throw new Error('It did not fail.')
}

describe('the file of identities', () => {
  test('is in PARLEY_HOME, else among the settings', () => {
    expect(IdentityFile.of({ PARLEY_HOME: '/somewhere' }).path).toBe(join('/somewhere', 'identities.json'))
    expect(IdentityFile.of({ PARLEY_HOME: '' }).path).toEndWith(join('.config', 'parley', 'identities.json'))
  })

  test('keeps one for each server, for nobody else to read', async () => {
    const home = join(await newFolder(), 'deep', 'home')
    const file = IdentityFile.of({ PARLEY_HOME: home })
    expect(file.refreshToken('http://a')).toBeUndefined()
    file.keep('http://a', 'one')
    file.keep('http://b', 'two')
    file.keep('http://a', 'three')
    expect([file.refreshToken('http://a'), file.refreshToken('http://b')]).toEqual(['three', 'two'])
    expect(file.refreshToken('constructor')).toBeUndefined()
    expect((await stat(file.path)).mode & 0o777).toBe(0o600)
    expect((await stat(home)).mode & 0o777).toBe(0o700)
    // Nothing is left of the exchange.
    expect(await readdir(home)).toEqual(['identities.json'])
  })

  test('keeps what a later version has put into it', async () => {
    const home = await newFolder()
    const file = IdentityFile.of({ PARLEY_HOME: home })
    await writeFile(file.path, JSON.stringify({ version: 1, refreshTokens: {}, more: [1] }))
    file.keep('http://a', 'one')
    expect(JSON.parse(await readFile(file.path, 'utf8'))).toEqual({
      version: 1,
      more: [1],
      refreshTokens: { 'http://a': 'one' },
    })
  })

  test.each(['', '{', '[]', 'null', '{"version":2,"refreshTokens":{}}', '{"version":1,"refreshTokens":{"a":1}}'])(
    'is not overwritten if it is broken: %p',
    async text => {
      const file = IdentityFile.of({ PARLEY_HOME: await newFolder() })
      await writeFile(file.path, text)
      for (const act of [() => file.refreshToken('http://a'), () => file.keep('http://a', 'one')]) {
        expect(faultOf(act).code).toBe('INVALID_FILE')
      }
      expect(await readFile(file.path, 'utf8')).toBe(text)
    },
  )

  test('is for one at a time, and a lock whose program has ended is none', async () => {
    const file = IdentityFile.of({ PARLEY_HOME: await newFolder() })
    await writeFile(`${file.path}.lock`, `${Bun.spawnSync(['true']).pid}`)
    let inside = 0
    const act = async () => {
      inside++
      await new Promise(resolve => setImmediate(resolve))
      expect(inside).toBe(1)
      inside--
    }
    await Promise.all([file.alone(act), file.alone(act), file.alone(act)])
    const failing = file.alone(() => Promise.reject(new Error('so be it')))
    expect(await failing.catch(({ message }) => message)).toBe('so be it')
    await file.alone(act)
    const nowhere = IdentityFile.of({ PARLEY_HOME: '/dev/null/home' })
    expect(await nowhere.alone(() => 'done')).toBe('done')
  })

  test('says what keeps it from being written', async () => {
    const blocked = join(await newFolder(), 'file')
    await writeFile(blocked, '')
    const file = IdentityFile.of({ PARLEY_HOME: join(blocked, 'home') })
    expect(faultOf(() => file.keep('http://a', 'one')).code).toBe('ENOTDIR')
  })
})
