import { authorization, headersOf, type Loot } from './http-headers.ts'
import * as json from './json.ts'
import { noUtf8 } from './json.ts'
import { anyName } from './names.ts'
import type { Random } from './random.ts'
import { firstVictim } from './world.ts'

export interface Request {
  /** As the OpenAPI document calls it; undefined: the path is none of the API's, or written so that it may be. */
  readonly operation: string | undefined
  readonly method: string
  readonly path: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** Whether `Authorization` proves an identity; undefined: it may. */
  readonly isIdentified: boolean
  readonly isOnVictim: boolean
  readonly isChunked: boolean
  /** Bytes before the body. */
  readonly headBytes: number
  readonly wire: Buffer
}

type Maker = (random: Random, loot: Loot) => string

const constant =
  (...texts: readonly string[]): Maker =>
  random =>
    random.pick(texts)
const number = constant(
  '1',
  '60',
  '86400',
  '86401',
  '0',
  '-1',
  '1.5',
  '1.0',
  '1e3',
  '1e400',
  '9007199254740993',
  'null',
  '"60"',
)
const nameMaker: Maker = random => json.literal(anyName(random))
const metadata: Maker = random =>
  random.pick([
    () => json.object(random, [['a', json.value(random)]]),
    () => json.sized(random.pick([100, 16_383, 16_384, 16_385, 20_000]), random.pick(['x', '🙂', '\\ud800'])),
    () => `{"a":${json.nested(random)}}`,
    () => '{"__proto__":{"a":1},"constructor":{}}',
    () => 'null',
  ])()
const peer: Maker = (random, loot) =>
  json.literal(random.pick([firstVictim, 'v-plain', 'v-elsewhere', 'p', 'nobody', anyName(random), loot.room]))
const room: Maker = (random, loot) =>
  json.literal(random.pick([loot.victimRoom, loot.victimRoom, loot.room, 'nowhere', '']))
const token: Maker = (random, loot) => json.literal(random.pick([loot.roomToken, loot.invite, 'wrong', '', null]))
const channels: Maker = random =>
  random.oneIn(3)
    ? json.literal(Array.from({ length: random.pick([31, 32, 33]) }, (_, n) => `c${n}`))
    : `[${Array.from({ length: random.pick([0, 1, 2, 32, 33]) }, () => nameMaker(random, {} as Loot)).join()}]`

const bodies: { readonly [operation: string]: { readonly [name: string]: Maker } } = {
  'POST /refresh-token': {
    refresh_token: (random, loot) => json.literal(random.pick([loot.refreshToken, loot.mine, 'wrong', ''])),
  },
  'POST /create-room': { ttl_seconds: number, max_peers: number, name: nameMaker, metadata },
  'POST /delete-peers-and-room': { peer_id: peer, room_id: room, token },
  'POST /delete-peer': { peer_id: peer, token },
  'PATCH /rooms/{room_id}': {
    ttl_seconds: number,
    name: nameMaker,
    max_peers: number,
    locked: constant('true', 'false', 'null', '1'),
  },
  'POST /rooms/{room_id}/invites': {
    single_use: constant('true', 'false', 'null'),
    ttl_seconds: number,
    role: nameMaker,
    channels,
  },
}
const extras = ['__proto__', 'constructor', 'toString', 'rôle', 'room_id', 'extra']

function bodyOf(random: Random, operation: string, loot: Loot): Buffer {
  const known = Object.entries(bodies[operation] ?? {})
  if (random.oneIn(20))
    return Buffer.from(random.pick(['', 'null', '[]', '7', '"a"', '{', json.nested(random), json.value(random)]))
  const isDamaged = random.oneIn(4)
  const members: [string, string][] = []
  for (const [name, make] of known) {
    if (random.oneIn(known.length > 2 ? 2 : 12)) continue
    members.push([name, isDamaged && random.oneIn(3) ? json.value(random) : make(random, loot)])
  }
  if (isDamaged && random.oneIn(3)) members.push([random.pick(extras), json.value(random)])
  if (random.oneIn(30)) members.push(['name', `"${'x'.repeat(random.pick([65_000, 65_536, 70_000, 200_000]))}"`])
  if (random.oneIn(20) && members.length > 0) members.push(random.pick(members))
  const text = json.object(random, members)
  const bytes = Buffer.from(random.oneIn(16) ? json.damage(random, text) : text)
  if (!random.oneIn(30)) return bytes
  const at = random.below(bytes.length + 1)
  return Buffer.concat([bytes.subarray(0, at), random.pick(noUtf8), bytes.subarray(at)])
}

const oddPaths = [
  ...[
    '/',
    '//livez',
    '/./livez',
    '/x/../livez',
    '/livez/',
    '/livez?a=b&a',
    '/%6civez',
    '/livez%00',
    '/%',
    '/%zz',
    '/%E0%A4%A',
    '/rooms/',
  ],
  ...[
    '/%2e%2e/metrics',
    '/metrics%2f',
    '/rooms/%2F',
    '/rooms/..',
    '/rooms/a/peers/',
    '/*',
    '/:room_id',
    '/__proto__',
    '/rooms/a/invites/b/c',
  ],
  ...[
    '/LIVEZ',
    '/livez;a',
    '/é'.normalize(),
    `/${'a'.repeat(3000)}`,
    '/rooms/%ff/peers/%fe',
    '/docs/../openapi.json',
    '/rooms//invites',
    '/livez#a',
  ],
]
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']

/** A request as the document has it, with something wrong in it or nothing. */
export function makeRequest(random: Random, operations: readonly string[], loot: Loot): Request {
  const chosen = random.pick(operations)
  const [usual = 'GET', template = '/'] = chosen.split(' ')
  const isOdd = random.oneIn(12)
  const method = random.oneIn(16) ? random.pick(methods) : usual
  const target = random.oneIn(3)
    ? loot.victimRoom
    : random.pick([loot.room, loot.room, loot.room, 'nowhere', encodeURIComponent(anyName(random).toWellFormed())])
  const segment = (name: string) =>
    random.pick([name, name, 'nobody', encodeURIComponent(anyName(random).toWellFormed())])
  const values = { '{room_id}': target, '{peer_id}': segment('p'), '{invite_id}': segment('i') }
  let path = template
  for (const [name, value] of Object.entries(values)) path = path.replace(name, () => value)
  // An empty segment, and one of dots, is another path.
  const isPlain = !isOdd && !/\/(\.|%2e)*(\/|$)/i.test(path)
  const written = isOdd ? random.pick(oddPaths) : path
  const { values: authorizations, isIdentified } = authorization(random, loot)
  const body = bodyOf(random, chosen, loot)
  const isChunked = random.oneIn(6)
  const headers: [string, string][] = [
    ['Host', random.oneIn(20) ? random.pick(['evil.example', 'localhost', '127.0.0.1']) : '127.0.0.1'],
    ...headersOf(random),
    ...authorizations.map((value): [string, string] => ['Authorization', value]),
  ]
  const head = [
    `${method} ${written} HTTP/1.1`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`,
  ]
  const headLines = Buffer.from(`${head.join('\r\n')}\r\n\r\n`)
  const wire = Buffer.concat([headLines, isChunked ? chunked(random, body) : body])
  return {
    operation: isPlain ? `${method} ${template}` : undefined,
    ...{ method, path: written, headers, body, isIdentified, isChunked, wire, headBytes: headLines.length },
    isOnVictim: target === loot.victimRoom && template.includes('{room_id}'),
  }
}

/** RFC 9112 section 7.1. */
function chunked(random: Random, body: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < body.length; ) {
    const chunk = body.subarray(at, at + 1 + random.below(random.oneIn(2) ? 16 : body.length))
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'))
    at += chunk.length
    // A body of many small chunks is no other case than one of some.
    if (parts.length > 60) {
      const rest = body.subarray(at)
      if (rest.length > 0) parts.push(Buffer.from(`${rest.length.toString(16)}\r\n`), rest, Buffer.from('\r\n'))
      break
    }
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
}
