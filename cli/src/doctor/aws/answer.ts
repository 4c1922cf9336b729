/** A part of what a service answers: nothing of it is relied upon until it was looked at. */
export type Answer = Readonly<Record<string, unknown>>

/** The object; an empty one, if it is none. */
export const objectIn = (value: unknown): Answer =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}

/** The elements; none, if it is no list. */
export const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** The text; an empty one, if there is none. */
export const textIn = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The elements of a list in XML, of which one alone looks like no list: `item` in EC2, `member` in IAM. */
export function elements(list: unknown, element: 'item' | 'member'): readonly Answer[] {
  const { [element]: found } = objectIn(list)
  if (found === undefined) return []
  return (Array.isArray(found) ? found : [found]).map(objectIn)
}

/** What stands at a path of objects. */
export const at = (value: unknown, ...path: readonly string[]): unknown =>
  path.reduce((inside, member) => objectIn(inside)[member], value)
