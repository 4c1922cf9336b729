import { canonicalName, isPrintable, mostUnits } from './names.ts'

/** A JSON Schema (draft 2020-12). */
export type JsonSchema = { readonly [keyword: string]: unknown }

/** The form of a JSON value: how it is described, and, for the compiler, which type it has. */
export interface Form<T> {
  readonly schema: JsonSchema
  /** Never there; it carries the type. */
  readonly type?: T
}

/** A form that is looked at, since it comes from a peer. */
export interface CheckedForm<T> extends Form<T> {
  /** Ends a sentence that begins with the member's name. */
  readonly must: string
  /** Whether `value` has the form. The schema says the same, as far as JSON Schema can. */
  is(value: unknown): value is T
  /** What is read of it, if that is not the value itself. */
  read?(value: T): T
}

/** A member that may be missing; what peers send may also be null, as some languages send that for nothing. */
export interface Optional<T, F = undefined> {
  readonly optional: Form<T>
  /** What counts if it is missing. */
  readonly fallback: F
}

// biome-ignore lint/suspicious/noExplicitAny: `unknown` would not take a form of anything narrower
type AnyOptional = Optional<any, any>
// biome-ignore lint/suspicious/noExplicitAny: as above
export type Member = Form<any> | AnyOptional

/** The members of an object by name. */
export type Members = { readonly [name: string]: Member }

type OptionalNames<M extends Members> = {
  [K in keyof M]: M[K] extends Optional<unknown, undefined> ? K : never
}[keyof M]

type TypeOf<F> = F extends Optional<infer T, infer _> ? T : F extends Form<infer T> ? T : never

/** An object with these members, as it goes over the wire. */
export type Sent<M extends Members> = { readonly [K in Exclude<keyof M, OptionalNames<M>>]: TypeOf<M[K]> } & {
  readonly [K in OptionalNames<M>]?: TypeOf<M[K]>
}

/** An object with these members, as it is once it has been read: what was missing has its fallback. */
export type Read<M extends Members> = {
  readonly [K in keyof M]: M[K] extends Optional<infer T, infer F> ? T | F : TypeOf<M[K]>
}

export function optional<T>(form: Form<T>): Optional<T>
export function optional<T>(form: Form<T>, fallback: T): Optional<T, T>
export function optional<T>(form: Form<T>, fallback?: T): Optional<T, T | undefined> {
  return { optional: form, fallback }
}

export const isOptional = (member: Member): member is AnyOptional => 'optional' in member

/** `form` with a sentence about what it means. */
export const described = <F extends Form<unknown>>(description: string, form: F): F => ({
  ...form,
  schema: { ...form.schema, description },
})

/** Any JSON value. */
export const anything: CheckedForm<unknown> = { schema: {}, must: 'must be JSON', is: (_): _ is unknown => true }

/** Any JSON value that says something: not null, and not an empty object, list or string. */
export const something: CheckedForm<unknown> = {
  schema: { not: { enum: [null, {}, [], ''] } },
  must: 'must not be null or empty',
  is: (value): value is unknown =>
    typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : value !== null && value !== '',
}

export const text: CheckedForm<string> = {
  schema: { type: 'string' },
  must: 'must be a string',
  is: value => typeof value === 'string',
}

/** Text with at least one character. */
export const filled: CheckedForm<string> = {
  schema: { type: 'string', minLength: 1 },
  must: 'must be a string that is not empty',
  is: (value): value is string => typeof value === 'string' && value !== '',
}

export const number: Form<number> = { schema: { type: 'number' } }

export const integer: Form<number> = { schema: { type: 'integer' } }

/** How many, from 0. */
export const count: CheckedForm<number> = {
  schema: { type: 'integer', minimum: 0 },
  must: 'must be a whole number, 0 or more',
  is: (value): value is number => Number.isSafeInteger(value) && Number(value) >= 0,
}

export const flag: CheckedForm<boolean> = {
  schema: { type: 'boolean' },
  must: 'must be true or false',
  is: value => typeof value === 'boolean',
}

/** A JSON object whose members nobody has looked at yet. */
export type JsonObject = { [key: string]: unknown }

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether nothing lies deeper than `depth`. What is relayed must not break the reader at the other end. */
export function isShallow(value: object, depth: number): boolean {
  if (depth === 0) return false
  const isDeep = (member: unknown) => typeof member === 'object' && member !== null && !isShallow(member, depth - 1)
  // By index: to go through the keys of an array takes six times as long.
  if (Array.isArray(value)) return !value.some(isDeep)
  for (const key in value) if (isDeep((value as JsonObject)[key])) return false
  return true
}

export const object: CheckedForm<JsonObject> = {
  schema: { type: 'object' },
  must: 'must be an object',
  is: isObject,
}

/**
 * What JSON Schema can say of a name of so many characters. It cannot count them (its `maxLength` is of code points), nor
 * say in short where a joiner belongs; the server refuses more.
 */
export const nameSchema = (characters: number): JsonSchema => ({
  type: 'string',
  minLength: 1,
  maxLength: mostUnits(characters),
  'x-maxGraphemes': characters,
  pattern: `^(?![ -~]{${characters + 1}})(?=.*[^\\p{Default_Ignorable_Code_Point}\\p{Z}])(?:[^\\p{C}\\p{Z}]|[ \\u180E\\u200C\\u200D\\u{E0030}-\\u{E007F}])*$`,
})

/** A name of 1 to `length` characters; all spellings of it are read as one. */
export const printable = (length: number): CheckedForm<string> => ({
  schema: nameSchema(length),
  must: `must be 1 to ${length} printable characters`,
  is: (value): value is string => isPrintable(value, length),
  read: canonicalName,
})

/** A list of at most `most` different ones, said again in `must`. */
export const listOf = <T>(form: CheckedForm<T>, most: number, must: string): CheckedForm<readonly T[]> => ({
  schema: { type: 'array', items: form.schema, maxItems: most },
  must,
  is: (value): value is readonly T[] => Array.isArray(value) && value.length <= most && value.every(form.is),
  ...(form.read && { read: value => value.map(item => form.read?.(item) ?? item) }),
})

export const all = <T>(form: Form<T>): Form<readonly T[]> => ({ schema: { type: 'array', items: form.schema } })

export const mapOf = <T>(form: Form<T>): Form<{ readonly [key: string]: T }> => ({
  schema: { type: 'object', additionalProperties: form.schema },
})

export const nullable = <T>(form: Form<T>): Form<T | null> => ({
  schema: { anyOf: [form.schema, { type: 'null' }] },
})

export const oneOf = <const T extends string>(...values: readonly T[]): Form<T> => ({ schema: { enum: values } })

/** An object with these members. */
export const record = <M extends Members>(members: M): Form<Sent<M>> => ({ schema: schemaOf(members) })

/** The JSON Schema of an object with these members, and possibly others: who reads it ignores what it does not know. */
export function schemaOf(members: Members): JsonSchema {
  const entries = Object.entries(members)
  return {
    type: 'object',
    properties: Object.fromEntries(
      entries.map(([name, member]) => [name, isOptional(member) ? optionalSchema(member) : member.schema]),
    ),
    required: entries.filter(([, member]) => !isOptional(member)).map(([name]) => name),
  }
}

const optionalSchema = ({ optional, fallback }: Optional<unknown, unknown>): JsonSchema =>
  fallback === undefined ? optional.schema : { ...optional.schema, default: fallback }
