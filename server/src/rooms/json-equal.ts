import { isObject } from '@parley/protocol'

/** Whether a value equals `expected`, as JSON: members of objects in any order, 1 and 1.0 the same. */
export const equalTo = (expected: unknown): ((value: unknown) => boolean) => oneOf([expected])

/**
 * Whether a value equals one of `values`, as JSON. They are read once; a look at a value then takes no longer for many
 * of them or for big ones, and ends where it differs from all.
 */
export function oneOf(values: readonly unknown[]): (value: unknown) => boolean {
  const scalars = new Set<unknown>()
  const spellings: Spellings = new Map()
  for (const value of values) {
    if (isNested(value)) learn(value, spellings)
    else scalars.add(value)
  }
  return value => (isNested(value) ? isKnown(value, spellings) : scalars.has(value))
}

const isNested = (value: unknown): boolean => typeof value === 'object' && value !== null

/** A tree of spellings: by its first part, what may follow. */
interface Spellings extends Map<unknown, Spellings> {}

const array = Symbol('array')
const object = Symbol('object')

/**
 * Tells `part` the parts of `value` one by one, until it returns false. Equal values have the same parts, others do not;
 * the parts of none are the beginning of another's, as sizes come first.
 */
function spell(value: unknown, part: (part: unknown) => boolean): boolean {
  if (Array.isArray(value)) return part(array) && part(value.length) && value.every(item => spell(item, part))
  if (!isObject(value)) return part(value)
  const names = Object.keys(value)
  if (!part(object) || !part(names.length)) return false
  return names.sort().every(name => part(name) && spell(value[name], part))
}

function learn(value: unknown, spellings: Spellings): void {
  let known = spellings
  spell(value, part => {
    const next: Spellings = known.get(part) ?? new Map()
    known.set(part, next)
    known = next
    return true
  })
}

function isKnown(value: unknown, spellings: Spellings): boolean {
  let known: Spellings | undefined = spellings
  return spell(value, part => {
    known = known?.get(part)
    return known !== undefined
  })
}
