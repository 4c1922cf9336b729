import * as json from './json.ts'
import { anyName } from './names.ts'
import type { Random } from './random.ts'

/** What is worth naming, so that rubbish gets past the first door. */
export interface Vocabulary {
  readonly peers: readonly string[]
  readonly channels: readonly string[]
  readonly rooms: readonly string[]
  readonly tokens: readonly string[]
  readonly idTokens: readonly string[]
  /** Names that the sender goes by. */
  readonly self: readonly string[]
}

export const someVocabulary: Vocabulary = {
  peers: ['Client-123', 'Worker-456', 'Zo\u00eb', 'Zoe\u0308'],
  channels: ['renderers', 'blue', 'caf\u00e9', 'cafe\u0301'],
  rooms: ['8ngcjnrtf6mjg'],
  tokens: ['kCytgztJ-Q-xOA4K1GTupd8hT3DwZBys'],
  idTokens: ['eyJhbGciOiJFUzI1NiJ9.eyJ0b2tlbl91c2UiOiJpZCJ9.c2lnbmF0dXJl'],
  self: ['Client-123'],
}

type Maker = (random: Random, words: Vocabulary) => string

const often = (usual: Maker, rare: Maker, times = 8): Maker => {
  return (random, words) => (random.oneIn(times) ? rare : usual)(random, words)
}
const from = (list: (words: Vocabulary) => readonly string[]): Maker => {
  return (random, words) => json.literal(random.pick(list(words)))
}
const anyText: Maker = random => json.string(random)
const name: Maker = random => json.literal(anyName(random))
const peer = often(
  from(({ peers }) => peers),
  name,
)
const self = often(
  from(({ self }) => self),
  peer,
)
const channel = often(
  from(({ channels }) => channels),
  name,
  4,
)
const sdp: Maker = random => {
  const line = random.pick([
    'a=x\\r\\n',
    'v=0\\r\\no=- 46 2 IN IP4 127.0.0.1\\r\\n',
    '{[',
    '\\u00e9',
    'é',
    '\\\\',
    '🙂',
  ])
  return `"${line.repeat(random.below(random.oneIn(4) ? 120 : 4))}${random.oneIn(40) ? random.pick(['\\', '\\x', '\n', '\\"', '"']) : ''}"`
}
const description: Maker = (random, words) => `{"type":"offer","sdp":${sdp(random, words)}}`
const bulk: Maker = random =>
  json.sized(random.pick([16_000, 16_383, 16_384, 16_385, 16_386, 20_000]), random.pick(['x', 'é', '🙂', '\\ud800']))
const anyValue: Maker = random => {
  if (random.oneIn(200)) return json.nested(random)
  if (random.oneIn(1000)) return bulk(random, someVocabulary)
  return random.oneIn(6) ? anyText(random, someVocabulary) : json.value(random)
}
const metadata: Maker = random => {
  if (random.oneIn(100)) return bulk(random, someVocabulary)
  if (random.oneIn(60)) return `{"a":${json.nested(random)}}`
  const members: [string, string][] = []
  if (random.oneIn(2)) members.push(['tags', random.pick(['["gpu"]', '["gpu","idle"]', '[]', '"gpu"', '[1,null]'])])
  if (random.oneIn(2))
    members.push(['properties', random.pick(['{"gb":24}', '{"gb":1.0}', '{}', '[]', '{"__proto__":1}'])])
  if (random.oneIn(3)) members.push([random.pick(['role', 'a', '__proto__', 'constructor']), json.value(random, 2)])
  return json.object(random, members)
}
const filters: Maker = random => {
  const operator = random.pick(['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$exists', '$no', '__proto__'])
  return random.pick([
    `{"properties":{"gb":{"${operator}":${json.value(random, 1)}}}}`,
    `{"role":${json.value(random, 1)},"tags":${json.value(random, 2)}}`,
    '{"role":"peer"}',
    metadata(random, someVocabulary),
  ])
}
const listOf = (item: Maker, lengths: readonly number[]): Maker => {
  return (random, words) => `[${Array.from({ length: random.pick(lengths) }, () => item(random, words)).join()}]`
}
const feature: Maker = random =>
  json.literal(
    random.pick(['acks', 'presence', 'channels', 'resume', '', 'x'.repeat(64), random.oneIn(4) ? 'x'.repeat(65) : 'a']),
  )
const requestId: Maker = random =>
  json.literal(
    random.pick([
      'r-1',
      'A_z.9',
      'x'.repeat(64),
      `r${random.below(1e6)}`,
      random.pick(['', 'x'.repeat(65), 'a b', 7, null, 'é', ['r']]),
    ]),
  )

const mesh = { from_peer_id: self, target_peer_id: peer }
const members: { readonly [type: string]: { readonly [name: string]: Maker } } = {
  register: {
    peer_id: often(
      from(({ self }) => self),
      often(peer, name, 2),
      3,
    ),
    room_id: from(({ rooms }) => rooms),
    token: from(({ tokens }) => tokens),
    id_token: from(({ idTokens }) => idTokens),
    role: name,
    metadata,
    is_admin: random => random.pick(['true', 'false', 'null', '1']),
    features: listOf(feature, [0, 1, 2, 3, 31, 32, 33]),
    channels: listOf(channel, [0, 0, 1, 2, 32, 33]),
  },
  offer: { sender: self, target: peer, sdp },
  answer: { sender: self, target: peer, sdp },
  candidate: { sender: self, target: peer, candidate: anyValue },
  query: {},
  discover_peers: { from_peer_id: self, filters },
  update_metadata: { peer_id: self, metadata },
  peer_message: { from_peer_id: self, to_peer_id: peer, payload: anyValue },
  mesh_connect: { ...mesh, offer: often(description, anyValue, 2) },
  mesh_answer: { ...mesh, answer: often(description, anyValue, 2) },
  ice_candidate: { ...mesh, candidate: anyValue },
  join_channel: { channel },
  leave_channel: { channel },
  broadcast: { from_peer_id: self, channel, payload: anyValue },
  get_ice_servers: {},
  resume: {
    room_id: from(({ rooms }) => rooms),
    peer_id: peer,
    token: from(({ tokens }) => tokens),
    received: random => random.pick(['0', '1', '255', '-1', '1.5', '9007199254740993', '"1"']),
  },
  renew: { id_token: from(({ idTokens }) => idTokens) },
}
const types = Object.keys(members)
const required = [
  'peer_id',
  'room_id',
  'token',
  'id_token',
  'target',
  'to_peer_id',
  'target_peer_id',
  'payload',
  'metadata',
  'received',
]
const noTypes = [
  '"ping"',
  '"__proto__"',
  '"constructor"',
  '"toString"',
  '""',
  'null',
  '7',
  '["offer"]',
  '{"offer":1}',
  '"OFFER"',
  '"resumed"',
]
const extras = [
  'sender',
  'target',
  'to_peer_id',
  'target_peer_id',
  'sdp',
  'payload',
  'type',
  '__proto__',
  'constructor',
  'from_peer_id',
  'extra',
]

const odd: readonly ((random: Random) => string)[] = [json.value, json.string, json.nested, () => '']

/** A frame that is a message, or was meant to be one. */
export function frame(random: Random, words: Vocabulary): string {
  if (random.oneIn(60)) return random.pick(odd)(random)
  const type = random.pick(types)
  const parts: [name: string, text: string][] = []
  const isDamaged = random.oneIn(4)
  for (const [name, make] of Object.entries(members[type] ?? {})) {
    const optional = !required.includes(name) && !['offer', 'answer', 'candidate', 'channel'].includes(name)
    if (optional ? random.oneIn(2) : random.oneIn(60)) continue
    parts.push([name, isDamaged && random.oneIn(4) ? anyValue(random, words) : make(random, words)])
  }
  if (random.oneIn(2)) parts.push(['request_id', requestId(random, words)])
  if (isDamaged && random.oneIn(2)) {
    const name = random.pick(extras)
    parts.push([name, random.oneIn(2) ? peer(random, words) : anyValue(random, words)])
  }
  const typeText = random.oneIn(40) ? random.pick(noTypes) : json.literal(type)
  if (!random.oneIn(80)) parts.splice(random.oneIn(8) ? random.below(parts.length + 1) : 0, 0, ['type', typeText])
  if (random.oneIn(16) && parts.length > 1) parts.push(random.pick(parts))
  const text = json.object(random, parts)
  return random.oneIn(12) ? json.damage(random, text) : text
}
