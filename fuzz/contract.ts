import type { ErrorCode } from '@parley/protocol'
import { isName } from './names.ts'

// What docs/protocol.md says of the frames of a peer, said a second time. It shares nothing with protocol/, so that a
// guard which goes missing there is noticed here.

export type Json = { readonly [name: string]: unknown }

/** What an error repeats of the message that it is about. */
export interface Echo {
  readonly requestId: string | undefined
  readonly target: string | undefined
  readonly targetPeerId: string | undefined
  readonly isRegister: boolean
}

export type Expected =
  /** `message` is what the server reads, `parsed` what JSON.parse does. */
  | { readonly message: Json & { readonly type: string }; readonly parsed: Json }
  /** The sentence begins with one of `blamed`, if there are any. */
  | { readonly code: ErrorCode; readonly echo: Echo; readonly blamed?: readonly string[] }

interface Member {
  is(value: unknown): boolean
  read?(value: unknown): unknown
  /** What it is when it is missing or null; without this it is required. */
  readonly fallback?: { readonly value: unknown }
}

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
export const nfc = (text: string): string => text.normalize('NFC')
const isText = (value: unknown): value is string => typeof value === 'string'

const text: Member = { is: isText }
const filled: Member = { is: value => isText(value) && value.length > 0 }
const anything: Member = { is: () => true }
const something: Member = {
  is: value => value !== null && value !== '' && (typeof value !== 'object' || Object.keys(value).length > 0),
}
const count: Member = { is: value => Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 53 }
const flag: Member = { is: value => value === true || value === false }
const name = (most: number): Member => ({ is: value => isName(value, most), read: value => nfc(String(value)) })
const list = (item: Member, most: number): Member => ({
  is: value => Array.isArray(value) && value.length <= most && value.every(item.is),
  ...(item.read && { read: value => (value as unknown[]).map(entry => item.read?.(entry)) }),
})
const metadata: Member = { is: value => isObject(value) && Buffer.byteLength(JSON.stringify(value)) <= 16_384 }
const maybe = (member: Member, value?: unknown): Member => ({ ...member, fallback: { value } })
/** A peer's own name is kept as it is written. */
const ownName = (most: number): Member => ({
  is: value => isName(value, most) && value !== '.' && value !== '..',
})

const request_id = maybe(anything)
const from = maybe(anything)

const messages: { readonly [type: string]: { readonly [name: string]: Member } } = {
  register: {
    peer_id: ownName(128),
    room_id: filled,
    token: filled,
    id_token: filled,
    role: maybe(name(64), 'peer'),
    metadata: maybe(metadata, {}),
    is_admin: maybe(flag, false),
    features: maybe(list({ is: value => isText(value) && value.length <= 64 }, 32), []),
    channels: maybe(list(name(64), 32), []),
    request_id,
  },
  query: { request_id },
  discover_peers: { from_peer_id: from, filters: maybe(metadata, {}), request_id },
  update_metadata: { peer_id: from, metadata, request_id },
  peer_message: { from_peer_id: from, to_peer_id: text, payload: something, request_id },
  mesh_connect: { from_peer_id: from, target_peer_id: text, offer: anything, request_id },
  mesh_answer: { from_peer_id: from, target_peer_id: text, answer: anything, request_id },
  ice_candidate: { from_peer_id: from, target_peer_id: text, candidate: anything, request_id },
  join_channel: { channel: name(64), request_id },
  leave_channel: { channel: name(64), request_id },
  broadcast: { from_peer_id: from, channel: maybe(name(64)), payload: anything, request_id },
  get_ice_servers: { request_id },
  resume: { room_id: filled, peer_id: filled, token: filled, received: count, request_id },
  renew: { id_token: filled, request_id },
}

export const signals = ['offer', 'answer', 'candidate']

/** What is to become of a frame. @param peerIdLength characters of a `peer_id` */
export function expected(frame: string, peerIdLength = 128): Expected {
  let parsed: unknown
  try {
    parsed = JSON.parse(frame)
  } catch {
    return { code: 'INVALID_JSON', echo: nothing }
  }
  if (!isObject(parsed)) return { code: 'INVALID_MESSAGE', echo: nothing, blamed: ['A message is a JSON object'] }
  const { type } = parsed
  const echo = echoOf(parsed)
  if (frame.length >= 256 && levels(parsed) > 128) return { code: 'INVALID_MESSAGE', echo, blamed: ['Objects'] }
  if (type === undefined) return { code: 'INVALID_MESSAGE', echo, blamed: ['The message'] }
  if (isText(type) && signals.includes(type)) {
    if (!isText(parsed.target)) return { code: 'INVALID_MESSAGE', echo, blamed: ['target'] }
    return { message: { ...parsed, type }, parsed }
  }
  const form = isText(type) && Object.hasOwn(messages, type) ? messages[type] : undefined
  if (!isText(type) || !form) return { code: 'UNKNOWN_MESSAGE_TYPE', echo }
  const first = type === 'register' ? wrongInRegister(parsed, peerIdLength) : []
  const blamed = [...first]
  const read: Record<string, unknown> = { type }
  for (const [member, { is, read: readIt, fallback }] of Object.entries(form)) {
    const value = Object.hasOwn(parsed, member) ? parsed[member] : undefined
    if (fallback && (value === undefined || value === null)) read[member] = fallback.value
    else if (type === 'register' && member === 'peer_id') read[member] = value
    else if (value !== undefined && is(value)) read[member] = readIt ? readIt(value) : value
    else blamed.push(`${member} `)
  }
  if (blamed.length > 0) {
    // What the original said of a register comes first, in its words.
    return { code: 'INVALID_MESSAGE', echo, blamed: first.length > 0 ? first : blamed }
  }
  return { message: { ...read, type }, parsed }
}

function wrongInRegister(parsed: Json, peerIdLength: number): string[] {
  const required = ['peer_id', 'room_id', 'token', 'id_token']
  if (!required.every(member => Object.hasOwn(parsed, member) && parsed[member])) return ['Missing required fields']
  const wrong = required.filter(member => !isText(parsed[member])).map(member => `${member} must be a string.`)
  return wrong.length > 0 || ownName(peerIdLength).is(parsed.peer_id) ? wrong.slice(0, 1) : ['peer_id ']
}

const nothing: Echo = { requestId: undefined, target: undefined, targetPeerId: undefined, isRegister: false }

/** What an error about `message` repeats of it. */
export function echoOf(message: Json): Echo {
  const own = (member: string) => (Object.hasOwn(message, member) ? message[member] : undefined)
  const short = (value: unknown) => (isText(value) && value.length <= 1024 ? value : undefined)
  const targetPeerId = short(own('target_peer_id'))
  return {
    requestId: requestId(own('request_id')),
    target: short(own('target')) ?? short(own('to_peer_id')) ?? targetPeerId,
    targetPeerId,
    isRegister: own('type') === 'register',
  }
}

const idCharacters = new Set('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-')

/** A `request_id` that an answer can bear. */
export function requestId(value: unknown): string | undefined {
  if (!isText(value) || value.length < 1 || value.length > 64) return undefined
  return [...value].every(character => idCharacters.has(character)) ? value : undefined
}

/** How deep objects and arrays lie within each other. */
export function levels(root: object): number {
  let most = 0
  const open: [value: object, level: number][] = [[root, 1]]
  for (let next = open.pop(); next; next = open.pop()) {
    const [value, level] = next
    most = Math.max(most, level)
    for (const member of Object.values(value)) {
      if (typeof member === 'object' && member !== null) open.push([member, level + 1])
    }
  }
  return most
}

/**
 * The members of a JSON object by name, each as the text that it is written as; of a name that stands twice the last.
 * `json` must be an object that JSON.parse reads.
 */
export function membersOf(json: string): Map<string, string> {
  const members = new Map<string, string>()
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs
  let level = 0
  let name: string | undefined
  let start = -1
  let end = -1
  for (const token of json.matchAll(tokens)) {
    const [text] = token
    if (level === 1 && (text === ',' || text === '}')) {
      if (name !== undefined) members.set(name, json.slice(start, end))
      name = undefined
      start = -1
    } else if (level === 1 && text !== ':') {
      if (name === undefined) name = JSON.parse(text)
      else if (start < 0) start = token.index
    }
    if (text === '{' || text === '[') level++
    if (text === '}' || text === ']') level--
    end = token.index + text.length
  }
  return members
}
