import { orUndefined } from './errors.ts'

/** Where the secret is kept with which a page comes back to its identity. */
export interface IdentityStore {
  get(): string | undefined
  set(refreshToken: string): void
}

/**
 * A place that outlives the page and not the tab, for the identity at one server; undefined where there is none, as outside
 * of browsers, or it is not for this page, as in some modes of privacy. What cannot be written is not kept.
 * @param httpUrl address of the server
 */
export function identityStore(httpUrl: string): IdentityStore | undefined {
  // Storage throws when it is forbidden or full.
  // Node and Deno have a sessionStorage, too, but no page that is loaded again: there it would make one of two identities.
  const storage = orUndefined(() => (globalThis.document ? globalThis.sessionStorage : undefined))
  if (!storage) return undefined
  const key = `parley ${httpUrl}`
  return {
    get: () => orUndefined(() => storage.getItem(key)) ?? undefined,
    set: refreshToken => orUndefined(() => storage.setItem(key, refreshToken)),
  }
}
