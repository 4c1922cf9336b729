/** The path of a request that no route fits. No route can have it. */
export const unknownPath = '/?'

/**
 * The path of a request whose target fits `route` to the letter, with each name of it in its one spelling. The URL of the
 * request is no help: `..` and `%2e` are gone from it, so that `/x/../metrics` looks like `/metrics`, and a proxy in front
 * that lets nobody at `/metrics` would be got round. Bun's own routes compare the target as it came.
 * @param params what stands in the place of the names, decoded
 */
export function exactPath(route: string, params: Readonly<Record<string, string>>, url: string): string {
  if (Object.values(params).some(value => !isWhole(value, url))) return unknownPath
  return route.replace(/:(\w+)/g, (_, name) => encodeURIComponent(params[name] ?? ''))
}

/** Whether the name stands in the URL: what is not UTF-8 was replaced by U+FFFD, which might be somebody else's name. */
const isWhole = (value: string, url: string): boolean =>
  !value.includes('\uFFFD') || url.toUpperCase().includes(encodeURIComponent(value).toUpperCase())
