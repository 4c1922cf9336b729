import { afterAll } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyFile } from './key-file.ts'
import { keyStoreContract } from './key-store.contract.ts'

const folder = mkdtempSync(join(tmpdir(), 'parley-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
keyStoreContract('a file', async () => {
  const file = join(folder, `${++files}.json`)
  return () => keyFile(file)
})
