import { errorKinds, isObject, type JsonObject, type JsonSchema } from '@parley/protocol'
import { html } from 'hono/html'

type Html = ReturnType<typeof html>
type Schemas = { readonly [name: string]: JsonSchema }

/** The members of an object, and those of the objects in it, for people. Undefined if it names none. */
export function membersOf(schema: JsonSchema, schemas: Schemas = {}): Html | undefined {
  const object = objectIn(schema, schemas)
  const properties = Object.entries(object?.properties ?? {}).filter(property => isObject(property[1]))
  if (!object || properties.length === 0) return undefined
  const required = Array.isArray(object.required) ? object.required : []
  return html`<dl>${properties.map(([name, member]) => memberOf(name, member, required.includes(name), schemas))}</dl>`
}

function memberOf(name: string, member: JsonSchema, isRequired: boolean, schemas: Schemas): Html {
  const remarks = [typeOf(member, schemas)]
  if (!isRequired) remarks.push('optional')
  if (member.default !== undefined) remarks.push(`default ${JSON.stringify(member.default)}`)
  return html`<dt><code>${name}</code> <span class="quiet">${remarks.join('; ')}</span></dt>
    <dd>${member.description}${membersOf(member, schemas)}</dd>`
}

/** The object that a value is, or that it is a list of, or that it is unless it is null. */
function objectIn(schema: JsonSchema, schemas: Schemas): JsonObject | undefined {
  const { properties, items, anyOf } = resolved(schema, schemas)
  if (isObject(properties)) return resolved(schema, schemas)
  if (isObject(items)) return objectIn(items, schemas)
  if (!Array.isArray(anyOf)) return undefined
  return anyOf
    .filter(isObject)
    .map(choice => objectIn(choice, schemas))
    .find(Boolean)
}

/** What a value may be, in words. */
function typeOf(schema: JsonSchema, schemas: Schemas): string {
  const { type, enum: values, anyOf, items, additionalProperties: others, ...rest } = resolved(schema, schemas)
  if ('const' in rest) return JSON.stringify(rest.const)
  if (Array.isArray(values))
    return values.length === codes ? 'a code of the table of errors' : values.map(quoted).join(', ')
  if (Array.isArray(anyOf) && type === undefined) {
    return anyOf
      .filter(isObject)
      .map(choice => typeOf(choice, schemas))
      .join(', or ')
  }
  if (type === 'array') {
    const length = range(0, rest.maxItems)
    return `list${length && ` of ${length}`}, each: ${isObject(items) ? typeOf(items, schemas) : 'any JSON'}`
  }
  if (type === 'string') {
    const graphemes = rest['x-maxGraphemes']
    const most = graphemes ?? rest.maxLength
    const characters = graphemes === undefined ? 'characters' : 'printable characters'
    if (most === undefined) return rest.minLength ? 'string, not empty' : 'string'
    return `string, ${range(rest.minLength, most)} ${characters}`
  }
  if (type === 'object' && isObject(others) && Object.keys(others).length > 0) {
    return `object, each value: ${typeOf(others, schemas)}`
  }
  const types = Array.isArray(type) ? type.join(', or ') : type
  return [types ?? 'any JSON', range(rest.minimum, rest.maximum)].filter(Boolean).join(', ')
}

const codes = Object.keys(errorKinds).length
const quoted = (value: unknown) => JSON.stringify(value)

function range(least: unknown, most: unknown): string {
  if (typeof most !== 'number') return ''
  return least ? `${least} to ${most}` : `at most ${most}`
}

/** The schema itself, where it is a reference to one of `schemas`. */
function resolved(schema: JsonSchema, schemas: Schemas): JsonObject {
  const { $ref, ...rest } = schema
  const name = String($ref ?? '').replace(/^.*\//, '')
  return { ...schemas[name], ...rest }
}
