import { type ErrorCode, errorKinds, type JsonSchema } from '@parley/protocol'
import { z } from 'zod'
import { type Access, type AnyRoute, tags } from './route.ts'

type Content = { readonly [contentType: string]: { readonly schema: JsonSchema; readonly examples?: object } }

export interface Operation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly description: string
  readonly security: readonly object[]
  readonly parameters: readonly {
    readonly name: string
    readonly description: string
    readonly [key: string]: unknown
  }[]
  readonly requestBody?: { readonly required: boolean; readonly content: Content }
  readonly responses: {
    readonly [status: string]: { readonly description: string; readonly headers?: object; readonly content?: Content }
  }
}

/** As much of an OpenAPI 3.1 document as there is in ours. */
export interface OpenApi {
  readonly openapi: '3.1.0'
  readonly info: {
    readonly title: string
    readonly version: string
    readonly description: string
    readonly license: object
  }
  readonly servers: readonly { readonly url: string }[]
  readonly tags: readonly { readonly name: string }[]
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } }
  readonly components: { readonly schemas: { readonly [name: string]: JsonSchema }; readonly [kind: string]: object }
}

/** The problem details of each code, as they are sent. */
export type Problems = { readonly [C in ErrorCode]: object }

const accessSentences: Readonly<Record<Access, string>> = {
  anybody: '',
  identity: 'Needs a valid id_token.',
  owner: 'Needs an id_token of the identity that created the room.',
  claimant:
    'Needs a right to the room, any one of these: an id_token of its creator or of one of its peers; its token; or, unless the server is set otherwise, the network address of one of its peers. Peers count that have just left; those that came with an invitation do not.',
}

const security: Readonly<Record<Access, readonly object[]>> = {
  anybody: [],
  identity: [{ idToken: [] }],
  owner: [{ idToken: [] }],
  claimant: [{ idToken: [] }, {}],
}

const parameters: Readonly<Record<string, string>> = {
  room_id: 'The room.',
  peer_id: 'The peer, percent-encoded: "/" is %2F.',
  invite_id: 'The invitation; not its token.',
}

const ref = (kind: string, name: string) => ({ $ref: `#/components/${kind}/${name}` })

/** Describes the routes of the table, whose schemas are known by the names in `schemas`. */
export function openApi(
  routes: Readonly<Record<string, AnyRoute>>,
  schemas: Readonly<Record<string, z.ZodType>>,
  problems: Problems,
  version: string,
): OpenApi {
  const names = new Map(Object.entries(schemas).map(([name, schema]) => [schema, name]))
  const schemaRef = (schema: z.ZodType) => {
    const name = names.get(schema)
    if (!name) throw new Error('A schema of the HTTP API has no name.')
    return ref('schemas', name)
  }
  const paths: Record<string, Record<string, Operation>> = {}
  for (const [name, route] of Object.entries(routes)) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(name, route, schemaRef) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Parley: HTTP',
      version,
      description:
        'JSON in, JSON out; the Content-Type of a request does not matter, and a body that may be empty may be missing. Errors are problem details (RFC 9457). Times are in seconds since the epoch. What happens in a room goes over WebSocket: see /asyncapi.json.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: Object.values(tags).map(name => ({ name })),
    paths,
    components: {
      schemas: jsonSchemas(schemas),
      examples: Object.fromEntries(Object.entries(problems).map(([code, value]) => [code, { value }])),
      headers: {
        CacheControl: { description: 'no-store: no cache keeps the answer.', schema: { const: 'no-store' } },
        RetryAfter: { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 0 } },
        WWWAuthenticate: { description: 'RFC 6750.', schema: { type: 'string' } },
      },
      securitySchemes: {
        idToken: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            'An id_token of POST /anonymous-signin or /refresh-token, or of the identity provider that the server trusts.',
        },
      },
    },
  }
}

const successes: Readonly<Record<AnyRoute['status'], string>> = {
  200: 'The answer.',
  201: 'The answer.',
  204: 'Done.',
  302: 'It is at the address in the header Location.',
}

function operation(name: string, route: AnyRoute, schemaRef: (schema: z.ZodType) => JsonSchema): Operation {
  const { answer, text, body } = route
  const content = {
    ...(text && { [text]: { schema: { type: 'string' } } }),
    ...(answer && { 'application/json': { schema: schemaRef(answer) } }),
  }
  return {
    operationId: name,
    tags: [route.tag],
    summary: route.summary,
    description: [route.description, accessSentences[route.access]].filter(Boolean).join(' '),
    security: security[route.access],
    parameters: [...route.path.matchAll(/:(\w+)/g)].map(([, parameter = '']) => ({
      name: parameter,
      in: 'path',
      required: true,
      description: parameters[parameter] ?? '',
      schema: { type: 'string' },
    })),
    ...(body && {
      requestBody: {
        required: !body.safeParse({}).success,
        content: { 'application/json': { schema: schemaRef(body) } },
      },
    }),
    responses: {
      [route.status]: {
        description: successes[route.status],
        ...(route.secret && { headers: { 'Cache-Control': ref('headers', 'CacheControl') } }),
        ...(route.status === 302 && { headers: { Location: { required: true, schema: { type: 'string' } } } }),
        ...((answer || text) && { content }),
      },
      ...Object.fromEntries([...byStatus(errorsOf(route))].map(([status, codes]) => [status, refusal(status, codes)])),
    },
  }
}

const accessErrors: Readonly<Record<Access, readonly ErrorCode[]>> = {
  anybody: [],
  identity: ['INVALID_TOKEN', 'RATE_LIMITED', 'UNAVAILABLE'],
  owner: ['INVALID_TOKEN', 'FORBIDDEN', 'ROOM_NOT_FOUND', 'ROOM_EXPIRED', 'RATE_LIMITED', 'UNAVAILABLE'],
  claimant: ['INVALID_TOKEN', 'FORBIDDEN', 'RATE_LIMITED', 'UNAVAILABLE'],
}

/** Every error that a route may be answered with. */
function errorsOf({ method, access, body, errors = [] }: AnyRoute): readonly ErrorCode[] {
  const all = new Set<ErrorCode>([
    ...(body ? (['INVALID_JSON', 'INVALID_MESSAGE'] as const) : []),
    ...accessErrors[access],
  ])
  for (const code of errors) all.add(code)
  if (method !== 'GET') all.add('MESSAGE_TOO_BIG')
  return [...all.add('INTERNAL')]
}

function byStatus(codes: readonly ErrorCode[]): Map<number, ErrorCode[]> {
  const groups = new Map<number, ErrorCode[]>()
  for (const code of codes) {
    const { httpStatus } = errorKinds[code]
    groups.set(httpStatus, [...(groups.get(httpStatus) ?? []), code])
  }
  return new Map([...groups].sort(([a], [b]) => a - b))
}

const refusal = (status: number, codes: readonly ErrorCode[]) => ({
  description: codes.map(code => `${code}: ${errorKinds[code].sentence}`).join(' '),
  headers: {
    'Cache-Control': ref('headers', 'CacheControl'),
    ...((status === 429 || status === 503) && { 'Retry-After': ref('headers', 'RetryAfter') }),
    ...(status === 401 && { 'WWW-Authenticate': ref('headers', 'WWWAuthenticate') }),
  },
  content: {
    'application/problem+json': {
      schema: { ...ref('schemas', 'Problem'), properties: { code: { enum: codes } } },
      examples: Object.fromEntries(codes.map(code => [code, ref('examples', code)])),
    },
  },
})

/** The schemas as JSON Schema, which refer to each other by name. */
function jsonSchemas(schemas: Readonly<Record<string, z.ZodType>>): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id })
  const generated = z.toJSONSchema(registry, {
    target: 'draft-2020-12',
    // As it goes over the wire; and what an answer may gain later is no fault.
    io: 'input',
    unrepresentable: 'any',
    uri: id => `#/components/schemas/${id}`,
    override({ jsonSchema }) {
      // It says of a type that programs do not change it, which is nothing that goes over the wire.
      delete jsonSchema.readOnly
      // The bounds that JavaScript has for integers, of which nobody else need know.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    },
  })
  return Object.fromEntries(
    Object.entries(generated.schemas).map(([name, { $id: _, $schema: __, ...schema }]) => [name, { ...schema }]),
  )
}
