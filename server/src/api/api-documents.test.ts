import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import asyncApiSpecs from '@asyncapi/specs'
import { channelList, decode, peerMessages, serverMessages } from '@parley/protocol'
import { errors, fromPeers, fromServer } from '@parley/protocol/fixtures'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv } from 'ajv'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020'
import { startServer, TestPeer, type TestServer } from '../../test/harness.ts'
import { inWorld } from '../../test/world.ts'
import { readConfig } from '../config.ts'
import { rateLimit } from '../rate-limit.ts'
import { createApi } from './api.ts'
import type { AsyncApi } from './asyncapi.ts'
import type { OpenApi, Operation } from './openapi.ts'
import { Renewals } from './renewals.ts'

let server: TestServer
let openApi: OpenApi
let asyncApi: AsyncApi

const documentOf = async <T>(at: TestServer, path: string) => (await (await fetch(at.http + path)).json()) as T

beforeAll(async () => {
  server = await startServer()
  openApi = await documentOf<OpenApi>(server, '/openapi.json')
  asyncApi = await documentOf<AsyncApi>(server, '/asyncapi.json')
})
afterAll(() => server[Symbol.asyncDispose]())

/** Every operation of the document, as `GET /rooms/{room_id}`. */
const operationsOf = ({ paths }: OpenApi) =>
  new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]): [string, Operation] => [
        `${method.toUpperCase()} ${path}`,
        operation,
      ]),
    ),
  )

/** The references of a document, wherever they are. */
function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  const own = '$ref' in value && typeof value.$ref === 'string' ? [value.$ref] : []
  return [...own, ...Object.values(value).flatMap(referencesIn)]
}

function resolve(document: object, reference: string): unknown {
  const names = reference.replace(/^#\//, '').split('/')
  return names.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], document)
}

describe('the OpenAPI document', () => {
  test('is a valid one', async () => {
    const validator = new Validator()
    expect(await validator.validate({ ...openApi })).toEqual({ valid: true })
    expect(validator.version).toBe('3.1')
    for (const reference of referencesIn(openApi))
      expect([reference, resolve(openApi, reference)]).not.toContain(undefined)
  })

  test('has every route of the API, and no other', () =>
    inWorld(async ({ rooms, identity, clock, log, metrics, budget, slices }) => {
      const { config } = readConfig({})
      const app = createApi(
        { ...config, deleteByAddress: true, isLocal: true },
        {
          ...{ rooms, identity, clock, log, metrics, budget, slices, version: '1', signIns: rateLimit(1, clock) },
          renewals: new Renewals(identity, 1, clock),
          gauges: () => ({
            ...{
              connections: 0,
              carried: { away: 0, here: 0 },
              unregistered: 0,
              rooms: 0,
              roomsPastEnd: 0,
              peers: 0,
              peersAway: 0,
              queued: 0,
              queueBudget: 0,
            },
            ...{ past: { memories: 0, idleRooms: 0 }, logLinesDropped: 0, residentMemory: 0 },
            certificateExpiresAt: undefined,
          }),
          ready: async () => 'ready' as const,
          refusedOrigin: () => {},
          refusedAttempt: () => {},
          iceServers: () => ({ ice_servers: [], mesh_ice_servers: [] }),
          turnUser: () => undefined,
        },
      )
      const routes: string[] = app.routes
        .filter(({ method }) => method !== 'ALL')
        .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
      expect([...operationsOf(openApi).keys()].toSorted()).toEqual([...new Set(routes)].toSorted())
    }))

  test('knows the settings', async () => {
    const settings = {
      PARLEY_ROOM_TTL_SECONDS: '50',
      PARLEY_MAX_ROOM_TTL_SECONDS: '70',
      PARLEY_MAX_PEERS_PER_ROOM: '9',
    }
    await using strict = await startServer(settings)
    const { schemas } = (await documentOf<OpenApi>(strict, '/openapi.json')).components
    expect(schemas.CreateRoom).toMatchObject({ properties: { ttl_seconds: { default: 50 } } })
    expect(schemas.ChangeRoom).toMatchObject({ properties: { ttl_seconds: { maximum: 70 } } })
    expect(schemas.ChangeRoom).toMatchObject({
      properties: { max_peers: { anyOf: [{ maximum: 9 }, { type: 'null' }] } },
    })
  })

  test('holds the role and the channels of an invitation to what register takes', () => {
    const { description: _, ...role } = Object(openApi.components.schemas.CreateInvite?.properties).role
    expect(role).toEqual(peerMessages.register.members.role.optional.schema)
    const { description: __, ...channels } = Object(openApi.components.schemas.CreateInvite?.properties).channels
    expect(channels).toEqual(channelList.schema)
  })
})

/** Checks what really comes against what the OpenAPI document says of it. */
class Checker {
  readonly seen = new Set<string>()
  readonly #operations: Map<string, Operation>
  readonly #ajv = new Ajv2020({ strict: false })

  constructor(
    private readonly at: TestServer,
    document: OpenApi,
  ) {
    this.#operations = operationsOf(document)
    const complete = structuredClone(document)
    // Of what is sent, nothing may be left out of the document; whoever reads it should bear more.
    for (const schema of Object.values(complete.components.schemas)) {
      if (schema.properties) Object.assign(schema, { additionalProperties: false })
    }
    this.#ajv.addSchema(complete, 'openapi')
  }

  /** The answer to a request of the operation; `path` has what stands for the names in it. */
  async ask(name: string, path: string, idToken?: string, body?: unknown, headers: Record<string, string> = {}) {
    const [method = '', template = ''] = name.split(' ')
    const response = await fetch(this.at.http + path, {
      method,
      redirect: 'manual',
      headers: { ...headers, ...(idToken !== undefined && { Authorization: `Bearer ${idToken}` }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const { status } = response
    const documented = this.#operations.get(name)?.responses[status]
    expect([name, status, documented !== undefined]).toEqual([name, status, true])
    const isSecret = response.headers.get('cache-control') === 'no-store'
    expect([name, status, isSecret]).toEqual([name, status, 'Cache-Control' in (documented?.headers ?? {})])
    for (const header of ['Retry-After', 'WWW-Authenticate']) {
      expect([name, status, response.headers.has(header)]).toEqual([
        name,
        status,
        header in (documented?.headers ?? {}),
      ])
    }
    const text = await response.text()
    if (status < 400) this.seen.add(name)
    if (text === '') {
      expect([name, documented?.content]).toEqual([name, undefined])
      return {}
    }
    const type = response.headers.get('content-type') ?? ''
    const content = Object.keys(documented?.content ?? {}).find(known => known.toLowerCase() === type.toLowerCase())
    expect([name, type, content]).toEqual([name, type, expect.any(String)])
    const value: unknown = type.includes('json') ? JSON.parse(text) : text
    const pointer = ['paths', template, method.toLowerCase(), 'responses', status, 'content', content ?? '', 'schema']
    const steps = pointer.map(step => encodeURIComponent(String(step).replaceAll('~', '~0').replaceAll('/', '~1')))
    expectValid(this.#ajv.compile({ $ref: `openapi#/${steps.join('/')}` }), value)
    return value as Record<string, string>
  }

  /** Operations that nothing was successfully asked of yet. */
  unseen = () => [...this.#operations.keys()].filter(name => !this.seen.has(name))
}

function expectValid(validate: ValidateFunction, value: unknown): void {
  validate(value)
  expect([value, validate.errors]).toEqual([value, null])
}

test('what the API answers is what the OpenAPI document says, for every route', async () => {
  await using turn = await startServer({
    PARLEY_STUN_URLS: 'stun:stun.example.com:3478',
    PARLEY_TURN_URLS: 'turn:turn.example.com:3478',
    PARLEY_TURN_SECRET: 'a-secret-of-the-turn-servers-000',
    PARLEY_SIGN_INS_PER_MINUTE: '6',
    PARLEY_MAX_ROOMS_PER_IDENTITY: '2',
    PARLEY_DELETE_BY_ADDRESS: 'off',
  })
  const checker = new Checker(turn, await documentOf<OpenApi>(turn, '/openapi.json'))
  const ask = checker.ask.bind(checker)
  const { id_token: mine, refresh_token } = await ask('POST /anonymous-signin', '/anonymous-signin')
  const { id_token: theirs } = await ask('POST /anonymous-signin', '/anonymous-signin')
  const refresh = (body: object) => ask('POST /refresh-token', '/refresh-token', undefined, body)
  const long = { name: 'x'.repeat(70_000) }
  await refresh({ refresh_token })
  await refresh({ refresh_token: mine })
  await refresh({ refresh_token: 7 })
  await refresh(long)
  const room = await ask('POST /create-room', '/create-room', mine, { name: 'lab', metadata: { a: [1] }, max_peers: 9 })
  const other = await ask('POST /create-room', '/create-room', mine)
  await ask('POST /create-room', '/create-room', mine)
  await ask('POST /create-room', '/create-room', 'wrong')
  await ask('POST /create-room', '/create-room', mine, { ttl_seconds: 0 })
  await ask('POST /create-room', '/create-room', mine, long)

  const path = `/rooms/${room.room_id}`
  const key = { room_id: room.room_id ?? '', token: room.token ?? '' }
  using _peer = await turn.join(key, 'a', { id_token: theirs, is_admin: true, channels: ['one'] })
  await ask('POST /rooms/{room_id}/invites', `${path}/invites`, mine, {
    role: 'guest',
    channels: ['one'],
    ttl_seconds: 9,
  })
  const invite = await ask('POST /rooms/{room_id}/invites', `${path}/invites`, mine)
  using _guest = await turn.join({ ...key, token: invite.token ?? '' }, 'b', { id_token: mine })
  await ask('POST /rooms/{room_id}/invites', `${path}/invites`, mine, { rôle: 1 })
  await ask('GET /rooms', '/rooms', mine)
  await ask('GET /rooms', '/rooms')
  await ask('GET /rooms/{room_id}', path, mine)
  await ask('GET /rooms/{room_id}', path, theirs)
  await ask('GET /rooms/{room_id}', '/rooms/nowhere', mine)
  await ask('PATCH /rooms/{room_id}', path, mine, { locked: true })
  await ask('PATCH /rooms/{room_id}', path, mine, long)
  await ask('DELETE /rooms/{room_id}/peers/{peer_id}', `${path}/peers/nobody`, mine)
  await ask('DELETE /rooms/{room_id}/peers/{peer_id}', `${path}/peers/a`, mine)
  await ask('GET /rooms/{room_id}', path, mine)
  await ask('POST /rooms/{room_id}/peers/{peer_id}/readmit', `${path}/peers/a/readmit`, mine)
  await ask('POST /rooms/{room_id}/peers/{peer_id}/readmit', `${path}/peers/a/readmit`, mine)
  await ask('DELETE /rooms/{room_id}/invites/{invite_id}', `${path}/invites/${invite.invite_id}`, mine)
  await ask('DELETE /rooms/{room_id}/invites/{invite_id}', `${path}/invites/${invite.invite_id}`, mine)

  await ask('DELETE /rooms/{room_id}', `/rooms/${other.room_id}`, theirs)
  await ask('DELETE /rooms/{room_id}', `/rooms/${other.room_id}`, mine)
  await ask('DELETE /rooms/{room_id}', `/rooms/${other.room_id}`, mine)
  const last = await ask('POST /create-room', '/create-room', mine)

  await ask('GET /ice-servers', '/ice-servers', theirs)
  await ask('GET /ice-servers', '/ice-servers')
  await ask('POST /delete-peer', '/delete-peer', undefined, { peer_id: 'b' })
  await ask('POST /delete-peer', '/delete-peer', 'wrong', { peer_id: 'b' })
  await ask('POST /delete-peer', '/delete-peer', undefined, { peer_id: 'nobody' })
  await ask('POST /delete-peer', '/delete-peer', undefined, { peer_id: 'b', token: room.token })
  await ask('POST /delete-peers-and-room', '/delete-peers-and-room')
  await ask('POST /delete-peers-and-room', '/delete-peers-and-room', undefined, { room_id: 'nowhere' })
  await ask('POST /delete-peers-and-room', '/delete-peers-and-room', undefined, last)

  for (const at of ['/health', '/livez', '/readyz', '/metrics', '/.well-known/jwks.json']) await ask(`GET ${at}`, at)
  for (const at of ['/', '/docs', '/openapi.json', '/asyncapi.json']) await ask(`GET ${at}`, at)
  await ask('GET /metrics', '/metrics', undefined, undefined, { Accept: 'application/json' })
  for (let n = 0; n < 3; n++) await ask('POST /anonymous-signin', '/anonymous-signin')
  await refresh({ refresh_token })
  expect(checker.unseen()).toEqual([])
})

test('what a failing provider makes of the API is in the OpenAPI document, too', async () => {
  const down = () => Promise.reject(new Error('down'))
  const members = { signIn: down, refresh: down, verify: down, signOut: down, keys: down, ready: down }
  await using failing = await startServer({}, { identity: { ...members, close: async () => {} } })
  const checker = new Checker(failing, openApi)
  await checker.ask('POST /anonymous-signin', '/anonymous-signin')
  await checker.ask('POST /refresh-token', '/refresh-token', undefined, { refresh_token: 'any' })
  for (const [name, { security }] of operationsOf(openApi)) {
    const [, template = ''] = name.split(' ')
    if (security.length === 1) await checker.ask(name, template.replace(/[{}]/g, ''), 'any')
  }
  await checker.ask('GET /readyz', '/readyz')
  await checker.ask('GET /.well-known/jwks.json', '/.well-known/jwks.json')
  expect([...checker.seen]).toEqual([])
})

describe('the AsyncAPI document', () => {
  const ajv = new Ajv2020({ strict: false })
  const payload = (name: string) => ajv.compile(asyncApi.components.messages[name]?.payload ?? false)

  test('is a valid one', () => {
    // The schema has draft 7 in it; Ajv's own would be a second one of the same name.
    const ajv = new Ajv({ strict: false, validateFormats: false, meta: false, validateSchema: false })
    expectValid(ajv.compile({ ...asyncApiSpecs.schemas['3.0.0'] } as object), asyncApi)
    for (const reference of referencesIn(asyncApi)) {
      expect([reference, resolve(asyncApi, reference)]).not.toContain(undefined)
    }
  })

  test('has every message of either side, once, and the signals that are relayed', () => {
    const names = Object.entries(asyncApi.operations).map(([name, { action }]) => [
      action,
      name.replace(/^[a-z]+_/, ''),
    ])
    const peers = Object.keys(peerMessages).map(type => ['receive', type])
    const own = Object.keys(serverMessages).map(type => ['send', type])
    const relayed = ['offer', 'answer', 'candidate'].map(type => ['send', type])
    expect(names).toEqual([...peers, ...own, ...relayed])
  })

  test('says what answers a message', () => {
    const replies = (type: string) =>
      asyncApi.operations[`receive_${type}`]?.reply?.messages.map(({ $ref }) => $ref.split('/').at(-1))
    expect(replies('register')).toEqual(['server.registered_auth', 'server.error'])
    expect(replies('query')).toEqual(['server.available_peers', 'server.error'])
    expect(replies('broadcast')).toEqual(['server.ack', 'server.error'])
  })

  test('has a form that every golden message has', () => {
    const golden = [
      ...Object.values(fromPeers).map(message => [`peer.${message.type}`, message] as const),
      ...Object.values(fromServer).map(message => [`server.${message.type}`, message] as const),
      ...Object.values(errors).map(message => ['server.error', message] as const),
      ...['offer', 'answer', 'candidate'].map(type => [`server.${type}`, Object(fromPeers)[type]] as const),
    ]
    for (const [name, message] of golden) expectValid(payload(name), message)
    expect(new Set<string>(golden.map(([name]) => name))).toEqual(new Set(Object.keys(asyncApi.components.messages)))
    const examples = Object.values(asyncApi.components.messages).flatMap(message => message.examples)
    expect(examples).toHaveLength(golden.length)
  })

  test('asks as much of a message as the server does', () => {
    const wrong = [undefined, 7, '', [], { a: 1 }, 'x'.repeat(200), 'a\u0000b', ['a', 7], Array(40).fill('a')]
    for (const message of Object.values(fromPeers)) {
      const validate = payload(`peer.${message.type}`)
      for (const name of Object.keys(message)) {
        for (const value of wrong) {
          const changed = JSON.parse(JSON.stringify({ ...message, [name]: value }))
          expect([changed, validate(changed)]).toEqual([changed, isUnderstood(changed)])
        }
      }
    }
  })

  test('says where the WebSocket is, as the page does', async () => {
    const { address } = Object(asyncApi.channels.parley)
    using peer = await TestPeer.connect(`${server.http.replace('http', 'ws')}${address}`)
    expect(peer.socket.readyState).toBe(WebSocket.OPEN)
    expect(await (await fetch(`${server.http}/docs`)).text()).toContain(`<code>${address}</code>`)
  })

  test('knows the settings', async () => {
    await using short = await startServer({ PARLEY_MAX_PEER_ID_LENGTH: '7' })
    const { components } = await documentOf<AsyncApi>(short, '/asyncapi.json')
    expect(components.messages['peer.register']?.payload).toMatchObject({
      properties: { peer_id: { 'x-maxGraphemes': 7 } },
    })
  })
})

function isUnderstood(message: object): boolean {
  try {
    decode(JSON.stringify(message))
    return true
  } catch {
    return false
  }
}

describe('GET /docs', () => {
  test('is one page that needs and may load nothing else', async () => {
    const response = await fetch(`${server.http}/docs`)
    expect(response.headers.get('content-type')).toMatch(/^text\/html; charset=utf-8$/i)
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toStartWith("default-src 'none'; style-src 'sha256-")
    expect(policy).not.toMatch(/unsafe|https?:|\*/)
    const page = await response.text()
    expect(page).not.toMatch(/<script|<iframe|\bon[a-z]+=|javascript:|@import|url\(/i)
    const addresses = [...page.matchAll(/(?:src|href)="([^"#][^"]*)"/g)].map(([, address]) => address)
    expect(addresses).toEqual(['data:,', 'openapi.json', 'asyncapi.json'])
  })
})
