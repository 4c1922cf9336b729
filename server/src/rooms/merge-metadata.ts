import { isObject, type JsonObject } from '@parley/protocol'
import { oneOf } from './json-equal.ts'

/**
 * What a peer's metadata is after an `update_metadata`: tags are united, properties merged, other keys replaced, what is
 * not named is kept. Neither argument is changed; the result shares their parts.
 */
export function mergeMetadata(before: JsonObject, change: JsonObject): JsonObject {
  // Spreading copies a key such as `__proto__` as any other; assigning to it would not.
  const after = { ...before, ...change }
  if (Array.isArray(before.tags) && Array.isArray(change.tags)) after.tags = united(before.tags, change.tags)
  if (isObject(before.properties) && isObject(change.properties)) {
    after.properties = { ...before.properties, ...change.properties }
  }
  return after
}

function united(before: readonly unknown[], more: readonly unknown[]): unknown[] {
  const isThere = oneOf(before)
  return [...before, ...more.filter(tag => !isThere(tag))]
}
