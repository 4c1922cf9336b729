import { describe, expect, test } from 'bun:test'
import { exportJWK, generateKeyPair } from 'jose'
import type { KeyStore, SecretKey } from './key-store.ts'

/** Another one each time. */
export async function someKey(): Promise<SecretKey> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return (await exportJWK(privateKey)) as SecretKey
}

const noKey = () => Promise.reject(new Error('a key was made although there is one'))

/** What every store of keys must do. `empty` gives an empty one, as several servers have it: another adapter at each call. */
export function keyStoreContract(name: string, empty: () => Promise<() => KeyStore>): void {
  describe(`key store: ${name}`, () => {
    test('says why no key could be made, and keeps nothing then', async () => {
      const store = await empty()
      await expect(store().open(noKey)).rejects.toThrow()
      await expect(store().open(noKey)).rejects.toThrow()
    })

    test('keeps the first key that was written, and gives it to all who ask at once', async () => {
      const store = await empty()
      const drafts = await Promise.all(Array.from({ length: 8 }, someKey))
      const all = await Promise.all(drafts.map(draft => store().open(async () => draft)))
      const [first] = all[0] ?? []
      expect(drafts).toContainEqual(first as SecretKey)
      for (const keys of all) expect(keys).toEqual([first as SecretKey])
    })

    test('gives what it keeps to those who come later, and makes no other', async () => {
      const store = await empty()
      const [first] = await store().open(someKey)
      expect(await store().open(noKey)).toEqual([first])
      expect(await store().merge([first])).toEqual([first])
    })
  })
}
