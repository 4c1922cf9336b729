import { type ErrorCode, errorKinds } from '@parley/protocol'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { OpenApi, Operation } from '../server/src/api/openapi.ts'
import { isObject, type Json, levels } from './contract.ts'
import type { Answer } from './http-client.ts'
import { isName } from './names.ts'
import { type Fault, fault } from './target.ts'

// What docs/protocol.md says of HTTP, said a second time for what is asked; what is answered is held against OpenAPI.

type Check = (value: unknown) => boolean

const text: Check = value => typeof value === 'string'
const flag: Check = value => value === true || value === false
const whole =
  (most: number): Check =>
  value =>
    Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= most
const name =
  (most: number): Check =>
  value =>
    isName(value, most)
const nullOr =
  (check: Check): Check =>
  value =>
    value === null || check(value)
const metadata: Check = value =>
  isObject(value) && levels(value) <= 127 && Buffer.byteLength(JSON.stringify(value)) <= 16_384
const channels: Check = value => Array.isArray(value) && value.length <= 32 && value.every(name(64))
const day = 86_400

interface Form {
  readonly members: { readonly [name: string]: Check }
  readonly required?: string
  /** Whether other members are refused. */
  readonly isStrict?: true
}

const claim = { peer_id: nullOr(text), room_id: nullOr(text), token: nullOr(text) }
const forms: { readonly [operation: string]: Form } = {
  'POST /refresh-token': { members: { refresh_token: text }, required: 'refresh_token', isStrict: true },
  'POST /create-room': {
    members: {
      ttl_seconds: whole(day),
      max_peers: nullOr(whole(1000)),
      name: nullOr(name(128)),
      metadata: nullOr(metadata),
    },
  },
  'POST /delete-peers-and-room': { members: claim },
  'POST /delete-peer': {
    members: { peer_id: value => text(value) && value !== '', token: nullOr(text) },
    required: 'peer_id',
  },
  'PATCH /rooms/{room_id}': {
    members: { ttl_seconds: whole(day), max_peers: nullOr(whole(1000)), name: nullOr(name(128)), locked: flag },
    isStrict: true,
  },
  'POST /rooms/{room_id}/invites': {
    members: { single_use: flag, ttl_seconds: whole(day), role: name(64), channels },
    isStrict: true,
  },
}

/** What is wrong with the body of a request; undefined if nothing is. */
export function verdictOnBody(operation: string, bytes: Buffer): ErrorCode | undefined {
  const form = forms[operation]
  if (!form) return undefined
  let body: unknown = {}
  try {
    if (bytes.length > 0) body = JSON.parse(bytes.toString().replace(/^\ufeff/, ''))
  } catch {
    return 'INVALID_JSON'
  }
  if (!isObject(body)) return 'INVALID_MESSAGE'
  const names = Object.keys(body)
  const isRight =
    (form.required === undefined || names.includes(form.required)) &&
    (operation !== 'PATCH /rooms/{room_id}' || names.length > 0) &&
    names.every(member => {
      const check = Object.hasOwn(form.members, member) ? form.members[member] : undefined
      return check ? check(body[member]) : !form.isStrict
    })
  return isRight ? undefined : 'INVALID_MESSAGE'
}

export const bodyLimit = 64 * 1024

/** The OpenAPI document of the server, to hold answers against. */
export class Documented {
  readonly #operations = new Map<string, Operation>()
  readonly #validators = new Map<string, ValidateFunction>()
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false })

  constructor(document: OpenApi) {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        this.#operations.set(`${method.toUpperCase()} ${path}`, operation)
      }
    }
    const complete = structuredClone(document)
    for (const schema of Object.values(complete.components.schemas)) {
      if (schema.properties) Object.assign(schema, { additionalProperties: false })
    }
    this.#ajv.addSchema(complete, 'openapi')
  }

  get operations(): readonly string[] {
    return [...this.#operations.keys()]
  }

  /** Whether it takes nobody without an id_token. */
  needsIdentity(operation: string): boolean {
    return this.#operations.get(operation)?.security.length === 1
  }

  /** What is wrong with an answer to a request of the operation. */
  faultOf(operation: string, { status, headers, body }: Answer): Fault | undefined {
    const documented = this.#operations.get(operation)?.responses[status]
    const context = `${operation}: ${status} ${body.slice(0, 400)}`
    if (!documented) return fault('undocumented status', context)
    const isSecret = 'Cache-Control' in (documented.headers ?? {})
    if (isSecret && headers.get('cache-control') !== 'no-store') return fault('cache', context)
    if (body === '' && !documented.content) return undefined
    const type = headers.get('content-type') ?? ''
    const content = Object.keys(documented.content ?? {}).find(known => known.toLowerCase() === type.toLowerCase())
    if (content === undefined) return fault('content type', `${context} ${type}`)
    if (!content.includes('json')) return undefined
    const validate = this.#validator(operation, status, content)
    return validate(JSON.parse(body))
      ? undefined
      : fault('schema', `${context} ${this.#ajv.errorsText(validate.errors)}`)
  }

  #validator(operation: string, status: number, content: string): ValidateFunction {
    const key = `${operation} ${status} ${content}`
    const known = this.#validators.get(key)
    if (known) return known
    const [method = '', template = ''] = operation.split(' ')
    const steps = ['paths', template, method.toLowerCase(), 'responses', String(status), 'content', content, 'schema']
    const pointer = steps.map(step => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')
    const validate = this.#ajv.compile({ $ref: `openapi#/${pointer}` })
    this.#validators.set(key, validate)
    return validate
  }
}

/** The code of problem details, or what is wrong with them. */
export function codeIn({ status, headers, body }: Answer): ErrorCode | Fault {
  const context = `${status} ${headers.get('content-type')} ${body.slice(0, 400)}`
  if (headers.get('content-type') !== 'application/problem+json') return fault('no problem details', context)
  const problem: Json = JSON.parse(body)
  const code = Object.keys(errorKinds).find((known): known is ErrorCode => known === problem.code)
  if (!code || errorKinds[code].httpStatus !== status || problem.status !== status) return fault('problem', context)
  if (typeof problem.detail !== 'string' || problem.retryable !== errorKinds[code].retryable)
    return fault('problem', context)
  if (headers.get('cache-control') !== 'no-store') return fault('cache', context)
  if (status === 401 && !headers.has('www-authenticate')) return fault('challenge', context)
  if ((status === 429 || status === 503) && !headers.has('retry-after')) return fault('retry-after', context)
  return code === 'INTERNAL' ? fault('internal', context) : code
}
