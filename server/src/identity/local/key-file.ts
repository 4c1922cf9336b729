import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { type KeyStore, parseKey, type SecretKey } from './key-store.ts'

/** One key in a file, which is made and kept there at the first start, for its user alone. */
export function keyFile(file: string): KeyStore {
  return {
    async open(make) {
      const kept = await readKey(file)
      if (kept) return [kept]
      await keepFirst(file, await make())
      const key = await readKey(file)
      if (!key) throw new Error(`The signing key ${file} vanished while it was read.`)
      return [key]
    },
    // A file forgets nothing.
    merge: async known => known,
  }
}

/** Writes the key, unless the file is there. */
async function keepFirst(file: string, key: SecretKey): Promise<void> {
  const draft = `${file}.${crypto.randomUUID()}`
  await writeFile(draft, JSON.stringify(key), { mode: 0o600, flag: 'wx', flush: true })
  try {
    // Unlike rename, link fails if the file is there: then the other server was first, and its key counts.
    await link(draft, file)
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
  } finally {
    await rm(draft)
  }
}

async function readKey(file: string): Promise<SecretKey | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
  const key = parseKey(text)
  if (!key) throw new Error(`The file ${file} is not a signing key; restore it, or delete it to have a new one made.`)
  return key
}

const isErrno = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
