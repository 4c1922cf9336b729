import { expect, onTestFinished, test } from 'bun:test'
import { identityStore } from './kept-identity.ts'

const address = 'http://127.0.0.1:8001'

/** Makes this a page, until the end of the test, with that storage. */
function asPage(sessionStorage: PropertyDescriptor): void {
  const before = Object.getOwnPropertyDescriptors(globalThis)
  const properties = { document: { value: {} }, sessionStorage }
  for (const [name, descriptor] of Object.entries(properties)) {
    Object.defineProperty(globalThis, name, { ...descriptor, configurable: true })
  }
  onTestFinished(() => {
    for (const name of Object.keys(properties)) {
      Reflect.deleteProperty(globalThis, name)
      const original = before[name]
      if (original) Object.defineProperty(globalThis, name, original)
    }
  })
}

test('a page finds what was kept, for the same server', () => {
  const items = new Map<string, string>()
  const storage = { getItem: (key: string) => items.get(key) ?? null, setItem: items.set.bind(items) }
  asPage({ value: storage })
  const store = identityStore(address)
  expect(store?.get()).toBeUndefined()
  store?.set('one')
  store?.set('two')
  expect(identityStore(address)?.get()).toBe('two')
  expect(identityStore('https://example.org')?.get()).toBeUndefined()
  expect([...items]).toEqual([[`parley ${address}`, 'two']])
})

test('a storage that is full or forbidden keeps nothing', () => {
  const fail = () => {
    throw new DOMException('No.', 'QuotaExceededError')
  }
  asPage({ value: { getItem: fail, setItem: fail } })
  const store = identityStore(address)
  store?.set('one')
  expect(store?.get()).toBeUndefined()
})

test('a storage that this page may not even look at keeps nothing', () => {
  asPage({
    get() {
      throw new DOMException('No.', 'SecurityError')
    },
  })
  expect(identityStore(address)).toBeUndefined()
})

test('there is none outside of pages', () => {
  expect(identityStore(address)).toBeUndefined()
})
