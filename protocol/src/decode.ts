import { type ErrorContext, SignalingError } from './errors.ts'
import { limits } from './limits.ts'
import { type JsonObject, type PeerMessage, type Register, type Signal, signalTypes } from './messages.ts'
import { withoutSdp } from './without-sdp.ts'

/** Characters up to which JSON.parse is so fast that there is nothing to save. */
const shortText = 512

/**
 * Reads a frame of a peer: what it is, and whom it is for. The only door into the server.
 *
 * It reads what JSON.parse reads, so of a key that stands twice the last counts, as it does for the receiver in Python
 * and JavaScript.
 *
 * @param peerIdLength characters that a `peer_id` may have
 * @throws SignalingError INVALID_JSON, INVALID_MESSAGE or UNKNOWN_MESSAGE_TYPE
 */
export function decode(text: string, peerIdLength: number = limits.peerIdLength): PeerMessage {
  const message = parse(text)
  switch (message.type) {
    case 'offer':
    case 'answer':
    case 'candidate':
      if (!isSignal(message)) throw invalid(message, 'target must be the peer_id that the message is for.')
      return message
    case 'register':
      return register(message, peerIdLength)
    case undefined:
      throw invalid(message, 'The message has no type.')
    default:
      throw new SignalingError(
        'UNKNOWN_MESSAGE_TYPE',
        typeof message.type === 'string'
          ? `Unknown message type ${JSON.stringify(message.type.slice(0, 64))}.`
          : 'type must be a string.',
        context(message),
      )
  }
}

/** The message; of a long signal without its SDP, which is the business of nobody here. */
function parse(text: string): JsonObject {
  const shorter = text.length > shortText ? withoutSdp(text) : text
  const message = parseObject(shorter)
  return shorter === text || isSignalType(message.type) ? message : parseObject(text)
}

const isSignalType = (type: unknown): boolean => (signalTypes as readonly unknown[]).includes(type)

function parseObject(json: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw new SignalingError('INVALID_JSON', undefined, { cause })
  }
  if (!isObject(value)) throw new SignalingError('INVALID_MESSAGE', 'A message is a JSON object.')
  // Each level takes a bracket at either end, so that most signals are too short to be looked at.
  if (json.length > 2 * limits.nesting && !isShallow(value, limits.nesting)) {
    throw invalid(value, `Objects and arrays may be nested ${limits.nesting} deep at most.`)
  }
  return value
}

const isSignal = (message: JsonObject): message is JsonObject & Signal => typeof message.target === 'string'

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether nothing lies deeper than `depth`. What is relayed must not break the reader at the other end. */
function isShallow(value: object, depth: number): boolean {
  if (depth === 0) return false
  for (const key in value) {
    const member: unknown = (value as JsonObject)[key]
    if (typeof member === 'object' && member !== null && !isShallow(member, depth - 1)) return false
  }
  return true
}

/** `request_id` as the protocol allows it; anything else is left alone, since plain peers may use the name themselves. */
const requestIdOf = (message: { request_id?: unknown }): string | undefined =>
  typeof message.request_id === 'string' && /^[A-Za-z0-9_.-]{1,64}$/.test(message.request_id)
    ? message.request_id
    : undefined

/** What an error about `message` repeats of it, so that its sender knows which one failed. */
export const context = (message: { request_id?: unknown; target?: unknown }): ErrorContext => ({
  requestId: requestIdOf(message),
  target: typeof message.target === 'string' && message.target.length <= limits.echoLength ? message.target : undefined,
})

const invalid = (message: JsonObject, detail: string) => new SignalingError('INVALID_MESSAGE', detail, context(message))

function register(message: JsonObject, peerIdLength: number): Register {
  const { peer_id, room_id, token, id_token } = message
  // The original's check and sentence: an empty string counted as missing.
  if (!peer_id || !room_id || !token || !id_token) {
    throw invalid(message, 'Missing required fields during registration.')
  }
  if (typeof peer_id !== 'string') throw invalid(message, 'peer_id must be a string.')
  if (typeof room_id !== 'string') throw invalid(message, 'room_id must be a string.')
  if (typeof token !== 'string') throw invalid(message, 'token must be a string.')
  if (typeof id_token !== 'string') throw invalid(message, 'id_token must be a string.')
  const { role, metadata, is_admin, features } = message
  if (!isPrintable(peer_id, peerIdLength)) {
    throw invalid(message, `peer_id must be 1 to ${peerIdLength} printable characters.`)
  }
  return {
    type: 'register',
    peer_id,
    room_id,
    token,
    id_token,
    role:
      optional(role, 'peer', isRole) ?? fail(message, `role must be 1 to ${limits.roleLength} printable characters.`),
    metadata:
      optional(metadata, {}, isMetadata) ??
      fail(message, `metadata must be an object of at most ${limits.metadataBytes} bytes of JSON.`),
    is_admin: optional(is_admin, false, isBoolean) ?? fail(message, 'is_admin must be true or false.'),
    features:
      optional(features, [], isFeatures) ??
      fail(message, `features must be a list of at most ${limits.features} short strings.`),
    request_id: requestIdOf(message),
  }
}

/** `value` if it is right, `absent` if it is not there (or null, which some languages send for that), else undefined. */
const optional = <T>(value: unknown, absent: T, isRight: (value: unknown) => value is T): T | undefined =>
  value === undefined || value === null ? absent : isRight(value) ? value : undefined

const fail = (message: JsonObject, detail: string): never => {
  throw invalid(message, detail)
}

/** No control, format, surrogate or unassigned characters, and no separators but the ordinary space. */
const isPrintable = (text: string, length: number): boolean =>
  text.length > 0 && text.length <= length && /^(?:[^\p{C}\p{Z}]| )*$/u.test(text)

const isRole = (value: unknown): value is string => typeof value === 'string' && isPrintable(value, limits.roleLength)

const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean'

/** Whether `value` is an object that fits the limit for metadata once it is JSON in UTF-8. */
export const isMetadata = (value: unknown): value is JsonObject =>
  isObject(value) && new TextEncoder().encode(JSON.stringify(value)).length <= limits.metadataBytes

const isFeatures = (value: unknown): value is readonly string[] =>
  Array.isArray(value) &&
  value.length <= limits.features &&
  value.every(feature => typeof feature === 'string' && feature.length <= limits.featureLength)

/**
 * The signal with its sender named, for the deployed code that leaves `sender` out. Everything else stays as it came.
 * `text` must be a JSON object with at least one member and no `sender`.
 */
export function nameSender(text: string, sender: string): string {
  const open = text.indexOf('{') + 1
  return `${text.slice(0, open)}"sender":${JSON.stringify(sender)},${text.slice(open)}`
}
