import { beforeAll, describe, expect, test } from 'bun:test'
import { errorKinds } from '@parley/protocol'
import { bundleClient, type ClientBundle } from '../docs/client-bundle.ts'

describe('the SDK as a page loads it', () => {
  let bundle: ClientBundle
  beforeAll(async () => {
    bundle = await bundleClient('index.ts')
  })

  test('has 12 KiB at the most, minified and gzipped', () => {
    expect(bundle.gzippedBytes).toBeLessThanOrEqual(12 * 1024)
    // Something has been built.
    expect(bundle.code).toContain('registered_auth')
  })

  test('has nothing of what only those need who send files, which is 6.7 KB at the most', async () => {
    const files = await bundleClient('files/index.ts')
    expect(files.gzippedBytes).toBeLessThanOrEqual(6_700)
    expect(files.code).toContain('parley.file.1')
    expect(bundle.code).not.toContain('parley.file.1')
  })

  test('has none of the tables of the protocol', () => {
    for (const { sentence, remedy } of Object.values(errorKinds)) {
      for (const text of [sentence, remedy]) expect(bundle.code).not.toContain(text)
    }
    // Members of the tables of messages that no client needs.
    for (const name of ['httpStatus', 'additionalProperties']) expect(bundle.code).not.toContain(name)
  })

  test('asks for nothing that browsers do not have', () => {
    expect(bundle.code.match(/\bprocess\.|\brequire\(|\bBuffer\b|\bnode:/)).toBeNull()
  })
})
